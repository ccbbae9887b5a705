package measure

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	origin = "https://origin.example"
	near   = "https://near.example"
	far    = "https://far.example"
	odd    = "https://odd.example"
)

// world is a board with a clock that only the test moves.
type world struct {
	*Board
	now time.Time
}

func newWorld() *world {
	w := &world{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	w.Board = &Board{Now: func() time.Time { return w.now }}
	return w
}

// saw tells the board of n equal small transfers.
func (w *world) saw(base string, n int, o Outcome, wait time.Duration) {
	for range n {
		w.Add(Sample{Base: base, When: w.now, Outcome: o, Wait: wait, Took: wait + time.Millisecond, Bytes: 1000})
	}
}

// sent tells the board of a blob of 8 MiB at so many MiB a second.
func (w *world) sent(base string, wait time.Duration, rate int) {
	took := wait + 8*time.Second/time.Duration(rate)
	w.Add(Sample{Base: base, When: w.now, Outcome: OK, Wait: wait, Took: took, Bytes: 8 << 20})
}

func (w *world) after(d time.Duration) { w.now = w.now.Add(d) }

// state is how one base stands in the report.
func (w *world) standing(base string) Standing {
	for _, s := range w.Report() {
		if s.Base == base {
			return s
		}
	}
	return Standing{}
}

const ms = time.Millisecond

// history is what a board saw, and how it then orders origin, near and far.
type history struct {
	name string
	do   func(*world)
	want []string
}

func (h history) run(t *testing.T) {
	w := newWorld()
	h.do(w)
	all := []string{origin, near, far}
	if got := w.Order(all, Object{}); !slices.Equal(got, h.want) {
		t.Errorf("order\ngot  %v\nwant %v", got, h.want)
	}
	if want := []string{origin, near, far}; !slices.Equal(all, want) {
		t.Errorf("the argument was changed\ngot  %v\nwant %v", all, want)
	}
}

func TestTheFastestGoesFirst(t *testing.T) {
	for _, h := range []history{
		{"at a cold start the given order holds, the origin first",
			func(*world) {},
			[]string{origin, near, far}},
		{"the one that answers sooner goes first",
			func(w *world) { w.saw(origin, 4, OK, 200*ms); w.saw(near, 4, OK, 20*ms); w.saw(far, 4, OK, 90*ms) },
			[]string{near, far, origin}},
		{"an unmeasured one stands behind a measured one, even the origin",
			func(w *world) { w.saw(near, 1, OK, 500*ms) },
			[]string{near, origin, far}},
		{"a slow line loses against a later but faster one",
			func(w *world) { w.sent(origin, 10*ms, 1); w.sent(near, 100*ms, 50); w.sent(far, 300*ms, 50) },
			[]string{near, far, origin}},
		{"an unknown rate neither helps nor hurts",
			func(w *world) { w.sent(origin, 100*ms, 10); w.saw(near, 4, OK, 50*ms); w.saw(far, 4, OK, 150*ms) },
			[]string{near, origin, far}},
	} {
		t.Run(h.name, h.run)
	}
}

func TestFailuresCostTheirPlace(t *testing.T) {
	for _, h := range []history{
		{"two failures are forgiven",
			func(w *world) { w.saw(origin, 1, OK, 20*ms); w.saw(near, 1, OK, 90*ms); w.saw(origin, 2, Broken, 0) },
			[]string{origin, near, far}},
		{"three failures in a row eject, also behind the unmeasured",
			func(w *world) { w.saw(origin, 1, OK, 20*ms); w.saw(near, 1, OK, 90*ms); w.saw(origin, 3, Broken, 0) },
			[]string{near, far, origin}},
		{"refusals are failures like others",
			func(w *world) { w.saw(near, 1, OK, 20*ms); w.saw(near, 1, Broken, 0); w.saw(near, 2, Refused, 9*ms) },
			[]string{origin, far, near}},
		{"a success between failures starts the count anew",
			func(w *world) { w.saw(near, 2, Broken, 0); w.saw(near, 1, OK, 20*ms); w.saw(near, 2, Broken, 0) },
			[]string{near, origin, far}},
		{"objects it does not have do not hurt it, nor make it look fast",
			func(w *world) {
				w.saw(near, 4, OK, 20*ms)
				w.saw(far, 1, OK, 90*ms)
				w.saw(far, 50, Missing, 1*ms)
				w.saw(near, 50, Missing, 900*ms)
			},
			[]string{near, far, origin}},
		{"what we stopped before an answer does not hurt it",
			func(w *world) { w.saw(near, 4, OK, 20*ms); w.saw(near, 50, Canceled, 0) },
			[]string{near, origin, far}},
		{"the wait of what we stopped counts",
			func(w *world) { w.saw(near, 4, OK, 20*ms); w.saw(far, 4, OK, 90*ms); w.saw(near, 9, Canceled, 900*ms) },
			[]string{far, near, origin}},
		{"wrong bytes quarantine at once, whatever came before and after",
			func(w *world) { w.saw(near, 99, OK, 1*ms); w.saw(near, 1, WrongBytes, 1*ms); w.saw(near, 99, OK, 1*ms) },
			[]string{origin, far, near}},
		{"when all are ejected the given order holds",
			func(w *world) { w.saw(far, 3, Broken, 0); w.saw(near, 3, Refused, 0); w.saw(origin, 3, Broken, 0) },
			[]string{origin, near, far}},
		{"a liar stands even behind the broken",
			func(w *world) { w.saw(origin, 1, WrongBytes, 0); w.saw(near, 3, Refused, 0); w.saw(far, 3, Broken, 0) },
			[]string{near, far, origin}},
	} {
		t.Run(h.name, h.run)
	}
}

func TestTheIncumbentStaysUnlessClearlyBeaten(t *testing.T) {
	for _, c := range []struct {
		name             string
		incumbent, rival time.Duration
		want             string
	}{
		{"a little faster is not enough", 100 * ms, 80 * ms, origin},
		{"a third faster is enough", 100 * ms, 60 * ms, near},
		{"half the time of little is not enough", 16 * ms, 8 * ms, origin},
		{"half the time and more than 10 ms is enough", 30 * ms, 15 * ms, near},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.saw(origin, 1, OK, c.incumbent)
			w.Order([]string{origin, near}, Object{})
			w.saw(near, 1, OK, c.rival)
			if got := w.Order([]string{origin, near}, Object{}); got[0] != c.want {
				t.Errorf("first\ngot  %s\nwant %s", got[0], c.want)
			}
		})
	}
}

func TestAnIncumbentThatFailsIsReplacedAndNotMissed(t *testing.T) {
	w := newWorld()
	list := []string{origin, near}
	w.saw(origin, 1, OK, 50*ms)
	w.Order(list, Object{})
	w.saw(near, 1, OK, 60*ms)
	w.saw(origin, 3, Broken, 0)
	if got := w.Order(list, Object{}); got[0] != near {
		t.Fatalf("first after the failure\ngot  %s\nwant %s", got[0], near)
	}
	w.saw(origin, 1, OK, 50*ms)
	if got := w.Order(list, Object{}); got[0] != near {
		t.Errorf("first after the return\ngot  %s\nwant %s, which is the incumbent now", got[0], near)
	}
}

func TestEveryTwentiethOrderExplores(t *testing.T) {
	w := newWorld()
	w.saw(origin, 1, OK, 50*ms)
	first := map[string]int{}
	for range 120 {
		first[w.Order([]string{origin, near, far, odd}, Object{})[0]]++
	}
	want := map[string]int{origin: 114, near: 2, far: 2, odd: 2}
	if fmt.Sprint(first) != fmt.Sprint(want) {
		t.Errorf("how often each stood first\ngot  %v\nwant %v", first, want)
	}
}

func TestExplorationOfOneRegistryDoesNotStarveAnother(t *testing.T) {
	w := newWorld()
	w.saw(origin, 1, OK, 50*ms)
	w.saw(far, 1, OK, 50*ms)
	explored := map[string]bool{}
	for range 20 {
		for range 3 { // the busy registry
			explored[w.Order([]string{far, odd}, Object{})[0]] = true
		}
		explored[w.Order([]string{origin, near}, Object{})[0]] = true
	}
	if !explored[near] || !explored[odd] {
		t.Errorf("explored\ngot  %v\nwant both %s and %s", explored, near, odd)
	}
}

func TestEjectionEndsHalfOpenAndGrows(t *testing.T) {
	w := newWorld()
	w.saw(near, 1, OK, 20*ms)
	w.saw(near, 3, Broken, 0)
	for _, minutes := range []time.Duration{1, 2, 3, 4} { // halves of a minute
		long := minutes * 30 * time.Second
		if got := w.standing(near); got.State != Ejected || got.Until.Sub(w.now) != long {
			t.Fatalf("ejection\ngot  %s for %s\nwant ejected for %s", got.State, got.Until.Sub(w.now), long)
		}
		w.after(long)
		if got := w.standing(near).State; got != HalfOpen {
			t.Fatalf("after %s\ngot  %s\nwant half-open", long, got)
		}
		w.saw(near, 1, Broken, 0)
	}
	for range 40 {
		w.after(maxTimeOut)
		w.saw(near, 1, Refused, 0)
	}
	if got := w.standing(near).Until.Sub(w.now); got != maxTimeOut {
		t.Errorf("longest ejection\ngot  %s\nwant %s", got, maxTimeOut)
	}
	w.after(maxTimeOut)
	w.saw(near, 1, OK, 20*ms)
	if got := w.standing(near).State; got != Good {
		t.Errorf("after a success\ngot  %s\nwant good", got)
	}
}

func TestAfterItsRestOneCallerInTrialTriesIt(t *testing.T) {
	w := newWorld()
	for _, step := range []struct {
		name string
		do   func()
		want bool
	}{
		{"nothing is known", func() {}, false},
		{"two failures", func() { w.saw(near, 2, Broken, 0) }, false},
		{"the third", func() { w.saw(near, 1, Broken, 0) }, true},
		{"its time is over: the first caller", func() { w.after(timeOut) }, false},
		{"the second caller", func() {}, true},
		{"no sample came of the first", func() { w.after(trial) }, false},
		{"it answered", func() { w.saw(near, 1, OK, 20*ms) }, false},
		{"wrong bytes", func() { w.saw(near, 1, WrongBytes, 20*ms) }, true},
	} {
		step.do()
		if got := w.Resting(near); got != step.want {
			t.Errorf("%s: resting\ngot  %v\nwant %v", step.name, got, step.want)
		}
	}
}

func TestFailuresOfWhatWasBegunBeforeDoNotProlong(t *testing.T) {
	w := newWorld()
	w.saw(near, 48, Broken, 0)
	if got := w.standing(near).Until.Sub(w.now); got != timeOut {
		t.Errorf("ejected after 48 parallel failures\ngot  for %s\nwant for %s", got, timeOut)
	}
}

// A stall of half a minute must not use up the half minute it costs.
func TestAnEjectionCountsFromTheEndOfTheFailure(t *testing.T) {
	w := newWorld()
	began := w.now
	w.after(40 * time.Second)
	for range 3 {
		w.Add(Sample{Base: near, When: began, Outcome: Broken, Took: 40 * time.Second})
	}
	if got := w.standing(near).Until.Sub(w.now); got != timeOut {
		t.Errorf("ejected\ngot  for %s\nwant for %s", got, timeOut)
	}
}

func TestQuarantineLastsADay(t *testing.T) {
	w := newWorld()
	w.saw(near, 4, OK, 20*ms)
	w.saw(near, 1, WrongBytes, 20*ms)
	w.after(24*time.Hour - time.Second)
	if got := w.standing(near).State; got != Quarantined {
		t.Errorf("before the day is over\ngot  %s\nwant quarantined", got)
	}
	w.after(time.Second)
	if got := w.standing(near).State; got != Good {
		t.Errorf("after the day\ngot  %s\nwant good", got)
	}
}

func TestReportSaysWhy(t *testing.T) {
	w := newWorld()
	w.sent(origin, 40*ms, 20)
	w.saw(near, 1, OK, 20*ms)
	w.saw(near, 3, Refused, 0)
	w.saw(far, 1, WrongBytes, 0)
	w.saw(odd, 2, Missing, 5*ms)
	var got []string
	for _, s := range w.Report() {
		got = append(got, fmt.Sprintf("%s %s %.2f: %s", s.Base, s.State, s.Success, s.Reason))
	}
	want := []string{
		far + " quarantined 0.00: sent wrong bytes; asked last for another 24h0m0s",
		near + " ejected 0.25: failed 3 times in a row (refused last); asked again in 30s",
		odd + " untried 0.00: has not sent an object yet",
		origin + " good 1.00: answers in 40ms, sends 21.0 MB/s",
	}
	if !slices.Equal(got, want) {
		t.Errorf("report\ngot  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestMemoryIsBoundedAndLiarsAreNotForgotten(t *testing.T) {
	w := newWorld()
	w.saw(near, 1, WrongBytes, 0)
	for i := range 3 * maxGroups {
		w.after(time.Second)
		w.saw(fmt.Sprintf("https://%d.example", i), 1, OK, ms)
		w.Order([]string{origin, fmt.Sprintf("https://%d.example", i)}, Object{})
	}
	if len(w.bases) > maxBases || len(w.groups) > maxGroups {
		t.Errorf("remembered\ngot  %d bases, %d lists\nwant at most %d and %d", len(w.bases), len(w.groups), maxBases, maxGroups)
	}
	if got := w.standing(near).State; got != Quarantined {
		t.Errorf("the liar after many others\ngot  %q\nwant quarantined", got)
	}
}

func TestTheZeroBoardUsesTheRealClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Board
		for range 3 {
			b.Add(Sample{Base: near, Outcome: Broken})
		}
		if got := b.Report()[0].State; got != Ejected {
			t.Errorf("at once\ngot  %s\nwant ejected", got)
		}
		time.Sleep(timeOut)
		if got := b.Report()[0].State; got != HalfOpen {
			t.Errorf("half a minute later\ngot  %s\nwant half-open", got)
		}
	})
}

func TestManyAtOnce(_ *testing.T) {
	var b Board
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				b.Add(Sample{Base: []string{origin, near, far}[i%3], Outcome: Outcome(i % 6), Wait: ms, Took: 2 * ms})
				b.Order([]string{origin, near, far}, Object{})
				b.Report()
			}
		})
	}
	wg.Wait()
}

// FuzzBoard throws random histories at a board. Whatever happened, Order is a permutation and Report is plausible.
func FuzzBoard(f *testing.F) {
	f.Add(uint64(1), int64(time.Second), int64(1<<20))
	f.Add(uint64(2), int64(-1), int64(-1))
	f.Add(uint64(3), int64(1<<63-1), int64(1<<63-1))
	f.Add(uint64(4), int64(-1<<63), int64(0))
	f.Fuzz(func(t *testing.T, seed uint64, span, bytes int64) {
		w := newWorld()
		random := rand.New(rand.NewPCG(seed, 0))
		list := []string{origin, near, far, odd, near}
		for range 100 {
			w.Add(Sample{
				Base:    list[random.IntN(len(list))],
				When:    w.now.Add(time.Duration(span / (1 + random.Int64N(4)))),
				Outcome: Outcome(random.IntN(8)),
				Wait:    time.Duration(span / (1 + random.Int64N(9))),
				Took:    time.Duration(span / (1 + random.Int64N(3))),
				Bytes:   bytes / (1 + random.Int64N(5)),
			})
			w.after(time.Duration(random.IntN(40)) * time.Second)
			got := w.Order(list, Object{})
			if a, b := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(list)); !slices.Equal(a, b) {
				t.Fatalf("not a permutation\ngot  %v\nwant %v", got, list)
			}
		}
		for _, s := range w.Report() {
			if s.Wait < 0 || s.Wait > longest || s.Success < 0 || s.Success > 1 || !(s.Rate >= 0) || s.Reason == "" || s.Until.Sub(w.now) > quarantine {
				t.Errorf("implausible standing\ngot  %+v", s)
			}
		}
	})
}
