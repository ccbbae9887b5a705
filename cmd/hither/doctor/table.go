package doctor

import (
	"fmt"
	"io"
	"strings"

	"hither/cmd/hither/amount"
	"hither/cmd/hither/terminal"
)

// Table shows a Report to people, what is worst first.
type Table struct{ Ink terminal.Ink }

// Widths of the columns before the text.
const (
	levelColumns = 6
	checkColumns = 13
)

// Print writes the report.
func (t Table) Print(w io.Writer, r Report) error {
	lines := []string{t.summary(r), ""}
	for _, level := range []Level{Fail, Warn, Note, OK} {
		for _, f := range r.Findings {
			if f.Level == level {
				lines = append(lines, t.finding(f)...)
			}
		}
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

func (t Table) summary(r Report) string {
	switch failed, warned := r.Count(Fail), r.Count(Warn); {
	case failed > 0:
		return t.Ink.Red(fmt.Sprintf("Broken: %s.", amount.Count(int64(failed), "thing"))) + fmt.Sprintf(" Warnings: %d.", warned)
	case warned > 0:
		return fmt.Sprintf("Nothing is broken. Warnings: %d.", warned)
	}
	return t.Ink.Green("All is well.")
}

// finding is the level, the check, and the cause with its remedy below.
func (t Table) finding(f Finding) (lines []string) {
	const before = levelColumns + checkColumns
	level := terminal.Fit(string(f.Level), levelColumns)
	switch f.Level {
	case Fail:
		level = t.Ink.Red(level)
	case OK:
		level = t.Ink.Green(level)
	}
	for i, line := range terminal.Wrap(terminal.Plain(f.Cause), terminal.Width-before) {
		if i == 0 {
			lines = append(lines, level+terminal.Fit(terminal.Plain(f.Check), checkColumns)+line)
		} else {
			lines = append(lines, strings.Repeat(" ", before)+line)
		}
	}
	for i, line := range terminal.Wrap(terminal.Plain(f.Remedy), terminal.Width-before-2) {
		mark := "→ "
		if i > 0 {
			mark = "  "
		}
		lines = append(lines, strings.Repeat(" ", before)+mark+line)
	}
	return lines
}
