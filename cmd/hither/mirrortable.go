package main

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// tableWidth is the most columns of any line: it fits a terminal of 100, a mail and a bug report.
const tableWidth = 100

// Widths of the table's columns, whose sum with the gaps is tableWidth.
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

// ink colours parts of a line. The zero ink leaves them as they are.
type ink struct{ on bool }

func (k ink) with(code, text string) string {
	if !k.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (k ink) bold(text string) string  { return k.with("1", text) }
func (k ink) dim(text string) string   { return k.with("2", text) }
func (k ink) red(text string) string   { return k.with("31", text) }
func (k ink) green(text string) string { return k.with("32", text) }

// mirrorTable prints a survey for people.
type mirrorTable struct {
	Ink   ink
	Brief bool // the median alone, not all five statistics
}

// Print writes a table for each rule, with a line between.
func (t mirrorTable) Print(w io.Writer, s Survey) error {
	_, err := io.WriteString(w, strings.Join(t.lines(s), "\n")+"\n")
	return err
}

func (t mirrorTable) lines(s Survey) (lines []string) {
	for i, rule := range s.Rules {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, t.rule(s, rule)...)
	}
	return lines
}

// rule is one table.
func (t mirrorTable) rule(s Survey, r SurveyRule) []string {
	lines := []string{t.title(s, r)}
	if r.Note != "" {
		lines = append(lines, indented(plain(r.Note), 2)...)
	}
	if !r.Measured {
		for _, u := range r.Upstreams {
			lines = append(lines, shorten(mark(u)+fit(middle(bare(plain(u.Base)), nameColumns), nameColumns)+" "+plain(u.Verdict), tableWidth))
		}
		return lines
	}
	lines = append(lines, t.Ink.bold(strings.TrimRight(tableHead(), " ")))
	for _, u := range r.Upstreams {
		lines = append(lines, t.upstream(u)...)
	}
	return lines
}

// title says what was measured, and the choice on the right.
func (t mirrorTable) title(s Survey, r SurveyRule) string {
	choice := "choice: none works"
	switch {
	case r.Choice != nil && r.Choice.Pinned:
		choice = "choice: " + plain(r.Choice.Base) + " (pinned by you)"
	case r.Choice != nil:
		choice = "choice: " + plain(r.Choice.Base)
	case !r.Measured:
		choice = "choice: not known"
	}
	what := "not measured"
	if r.Measured {
		what = fmt.Sprintf("%s each, ms", count(int64(s.Count), "measurement"))
	}
	left := fit(middle(r.Rule, 20), 22) + fit(what, 26)
	right := middle(choice, tableWidth-columns(left)-1)
	gap := strings.Repeat(" ", tableWidth-columns(left)-columns(right))
	if r.Choice == nil {
		return t.Ink.bold(left) + gap + t.Ink.red(right)
	}
	return t.Ink.bold(left) + gap + t.Ink.green(right)
}

func tableHead() string {
	cells := fit("UPSTREAM", markColumns+nameColumns) + " " + fit("HTTP", httpColumns) + " " + fit("", statColumns)
	for _, phase := range []string{"DNS", "TCP", "TLS", "TTFB", "TOTAL"} {
		cells += fitRight(phase, phaseColumns)
	}
	return cells + fitRight("RATE", rateColumns) + fitRight("OK", shareColumns) + "  " + fit("NEWEST", newestColumns-2)
}

func mark(u SurveyUpstream) string {
	if u.Chosen {
		return "→ "
	}
	return "  "
}

// upstream is one line for those that are off or dead, else the statistics and the verdict.
func (t mirrorTable) upstream(u SurveyUpstream) (lines []string) {
	name := mark(u) + fit(middle(bare(plain(u.Base)), nameColumns), nameColumns)
	if !slices.ContainsFunc(u.Measured, func(m Measurement) bool { return m.OK > 0 }) {
		return []string{t.dead(name, u)}
	}
	if u.Chosen {
		name = t.Ink.green(name)
	}
	for _, m := range u.Measured {
		lines = append(lines, t.measurement(name, u.Base, m)...)
		name = strings.Repeat(" ", markColumns+nameColumns)
	}
	for _, line := range indented(plain(u.Verdict), 6) {
		lines = append(lines, t.Ink.dim(line))
	}
	return lines
}

// dead is the one line of who did not work.
func (t mirrorTable) dead(name string, u SurveyUpstream) string {
	text := plain(u.Verdict)
	if len(u.Measured) > 0 {
		m := u.Measured[0]
		if m.Count > 0 {
			text = fmt.Sprintf("dead: %s (%d of %d)", m.failure(), m.Count-m.OK, m.Count)
		}
		if m.Err != "" {
			text += ", " + gist(m.Err, u.Base)
		}
	}
	line := name + " " + shorten(text, tableWidth-columns(name)-1)
	if u.Off != "" {
		return t.Ink.dim(line)
	}
	return t.Ink.red(line)
}

// measurement is one line for each statistic.
func (t mirrorTable) measurement(name, base string, m Measurement) (lines []string) {
	if m.OK == 0 {
		text := fit(httpName(m), httpColumns) + " " + m.failure() + colon(gist(m.Err, base))
		return []string{name + " " + shorten(text, tableWidth-markColumns-nameColumns-1)}
	}
	rate, newest := "–", m.Newest
	if m.Rate > 0 {
		rate = speed(m.Rate)
	}
	line := name + " " + fit(httpName(m), httpColumns) + " " + row(m, "p50", func(s Stats) time.Duration { return s.P50 }) +
		fitRight(rate, rateColumns) + fitRight(percent(m.Success), shareColumns) + "  " + newest
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
		lines = append(lines, t.Ink.dim(indent+row(m, stat.name, stat.of)))
	}
	return lines
}

// gist is an error without what its line says already, so that the cause is not what is cut off: the name of the upstream,
// and what was said before.
func gist(text, base string) string {
	host := hostOf(base)
	bare, _, _ := strings.Cut(host, ":")
	said := []string{"", host, bare}
	var parts []string
	for part := range strings.SplitSeq(plain(text), ": ") {
		named := strings.HasPrefix(part, "connect to "+bare) || strings.HasPrefix(part, host+" does not speak ")
		_, err := netip.ParseAddrPort(part)
		if !named && err != nil && !slices.Contains(said, part) {
			parts, said = append(parts, part), append(said, part)
		}
	}
	if len(parts) == 0 {
		return plain(text)
	}
	return strings.Join(parts, ": ")
}

// httpName is what was spoken, else what was asked for.
func httpName(m Measurement) string {
	return keep(m.Proto, m.HTTP)
}

// row is one statistic of all phases.
func row(m Measurement, name string, of func(Stats) time.Duration) string {
	text := fit(name, statColumns)
	for _, phase := range []*Stats{m.DNS, m.Connect, m.TLS, m.Wait, m.Total} {
		cell := "–"
		if phase != nil {
			cell = tenths(of(*phase))
		}
		text += fitRight(cell, phaseColumns)
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
	for _, line := range wrap(text, tableWidth-by) {
		lines = append(lines, strings.Repeat(" ", by)+line)
	}
	return lines
}
