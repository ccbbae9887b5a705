package mirrors

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hither/cmd/hither/amount"
	"hither/cmd/hither/terminal"
)

// Widths of the table's columns, whose sum with the gaps is terminal.Width.
const (
	nameColumns   = 28
	markColumns   = 2
	httpColumns   = 4
	statColumns   = 4
	phaseColumns  = 7
	rateColumns   = 10
	shareColumns  = 6
	newestColumns = 9
)

// Table prints a survey for people.
type Table struct {
	Ink   terminal.Ink
	Brief bool // the median alone, not all five statistics
}

// Print writes a table for each rule, with a line between.
func (t Table) Print(w io.Writer, s Survey) error {
	_, err := io.WriteString(w, strings.Join(t.Lines(s), "\n")+"\n")
	return err
}

// Lines are what Print writes.
func (t Table) Lines(s Survey) (lines []string) {
	for i, rule := range s.Rules {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, t.rule(s, rule)...)
	}
	return lines
}

// rule is one table.
func (t Table) rule(s Survey, r SurveyRule) []string {
	lines := []string{t.title(s, r)}
	if r.Note != "" {
		lines = append(lines, indented(terminal.Plain(r.Note), 2)...)
	}
	if !r.Measured {
		for _, u := range r.Upstreams {
			lines = append(lines, terminal.Shorten(mark(u)+terminal.Fit(terminal.Middle(bare(terminal.Plain(u.Base)), nameColumns), nameColumns)+" "+terminal.Plain(u.Verdict), terminal.Width))
		}
		return lines
	}
	lines = append(lines, t.Ink.Bold(strings.TrimRight(tableHead(), " ")))
	for _, u := range r.Upstreams {
		lines = append(lines, t.upstream(u)...)
	}
	return lines
}

// title says what was measured, and the choice on the right.
func (t Table) title(s Survey, r SurveyRule) string {
	choice := "choice: none works"
	switch {
	case r.Choice != nil && r.Choice.Pinned:
		choice = "choice: " + terminal.Plain(r.Choice.Base) + " (pinned by you)"
	case r.Choice != nil:
		choice = "choice: " + terminal.Plain(r.Choice.Base)
	case !r.Measured:
		choice = "choice: not known"
	}
	what := "not measured"
	if r.Measured {
		what = fmt.Sprintf("%s each, ms", amount.Count(int64(s.Count), "measurement"))
	}
	left := terminal.Fit(terminal.Middle(r.Rule, 20), 22) + terminal.Fit(what, 26)
	right := terminal.Middle(choice, terminal.Width-terminal.Columns(left)-1)
	gap := strings.Repeat(" ", terminal.Width-terminal.Columns(left)-terminal.Columns(right))
	if r.Choice == nil {
		return t.Ink.Bold(left) + gap + t.Ink.Red(right)
	}
	return t.Ink.Bold(left) + gap + t.Ink.Green(right)
}

func tableHead() string {
	cells := terminal.Fit("UPSTREAM", markColumns+nameColumns) + " " + terminal.Fit("HTTP", httpColumns) + " " + terminal.Fit("", statColumns)
	for _, phase := range []string{"DNS", "TCP", "TLS", "TTFB", "TOTAL"} {
		cells += terminal.FitRight(phase, phaseColumns)
	}
	return cells + terminal.FitRight("RATE", rateColumns) + terminal.FitRight("OK", shareColumns) + "  " + terminal.Fit("NEWEST", newestColumns-2)
}

func mark(u SurveyUpstream) string {
	if u.Chosen {
		return "→ "
	}
	return "  "
}

// upstream is one line for those that are off or dead, else the statistics and the verdict.
func (t Table) upstream(u SurveyUpstream) (lines []string) {
	name := mark(u) + terminal.Fit(terminal.Middle(bare(terminal.Plain(u.Base)), nameColumns), nameColumns)
	if !slices.ContainsFunc(u.Measured, func(m Measurement) bool { return m.OK > 0 }) {
		return []string{t.dead(name, u)}
	}
	if u.Chosen {
		name = t.Ink.Green(name)
	}
	for _, m := range u.Measured {
		lines = append(lines, t.measurement(name, u.Base, m)...)
		name = strings.Repeat(" ", markColumns+nameColumns)
	}
	for _, line := range indented(terminal.Plain(u.Verdict), 6) {
		lines = append(lines, t.Ink.Dim(line))
	}
	return lines
}

// dead is the one line of who did not work.
func (t Table) dead(name string, u SurveyUpstream) string {
	text := terminal.Plain(u.Verdict)
	if len(u.Measured) > 0 {
		m := u.Measured[0]
		if m.Count > 0 {
			text = fmt.Sprintf("dead: %s (%d of %d)", m.failure(), m.Count-m.OK, m.Count)
		}
		if m.Err != "" {
			text += ", " + gist(m.Err, u.Base)
		}
	}
	line := name + " " + terminal.Shorten(text, terminal.Width-terminal.Columns(name)-1)
	if u.Off != "" {
		return t.Ink.Dim(line)
	}
	return t.Ink.Red(line)
}

// measurement is one line for each statistic.
func (t Table) measurement(name, base string, m Measurement) (lines []string) {
	if m.OK == 0 {
		text := terminal.Fit(httpName(m), httpColumns) + " " + m.failure() + colon(gist(m.Err, base))
		return []string{name + " " + terminal.Shorten(text, terminal.Width-markColumns-nameColumns-1)}
	}
	rate, newest := "–", m.Newest
	if m.Rate > 0 {
		rate = speed(m.Rate)
	}
	line := name + " " + terminal.Fit(httpName(m), httpColumns) + " " + row(m, "p50", func(s Stats) time.Duration { return s.P50 }) +
		terminal.FitRight(rate, rateColumns) + terminal.FitRight(percent(m.Success), shareColumns) + "  " + newest
	lines = append(lines, line)
	if t.Brief {
		return lines
	}
	indent := strings.Repeat(" ", markColumns+nameColumns+1+httpColumns+1)
	for _, stat := range []struct {
		name string
		of   func(Stats) time.Duration
	}{
		{"min", func(s Stats) time.Duration { return s.Min }},
		{"p95", func(s Stats) time.Duration { return s.P95 }},
		{"max", func(s Stats) time.Duration { return s.Max }},
		{"sd", func(s Stats) time.Duration { return s.SD }},
	} {
		lines = append(lines, t.Ink.Dim(indent+row(m, stat.name, stat.of)))
	}
	return lines
}

// gist is an error without what its line says already, so that the cause is not what is cut off: the name of the upstream,
// and what was said before.
func gist(text, base string) string {
	host := HostOf(base)
	bare, _, _ := strings.Cut(host, ":")
	said := []string{"", host, bare}
	var parts []string
	for part := range strings.SplitSeq(terminal.Plain(text), ": ") {
		named := strings.HasPrefix(part, "connect to "+bare) || strings.HasPrefix(part, host+" does not speak ")
		_, err := netip.ParseAddrPort(part)
		if !named && err != nil && !slices.Contains(said, part) {
			parts, said = append(parts, part), append(said, part)
		}
	}
	if len(parts) == 0 {
		return terminal.Plain(text)
	}
	return strings.Join(parts, ": ")
}

// httpName is what was spoken, else what was asked for.
func httpName(m Measurement) string {
	return keep(m.Proto, m.HTTP)
}

// row is one statistic of all phases.
func row(m Measurement, name string, of func(Stats) time.Duration) string {
	text := terminal.Fit(name, statColumns)
	for _, phase := range []*Stats{m.DNS, m.Connect, m.TLS, m.Wait, m.Total} {
		cell := "–"
		if phase != nil {
			cell = tenths(of(*phase))
		}
		text += terminal.FitRight(cell, phaseColumns)
	}
	return text
}

// tenths is milliseconds in at most six characters.
func tenths(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms < 999.95 {
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", min(ms, 999999))
}

// speed is bytes a second in at most nine characters; network people count in powers of ten.
func speed(rate float64) string {
	switch {
	case rate >= 999.5e6:
		return fmt.Sprintf("%.1f GB/s", min(rate/1e9, 999))
	case rate >= 999.5e3:
		return fmt.Sprintf("%.0f MB/s", rate/1e6)
	}
	return fmt.Sprintf("%.0f kB/s", rate/1e3)
}

func percent(share float64) string { return fmt.Sprintf("%.0f%%", 100*share) }

// indented breaks a text into lines of the table.
func indented(text string, by int) (lines []string) {
	for _, line := range terminal.Wrap(text, terminal.Width-by) {
		lines = append(lines, strings.Repeat(" ", by)+line)
	}
	return lines
}
