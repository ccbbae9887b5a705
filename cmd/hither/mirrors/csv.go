package mirrors

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"hither/cmd/hither/terminal"
)

// csvHeader names the columns of `hither mirrors --csv`. Further ones may follow; these stay.
func csvHeader() []string {
	return []string{
		"rule", "upstream", "origin", "chosen", "asked", "http", "phase", "count", "ok", "min_ms", "p50_ms", "p95_ms", "max_ms", "sd_ms",
		"bytes_per_second", "newest", "verdict",
	}
}

// PrintCSV writes one row for each upstream and phase (RFC 4180). Who is off or never answered has one row without a phase.
func PrintCSV(w io.Writer, s Survey) error {
	rows := csv.NewWriter(w)
	rows.UseCRLF = true
	_ = rows.Write(csvHeader()) // Error tells below
	for _, rule := range s.Rules {
		for _, u := range rule.Upstreams {
			for _, row := range csvRows(rule.Rule, u) {
				_ = rows.Write(row)
			}
		}
	}
	rows.Flush()
	return rows.Error()
}

func csvRows(rule string, u SurveyUpstream) (rows [][]string) {
	head := []string{rule, u.Base, strconv.FormatBool(u.Origin), strconv.FormatBool(u.Chosen)}
	verdict := harmless(terminal.Plain(u.Verdict))
	empty := []string{"", "", "", "", "", "", ""}
	if len(u.Measured) == 0 {
		rows = append(rows, join4(head, []string{"", "", "", "0", "0"}, empty, verdict))
	}
	for _, m := range u.Measured {
		counts := []string{strconv.Itoa(m.Count), strconv.Itoa(m.OK)}
		if m.OK == 0 {
			rows = append(rows, join4(head, append([]string{m.Proto, m.HTTP, ""}, counts...), empty, verdict))
		}
		for _, phase := range m.named() {
			if phase.stats == nil || m.OK == 0 {
				continue
			}
			at := append([]string{m.Proto, m.HTTP, phase.name}, counts...)
			rows = append(rows, join4(head, at, append(phase.stats.cells(), rateCell(m.Rate), m.Newest), verdict))
		}
	}
	return rows
}

func join4(head, at, figures []string, verdict string) []string {
	row := append([]string{}, head...)
	return append(append(append(row, at...), figures...), verdict)
}

// phase is a part of a measurement with its name.
type phase struct {
	name  string
	stats *Stats
}

func (m Measurement) named() []phase {
	return []phase{{"dns", m.DNS}, {"connect", m.Connect}, {"tls", m.TLS}, {"ttfb", m.Wait}, {"total", m.Total}}
}

func (s Stats) cells() (cells []string) {
	for _, d := range []time.Duration{s.Min, s.P50, s.P95, s.Max, s.SD} {
		cells = append(cells, strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 3, 64))
	}
	return cells
}

func rateCell(rate float64) string {
	if rate <= 0 {
		return ""
	}
	return strconv.FormatFloat(rate, 'f', 0, 64)
}

// harmless keeps a spreadsheet from taking words for a formula, in which a stranger's server might have a part.
func harmless(text string) string {
	if strings.HasPrefix(text, "=") || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") || strings.HasPrefix(text, "@") {
		return "'" + text
	}
	return text
}
