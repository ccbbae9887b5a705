package measure

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// busy is a world in which a bit of everything happened.
func busy() *world {
	w := newWorld()
	w.saw(origin, 300, OK, 90*ms)
	w.sent(origin, 90*ms, 20)
	w.saw(near, 20, OK, 20*ms)
	w.probed(near, 3, OK, 10*ms)
	w.saw(near, 2, Missing, 9*ms)
	w.Add(Sample{Base: near, Name: "gone", When: w.now, Outcome: Missing, Took: ms})
	w.Behind(near, true)
	w.saw(far, 3, Broken, 0)
	w.saw(odd, 1, WrongBytes, 5*ms)
	w.Add(Sample{Base: dead, When: w.now, Outcome: Limited, RetryAfter: time.Minute})
	return w
}

// saved is what a board writes.
func saved(t testing.TB, b *Board) string {
	t.Helper()
	var text strings.Builder
	if err := b.Save(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// told is all that a board says.
func told(t testing.TB, b *Board) string {
	t.Helper()
	list := []string{origin, near, far, odd, dead}
	text, err := json.Marshal([]any{
		b.Report(), b.History(time.Time{}), b.Due(list), b.Late(origin, Small), b.Rate(origin),
		b.Rank(list, Object{}), b.Rank(list, Object{Changes: true}), b.Rank(list, Object{Name: "gone", Size: 5 << 20}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhatIsSavedIsLoaded(t *testing.T) {
	w := busy()
	again := &Board{Now: w.Now}
	again.Add(Sample{Base: "https://other.example"}) // it does not stay
	if err := again.Load(strings.NewReader(saved(t, w.Board))); err != nil {
		t.Fatal(err)
	}
	check(t, "what the loaded board tells", told(t, again), told(t, w.Board))
	check(t, "what it saves", saved(t, again), saved(t, w.Board))
}

func TestTheKeptAges(t *testing.T) {
	w := busy()
	text := saved(t, w.Board)
	for _, c := range []struct {
		later time.Duration
		want  string
	}{
		{0, "dead ejected, far ejected, near good, odd quarantined, origin good"},
		{time.Minute, "dead half-open, far half-open, near good, odd quarantined, origin good"},
		{7 * time.Hour, "dead half-open, far half-open, near good doubtful, odd quarantined, origin good doubtful"},
		{quarantine, "dead half-open, far half-open, near good doubtful, odd untried, origin good doubtful"},
		{-365 * 24 * time.Hour, "dead ejected, far ejected, near good, odd quarantined, origin good"}, // saved in the future
	} {
		b := &Board{Now: func() time.Time { return w.now.Add(c.later) }}
		if err := b.Load(strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range b.Report() {
			word := strings.TrimSuffix(strings.TrimPrefix(s.Base, "https://"), ".example") + " " + string(s.State)
			if s.Doubtful {
				word += " doubtful"
			}
			got = append(got, word)
			if until := s.Until.Sub(b.Now()); until > maxQuarantine {
				t.Errorf("%s: until\ngot  in %s\nwant at most in %s", s.Base, until, maxQuarantine)
			}
		}
		check(t, "after "+c.later.String(), strings.Join(got, ", "), c.want)
	}
}

func TestKeptHolesLastAnHour(t *testing.T) {
	w := busy()
	text, future := saved(t, w.Board), w.now
	w.after(holeSpan)
	check(t, "an hour later it is saved", strings.Contains(saved(t, w.Board), `"gone"`), false)
	w.after(-365 * 24 * time.Hour) // what was saved is of the future now
	again := &Board{Now: w.Now}
	if err := again.Load(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	lacks := func() bool { return again.Rank([]string{near}, Object{Name: "gone"})[0].Hole }
	w.after(holeSpan)
	check(t, "an hour after it was loaded it is a hole", lacks(), false)
	w.now = future.Add(time.Minute)
	if err := again.Load(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	check(t, "a minute after it was seen it is a hole", lacks(), true)
}

func TestTheOldestHoleGoesFirstAndTheNewestAreSaved(t *testing.T) {
	w := newWorld()
	lacks := func(name string) {
		w.after(ms)
		w.Add(Sample{Base: near, Name: name, When: w.now, Outcome: Missing})
	}
	hole := func(b *Board, name string) bool { return b.Rank([]string{near}, Object{Name: name})[0].Hole }
	lacks("again")
	lacks("first")
	for i := range maxHoles - 2 {
		lacks(fmt.Sprint(i))
	}
	lacks("again") // its place in the queue is the last one now
	check(t, "the oldest, when all places are taken", hole(w.Board, "first"), true)
	lacks("last")
	check(t, "the oldest, when there is one too many", hole(w.Board, "first"), false)
	check(t, "one that was seen again", hole(w.Board, "again"), true)
	again := &Board{Now: w.Now}
	if err := again.Load(strings.NewReader(saved(t, w.Board))); err != nil {
		t.Fatal(err)
	}
	check(t, "the newest are loaded", fmt.Sprint(hole(again, "again"), hole(again, "last"), hole(again, "0"), len(again.holes.seen)), "true true false 2000")
}

func TestADamagedFileIsSaidToBeAndChangesNothing(t *testing.T) {
	whole := saved(t, busy().Board)
	replaced := func(old, by string) string {
		if !strings.Contains(whole, old) {
			t.Fatalf("%s is not in %s", old, whole)
		}
		return strings.Replace(whole, old, by, 1)
	}
	bases := strings.Builder{}
	for i := range maxBases + 1 {
		fmt.Fprintf(&bases, `"%d":{},`, i)
	}
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "unexpected end"},
		{"half of it", whole[:len(whole)/2], "unexpected end"},
		{"twice", whole + whole, "after top-level value"},
		{"something else", "[]", "cannot unmarshal array"},
		{"another version", replaced(`"version":1`, `"version":2`), "version 2"},
		{"no version", "{}", "version 0"},
		{"an upstream of which nothing is said", `{"version":1,"bases":{"x":null}}`, "nothing is said"},
		{"an upstream without a name", `{"version":1,"bases":{"":{}}}`, "not the address"},
		{"too many upstreams", `{"version":1,"bases":{` + bases.String() + `"x":{}}}`, "more than 512"},
		{"a wait below nothing", replaced(`"wait":90000000`, `"wait":-1`), "wait is -1ns"},
		{"a wait of years", replaced(`"wait":90000000`, `"wait":99999999999999999`), "wait is 2777"},
		{"a rate below nothing", replaced(`"rate":`, `"rate":-`), "rate is -"},
		{"a share above all", replaced(`"failing":`, `"failing":7`), "failing is"},
		{"an unknown outcome", replaced(`"broken":3`, `"eaten":3`), "eaten"},
		{"a count below nothing", replaced(`"broken":3`, `"broken":-3`), "-3 transfers"},
		{"a quarantine of years", replaced(`"sentence":`, `"sentence":9`), "sentence is"},
		{"a window that points behind itself", replaced(`"next":44`, `"next":256`), "place in the window is 256"},
		{"a hole in nothing", replaced(`"name":"gone"`, `"name":""`), "a hole has no name"},
		{"more failures than requests", replaced(`"requests":301`, `"requests":0`), "requests is 0"},
		{"too much of it", strings.Repeat(" ", maxKept+1), "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := busy()
			before := told(t, w.Board)
			err := w.Load(strings.NewReader(c.text))
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error\ngot  %v\nwant one that is ErrDamaged and says %q", err, c.want)
			}
			check(t, "the board afterwards", told(t, w.Board), before)
		})
	}
}

// A client may ask for any name; what cannot be written down as it is must not make the whole unreadable.
func TestAStrangeNameDoesNotSpoilWhatIsSaved(t *testing.T) {
	for _, name := range []string{strings.Repeat("\xff", maxHoleName), strings.Repeat("x", maxHoleName), strings.Repeat("x", maxHoleName+1), "\x00\n\"", ""} {
		for _, base := range []string{near, "https://\xff.example", "https://" + strings.Repeat("x", maxBaseName)} {
			w := newWorld()
			w.saw(origin, 1, OK, 20*ms)
			w.Add(Sample{Base: base, Name: name, When: w.now, Outcome: Missing, Took: ms})
			w.Behind(base, true)
			again := &Board{Now: w.Now}
			if err := again.Load(strings.NewReader(saved(t, w.Board))); err != nil {
				t.Errorf("an object named %.9q of %.20q\ngot  %v\nwant no error", name, base, err)
			}
			check(t, "what the loaded board tells", told(t, again), told(t, w.Board))
		}
	}
}

func TestAFileThatCannotBeReadIsNotDamaged(t *testing.T) {
	err := new(Board).Load(iotest.ErrReader(io.ErrUnexpectedEOF))
	if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrDamaged) {
		t.Errorf("error\ngot  %v\nwant unexpected EOF, and not ErrDamaged", err)
	}
}

// FuzzLoad reads files that others wrote. Either they are refused, or the board works with them.
func FuzzLoad(f *testing.F) {
	small := newWorld() // a large seed is all that the fuzzer would ever shorten
	small.saw(near, 2, OK, 20*ms)
	small.sent(far, 90*ms, 20)
	small.saw(far, 3, Broken, 0)
	small.saw(odd, 1, WrongBytes, 0)
	f.Add([]byte(saved(f, small.Board)))
	f.Add([]byte(saved(f, new(Board))))
	f.Add([]byte(`{"version":1,"bases":{"https://near.example":{"classes":[{"wait":1,"rate":1e12}],"history":[{"slot":1,"requests":1}]}}}`))
	f.Add([]byte(`{"version":1,"bases":{"https://near.example":{"open":true,"ejected":"9999-12-31T23:59:59Z","cause":"page"}}}`))
	f.Add([]byte(`{"version":1,"holes":[{"base":"https://near.example","name":"x","when":"2999-01-01T00:00:00Z"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		w := newWorld()
		if err := w.Load(bytes.NewReader(text)); err != nil {
			if !errors.Is(err, ErrDamaged) || len(w.bases) > 0 {
				t.Fatalf("error\ngot  %v, and %d bases\nwant one that is ErrDamaged, and none", err, len(w.bases))
			}
			return
		}
		plausibly(t, w)
		for o := range Outcome(len(words)) {
			w.saw(near, 2, o, 20*ms)
			w.sent(near, 20*ms, 3)
			w.after(time.Minute)
		}
		plausibly(t, w)
	})
}

// plausibly fails if the board says what cannot be, or does not load what it saved.
func plausibly(t *testing.T, w *world) {
	t.Helper()
	list := []string{origin, near, far, odd, near}
	for _, o := range []Object{{}, {Name: "x", Changes: true}, {Size: 1 << 20}, {Size: 1<<63 - 1}, {Size: -1}} {
		got := w.Order(list, o)
		if a, b := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(list)); !slices.Equal(a, b) {
			t.Fatalf("not a permutation\ngot  %v\nwant %v", got, list)
		}
		for _, p := range w.Rank(list, o) {
			if p.Need < 0 || p.Need > 3*longest || p.P50 > p.P90 || p.P90 > longest || p.Requests > windowSize || !(p.Rate >= 0) || p.Reason == "" {
				t.Errorf("implausible place\ngot  %+v", p)
			}
		}
	}
	for _, s := range w.Report() {
		if s.Wait < 0 || s.Wait > longest || s.Success < 0 || s.Success > 1 || !(s.Rate >= 0) || s.Reason == "" || s.Until.Sub(w.now) > maxQuarantine {
			t.Errorf("implausible standing\ngot  %+v", s)
		}
		for _, p := range s.Classes {
			if p.Success < 0 || p.Success > 1 || p.Missing < 0 || p.Missing > 1 || p.Wait < 0 {
				t.Errorf("implausible performance\ngot  %+v", p)
			}
		}
		if late := w.Late(s.Base, Small); late < 0 || late > longest {
			t.Errorf("implausible p90\ngot  %s", late)
		}
	}
	text := saved(t, w.Board)
	again := &Board{Now: w.Now}
	if err := again.Load(strings.NewReader(text)); err != nil {
		t.Fatalf("what was saved is not loaded: %v", err)
	}
	check(t, "saved again", saved(t, again), text)
}
