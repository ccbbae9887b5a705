package mirrors

import (
	"strings"
	"testing"
	"time"

	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/terminal"
)

func TestTheHeatMap(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 3, 0, 0, time.UTC)
	var near, origin []TimeSlot
	for i := range 288 {
		at := now.Truncate(slotLength).Add(-time.Duration(287-i) * slotLength)
		near = append(near, TimeSlot{Time: at, Requests: 4, Wait: time.Duration(1+i*i/30) * ms})
		if i%40 == 0 {
			origin = append(origin, TimeSlot{Time: at, Requests: 2, Failures: 2})
		}
	}
	near[100].Failures = 1
	all := []History{
		{Rule: "go", Base: "https://goproxy.cn", Slots: near},
		{Rule: "go", Base: "https://proxy.golang.org", Origin: true, Slots: origin},
		{Rule: "npm", Base: "https://" + strings.Repeat("\x1b[31m镜", 30), Slots: near[200:]},
	}
	var plainly, coloured strings.Builder
	if err := (HeatMap{Now: now}).Print(&plainly, all); err != nil {
		t.Fatal(err)
	}
	golden(t, "heat.txt", plainly.String())
	for line := range strings.Lines(plainly.String()) {
		if n := terminal.Columns(strings.TrimSuffix(line, "\n")); n > terminal.Width || strings.Contains(line, "\x1b") {
			t.Errorf("a line of %d columns\n got %q\nwant at most %d, and no escapes", n, line, terminal.Width)
		}
	}
	if err := (HeatMap{Now: now, Ink: terminal.Ink{On: true}}).Print(&coloured, all); err != nil {
		t.Fatal(err)
	}
	hithertest.Contains(t, coloured.String(), "\x1b[48;5;46m \x1b[0m", "\x1b[30;48;5;", "\x1b[31m×")
}

func TestTheHeatMapOfNothing(t *testing.T) {
	var out strings.Builder
	if err := (HeatMap{Now: time.Now()}).Print(&out, nil); err != nil {
		t.Fatal(err)
	}
	hithertest.Contains(t, out.String(), "Nothing is remembered")
}

// Clocks jump: what is of tomorrow or of last year is not drawn, and nothing breaks.
func TestTheHeatMapOfWrongClocks(t *testing.T) {
	now := time.Now()
	for _, at := range []time.Time{now.Add(48 * time.Hour), now.Add(-9000 * time.Hour), {}} {
		lines := (HeatMap{Now: now}).lines([]History{{Rule: "go", Base: "https://a.test", Slots: []TimeSlot{{Time: at, Requests: 1, Wait: ms}}}})
		hithertest.Same(t, "row", strings.TrimSpace(lines[1]), "a.test")
	}
}
