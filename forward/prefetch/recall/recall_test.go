package recall

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func steps(letter string, n int) []Step {
	out := make([]Step, n)
	for i := range out {
		out[i] = Step{URL: fmt.Sprintf("https://r.example/%s%d", letter, i)}
	}
	return out
}

func TestARunIsKnownByItsBeginning(t *testing.T) {
	a := steps("a", 30)
	var c Memory
	c.Remember("go", "", a)
	c.Remember("go", "mark", steps("m", 30))
	for _, x := range []struct {
		what, rule, mark string
		far              []Step
		wants            int
		sure             bool
	}{
		{"two of three first steps", "go", "", []Step{a[0], a[1]}, 0, false},
		{"three first steps, in another order", "go", "", []Step{a[9], a[2], a[0]}, 30, true},
		{"a step of another run among them", "go", "", []Step{a[0], {URL: "x"}, a[1]}, 0, false},
		{"three steps of the middle", "go", "", a[17:20], 0, false},
		{"another registry", "npm", "", a[:3], 0, false},
		{"one step with the same mark", "go", "mark", steps("m", 1), 30, true},
		{"one step with another mark", "go", "other", steps("m", 1), 0, false},
		{"too late to begin anything", "go", "", steps("z", openWithin), 0, true},
	} {
		wants, sure := c.Lookup(x.rule, x.mark, x.far)
		same(t, x.what, fmt.Sprint(len(wants), sure), fmt.Sprint(x.wants, x.sure))
	}
}

func TestWhatIsRemembered(t *testing.T) {
	c := Memory{Path: filepath.Join(t.TempDir(), "recall.json")}
	same(t, "a short run", c.Remember("go", "", steps("a", 3)), false)
	c.Remember("go", "", steps("a", 40))
	c.Remember("go", "", steps("a", 10)) // as when the rest was at hand
	same(t, "steps after a small part of the same", len(c.past[0].Steps), 40)
	c.Remember("go", "", append(steps("a", 10), steps("b", 5)...))
	same(t, "steps after another run that begins so", len(c.past[0].Steps), 15)
	same(t, "runs", len(c.past), 1)
	for i := range 2 * maxPast {
		c.Remember("go", "", steps(fmt.Sprint(i, "x"), 5))
	}
	same(t, "runs at most", len(c.past), maxPast)
	c.Remember("go", "", steps("l", 2*MaxSteps))
	same(t, "steps at most", len(c.past[0].Steps), MaxSteps)

	c.Save(slog.New(slog.DiscardHandler))
	info, err := os.Stat(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "rights", info.Mode().Perm(), 0o600)
	c.Remember("go", "", steps("l", MaxSteps))
	c.Save(slog.New(slog.DiscardHandler)) // over the old one
	read := Memory{Path: c.Path}
	read.Load(slog.New(slog.DiscardHandler))
	same(t, "runs read", len(read.past), maxPast)
	same(t, "steps read", len(read.past[0].Steps), MaxSteps)
}

func TestMemoryOfRunsIsSmall(t *testing.T) {
	long := func(letter string, n, size int) []Step {
		out := steps(letter, n)
		for i := range out {
			out[i].URL += strings.Repeat("x", size)
		}
		return out
	}
	c := Memory{Path: filepath.Join(t.TempDir(), "recall.json")}
	c.Remember("go", "", steps("mine", 20))
	c.Remember("go", "", long("a", 1100, 1000))
	same(t, "runs after one that is large", len(c.past), 2)
	same(t, "a run of names that are too long", c.Remember("go", "", long("b", 100, maxURL)), false)
	for i := range 8 {
		c.Remember("go", "", long(fmt.Sprint(i, "x"), 1100, 1000))
	}
	total := 0
	for _, p := range c.past {
		for _, s := range p.Steps {
			total += s.weight()
		}
	}
	if total > maxKept {
		t.Errorf("bytes:\n got %v\nwant at most %v", total, maxKept)
	}
	var log bytes.Buffer
	c.Save(slog.New(slog.NewTextHandler(&log, nil)))
	read := Memory{Path: c.Path}
	read.Load(slog.New(slog.NewTextHandler(&log, nil)))
	same(t, "said", log.String(), "")
	same(t, "runs read", len(read.past), len(c.past))
}

// TestMemoryThatCouldNotBeWrittenIsWrittenLater has no directory at first, as a disk that is full for a while.
func TestMemoryThatCouldNotBeWrittenIsWrittenLater(t *testing.T) {
	dir, log := filepath.Join(t.TempDir(), "state"), slog.New(slog.DiscardHandler)
	c := Memory{Path: filepath.Join(dir, "recall.json")}
	c.Remember("go", "", steps("a", 40))
	c.Save(log)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c.Save(log)
	read := Memory{Path: c.Path}
	read.Load(log)
	same(t, "runs read", len(read.past), 1)
}

func TestADamagedMemoryIsForgotten(t *testing.T) {
	for _, text := range []string{"", "{", "null x", `[{"rule":"go"}]`, "[" + strings.Repeat(`{},`, 99) + "{}]"} {
		var log bytes.Buffer
		c := Memory{Path: filepath.Join(t.TempDir(), "recall.json")}
		if err := os.WriteFile(c.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Load(slog.New(slog.NewTextHandler(&log, nil)))
		same(t, text+": runs", len(c.past), 0)
		same(t, text+": is said", strings.Contains(log.String(), "is forgotten"), true)
	}
}

func FuzzParsePast(f *testing.F) {
	f.Add([]byte(`[{"rule":"go","mark":"0a","steps":[{"url":"https://r/1"},{"url":"https://r/2","bulk":true},{"url":"3","accept":"a/b"},{"url":"4"}]}]`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`{"steps":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		past, err := parsePast(data)
		if err != nil {
			return
		}
		c := Memory{past: past}
		for _, p := range past {
			c.Lookup(p.Rule, p.Mark, p.Steps)
			c.Remember(p.Rule, p.Mark, p.Steps)
		}
		if len(c.past) > maxPast {
			t.Errorf("runs:\n got %d\nwant at most %d", len(c.past), maxPast)
		}
	})
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}
