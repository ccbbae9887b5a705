package mirrors

import (
	"fmt"
	"io"
	"strings"
	"time"

	"hither/cmd/hither/amount"
	"hither/cmd/hither/terminal"
	"hither/forward/measure"
	"hither/rules"
)

const (
	// slotLength is how long one TimeSlot is.
	slotLength = 5 * time.Minute
	// HeatSpan is how far back the map looks at most.
	HeatSpan = 24 * time.Hour
	// heatColumns is what the names leave of terminal.Width.
	heatColumns = terminal.Width - markColumns - nameColumns - 1
	// heatLabel is the columns between two times below the map.
	heatLabel = 12
)

// heatStep is one colour of the map.
type heatStep struct {
	under time.Duration // times to the first byte below this; 0: all others
	sign  string        // without colours
	color string        // of 256, on a terminal
}

// heatSteps double, because people feel ratios.
func heatSteps() []heatStep {
	return []heatStep{
		{12500 * time.Microsecond, ".", "46"}, {25 * time.Millisecond, ":", "82"}, {50 * time.Millisecond, "-", "118"},
		{100 * time.Millisecond, "=", "154"}, {200 * time.Millisecond, "+", "226"}, {400 * time.Millisecond, "*", "220"},
		{800 * time.Millisecond, "#", "214"}, {1600 * time.Millisecond, "%", "208"}, {0, "@", "196"},
	}
}

// heatStepOf finds the step of a time.
func heatStepOf(wait time.Duration) heatStep {
	steps := heatSteps()
	for _, step := range steps {
		if wait < step.under {
			return step
		}
	}
	return steps[len(steps)-1]
}

// Histories arranges what a board remembers by rules. Upstreams nobody asked lately are left out.
func Histories(set *rules.Set, board *measure.Board, since time.Time) (out []History) {
	slots := map[string][]TimeSlot{}
	for _, line := range board.History(since) {
		for _, b := range line.Buckets {
			slots[line.Base] = append(slots[line.Base], TimeSlot{Time: b.Time, Requests: b.Requests, Failures: b.Failures, Wait: b.Wait})
		}
	}
	for _, rule := range set.Rules() {
		for _, up := range rule.Upstreams() {
			if len(slots[up.Base]) > 0 {
				out = append(out, History{Rule: rule.Name, Base: up.Base, Origin: up.Origin, Slots: slots[up.Base]})
			}
		}
	}
	return out
}

// HeatMap draws what each upstream did over time.
type HeatMap struct {
	Ink terminal.Ink
	Now time.Time // its zone is that of the axis
}

// Print draws one map for each rule, and a legend.
func (h HeatMap) Print(w io.Writer, all []History) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "Nothing is remembered of the last 24 hours yet: the map fills while Hither is used.")
		return err
	}
	_, err := io.WriteString(w, strings.Join(h.lines(all), "\n")+"\n")
	return err
}

func (h HeatMap) lines(all []History) (lines []string) {
	first, step, n := h.frame(all)
	rule := ""
	for i, line := range all {
		if line.Rule != rule {
			if i > 0 {
				lines = append(lines, h.axis(first, step, n), "")
			}
			rule = line.Rule
			lines = append(lines, h.Ink.Bold(terminal.Fit(terminal.Middle(rule, 20), 22)+fmt.Sprintf("time to the first byte, a column is %s", amount.Rough(step))))
		}
		lines = append(lines, h.row(line, first, step, n))
	}
	return append(lines, h.axis(first, step, n), "", h.legend())
}

// frame chooses columns: from the oldest slot to now, each as short as fits.
func (h HeatMap) frame(all []History) (first time.Time, step time.Duration, n int) {
	oldest := h.Now
	for _, line := range all {
		for _, slot := range line.Slots {
			if slot.Time.Before(oldest) && slot.Time.After(h.Now.Add(-HeatSpan-slotLength)) {
				oldest = slot.Time
			}
		}
	}
	for _, merged := range []time.Duration{1, 2, 3, 6, 12} {
		step = merged * slotLength
		first = oldest.Truncate(step)
		if n = int(h.Now.Sub(first)/step) + 1; n <= heatColumns {
			break
		}
	}
	return first, step, n
}

// cell is what happened in one column.
type cell struct {
	answered, failures int
	waits              time.Duration // sum over answered
}

// row is one upstream.
func (h HeatMap) row(line History, first time.Time, step time.Duration, n int) string {
	cells := make([]cell, n)
	for _, slot := range line.Slots {
		i := int(slot.Time.Sub(first) / step)
		if slot.Time.Before(first) || i >= n {
			continue // a clock that was set: it is not of this day
		}
		c := &cells[i]
		c.failures += slot.Failures
		if slot.Wait > 0 {
			answered := min(max(slot.Requests-slot.Failures, 1), 1e6) // so many that the sum does not overflow
			c.answered += answered
			c.waits += slot.Wait * time.Duration(answered)
		}
	}
	text := "  " + terminal.Fit(terminal.Middle(bare(terminal.Plain(line.Base)), nameColumns), nameColumns) + " "
	for _, c := range cells {
		text += h.cell(c)
	}
	return strings.TrimRight(text, " ")
}

func (h HeatMap) cell(c cell) string {
	step := heatStep{sign: " "}
	if c.answered > 0 {
		step = heatStepOf(c.waits / time.Duration(c.answered))
	}
	switch {
	case h.Ink.On && c.answered > 0 && c.failures > 0:
		return h.Ink.With("30;48;5;"+step.color, "×")
	case h.Ink.On && c.answered > 0:
		return h.Ink.With("48;5;"+step.color, " ")
	case c.failures > 0:
		return h.Ink.Red("×")
	}
	return step.sign
}

// axis has times below the columns they begin with.
func (h HeatMap) axis(first time.Time, step time.Duration, n int) string {
	text := strings.Repeat(" ", markColumns+nameColumns+1)
	for i := 0; i < n && i+len("15:04") <= heatColumns; i += heatLabel {
		text += terminal.Fit(first.Add(time.Duration(i)*step).In(h.Now.Location()).Format("15:04"), heatLabel)
	}
	return h.Ink.Dim(strings.TrimRight(text, " "))
}

// legend names the steps.
func (h HeatMap) legend() string {
	text, under := "ms: ", "under "
	for _, step := range heatSteps() {
		sign, to := step.sign, under+fmt.Sprintf("%g", float64(step.under)/float64(time.Millisecond))
		if step.under == 0 {
			to = "more"
		}
		if h.Ink.On {
			sign = h.Ink.With("48;5;"+step.color, " ")
		}
		text += sign + " " + to + "  "
		under = ""
	}
	return text + h.Ink.Red("×") + " failures"
}
