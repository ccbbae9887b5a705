package measure

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestEjectionEndsHalfOpenAndGrows(t *testing.T) {
	w := newWorld()
	w.saw(near, 1, OK, 20*ms)
	w.saw(near, 3, Broken, 0)
	for _, halves := range []time.Duration{1, 2, 3, 4} { // of a minute
		long := halves * 30 * time.Second
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
	check(t, "longest ejection", w.standing(near).Until.Sub(w.now), maxTimeOut)
	w.after(maxTimeOut)
	w.saw(near, 1, OK, 20*ms)
	check(t, "after a success", w.standing(near).State, Good)
}

func TestAProbeEndsTheRestButNotTheMemory(t *testing.T) {
	w := newWorld()
	w.saw(near, 3, Broken, 0)
	w.after(timeOut)
	w.probed(near, 1, OK, 20*ms)
	check(t, "after a probe", w.standing(near).State, Good)
	w.saw(near, 1, Broken, 0)
	check(t, "after the next failure", w.standing(near).Until.Sub(w.now), 2*timeOut)
	w.after(2 * timeOut)
	w.saw(near, 1, OK, 20*ms)
	w.saw(near, 2, Broken, 0)
	check(t, "after real success and two failures", w.standing(near).State, Good)
}

func TestWhatTheEjectionPaidForDoesNotCountTwice(t *testing.T) {
	w := newWorld()
	w.saw(origin, 9, OK, 90*ms)
	w.saw(near, 9, OK, 20*ms)
	w.saw(near, 3, Stalled, 5*time.Second)
	w.after(time.Minute)
	w.saw(near, 1, OK, 20*ms)
	check(t, "first after the return", w.first([]string{origin, near}, Object{}), near)
}

func TestWhoAsksForARestGetsIt(t *testing.T) {
	limited := func(after time.Duration) func(*world) {
		return func(w *world) { w.Add(Sample{Base: near, When: w.now, Outcome: Limited, RetryAfter: after}) }
	}
	for _, c := range []struct {
		name string
		do   func(*world)
		want time.Duration
	}{
		{"for as long as it says", limited(90 * time.Second), 90 * time.Second},
		{"half a minute if it does not say", limited(0), 30 * time.Second},
		{"half a minute if it talks nonsense", limited(-time.Hour), 30 * time.Second},
		{"an hour if it says a week", limited(7 * 24 * time.Hour), time.Hour},
		{"also if answers come that were on their way", func(w *world) { limited(time.Minute)(w); w.saw(near, 3, OK, 20*ms) }, time.Minute},
		{"the longer one of two", func(w *world) { limited(time.Minute)(w); limited(time.Second)(w) }, time.Minute},
	} {
		w := newWorld()
		w.saw(near, 1, OK, 20*ms)
		c.do(w)
		check(t, c.name+": state", w.standing(near).State, Ejected)
		check(t, c.name+": rest", w.standing(near).Until.Sub(w.now), c.want)
	}
}

func TestWhoAsksForARestAgainAndAgainGetsALongerOne(t *testing.T) {
	w := newWorld()
	w.saw(near, 1, OK, 20*ms)
	for _, want := range []time.Duration{30 * time.Second, time.Minute, 90 * time.Second} {
		w.saw(near, 48, Limited, 20*ms)
		check(t, "rest after 48 at once", w.standing(near).Until.Sub(w.now), want)
		w.after(want)
	}
	w.saw(near, 1, OK, 20*ms)
	w.saw(near, 1, Limited, 20*ms)
	check(t, "rest after it answered", w.standing(near).Until.Sub(w.now), timeOut)
	w.after(timeOut)
	w.saw(near, 1, Broken, 0)
	check(t, "reason", w.standing(near).Reason, "left alone 2 times, it failed each time it was tried (broken last); asked again in 1m")
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
		check(t, step.name+": resting", w.Resting(near), step.want)
	}
}

func TestFailuresOfWhatWasBegunBeforeDoNotProlong(t *testing.T) {
	w := newWorld()
	w.saw(near, 48, Broken, 0)
	check(t, "48 parallel failures", w.standing(near).Until.Sub(w.now), timeOut)
	w.saw(far, 48, WrongBytes, 0)
	check(t, "48 parallel lies", w.standing(far).Until.Sub(w.now), quarantine)
}

// A stall of half a minute must not use up the half minute it costs.
func TestAnEjectionCountsFromTheEndOfTheFailure(t *testing.T) {
	w := newWorld()
	began := w.now
	w.after(40 * time.Second)
	for range 3 {
		w.Add(Sample{Base: near, When: began, Outcome: Broken, Took: 40 * time.Second})
	}
	check(t, "ejected for", w.standing(near).Until.Sub(w.now), timeOut)
}

func TestQuarantineLastsDaysAndDoubles(t *testing.T) {
	w := newWorld()
	w.saw(near, 4, OK, 20*ms)
	for _, days := range []time.Duration{3, 6, 12, 24, 30, 30} {
		w.saw(near, 1, WrongBytes, 20*ms)
		w.after(days*24*time.Hour - time.Second)
		check(t, "just before", w.standing(near).State, Quarantined)
		w.after(time.Second)
		check(t, "after it", w.standing(near).State, Good)
	}
}

func TestAClockThatJumpsChangesNothingForLong(t *testing.T) {
	const year = 365 * 24 * time.Hour
	begin := func() *world {
		w := newWorld()
		w.saw(origin, 20, OK, 90*ms)
		w.saw(near, 20, OK, 20*ms)
		w.saw(far, 3, Broken, 0)
		w.saw(odd, 1, WrongBytes, 0)
		w.Add(Sample{Base: near, Name: "gone", When: w.now, Outcome: Missing, Took: ms})
		w.Behind(near, true)
		w.Resting(far)
		return w
	}
	list := []string{odd, far, origin, near}
	for _, c := range []struct {
		name                 string
		jump, wait           time.Duration
		far, odd             State
		first, gone, changed string
	}{
		{"a year back", -year, 0, Ejected, Quarantined, near, origin, origin},
		{"a year back, and half a minute", -year, timeOut, HalfOpen, Quarantined, near, origin, far},
		{"a year back, and an hour", -year, time.Hour, HalfOpen, Quarantined, near, near, far},
		{"a year back, and three days", -year, quarantine, HalfOpen, Untried, near, near, near},
		{"a year ahead", year, 0, HalfOpen, Untried, near, near, near},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := begin()
			w.after(c.jump)
			w.Rank(list, Object{Name: "gone"})
			w.Report()
			w.after(c.wait)
			check(t, "ejected", w.standing(far).State, c.far)
			check(t, "quarantined", w.standing(odd).State, c.odd)
			check(t, "first", w.first(list, Object{}), c.first)
			check(t, "first for its hole", w.first(list, Object{Name: "gone"}), c.gone)
			if got := w.first(list, changes); c.changed == near && got != near || c.changed != near && got == near {
				t.Errorf("first for what changes\ngot  %s\nwant near: %v", got, c.changed == near)
			}
			w.saw(near, 9, OK, 30*ms)
			check(t, "first after more traffic", w.first(list, Object{}), near)
		})
	}
}

func TestWhatIsOfTheFutureIsOfNow(t *testing.T) {
	w := newWorld()
	w.saw(far, 3, Broken, 0)
	w.saw(near, 3, OK, 20*ms)
	w.saw(odd, 9, OK, 20*ms)
	w.saw(odd, 1, Stalled, time.Minute)
	w.probed(dead, 1, OK, 20*ms)
	w.sent(origin, 20*ms, 1)
	w.after(timeOut)
	check(t, "resting at its trial", w.Resting(far), false)
	w.after(-365 * 24 * time.Hour)
	w.Report()
	for _, base := range []string{near, far, odd, dead} {
		check(t, base+": last", w.standing(base).Last, w.now)
	}
	w.after(timeOut)
	check(t, "resting when the trial is over", w.Resting(far), false)
	w.sent(origin, 20*ms, 1)
	w.after(500 * ms)
	w.sent(origin, 20*ms, 10)
	check(t, "rate of a cold one, and of a warm one instead of another", w.Rate(origin), 5.5*(1<<20))
	w.after(15 * time.Minute)
	check(t, "what failed is forgiven", w.Rank([]string{odd}, Object{})[0].Need < 25*ms, true)
	w.after(old)
	check(t, "doubtful after hours", fmt.Sprint(w.standing(near).Doubtful, w.standing(dead).Doubtful), "true true")

	w.Doubt()
	w.after(-365 * 24 * time.Hour)
	w.Report()
	w.after(time.Second)
	w.saw(near, 1, OK, 20*ms)
	check(t, "doubtful when it was measured after the change", w.standing(near).Doubtful, false)
}

func TestReportSaysWhy(t *testing.T) {
	w := newWorld()
	w.sent(origin, 40*ms, 20)
	w.saw(near, 1, OK, 20*ms)
	w.saw(near, 2, Refused, 0)
	w.saw(near, 1, Page, 0)
	w.saw(far, 1, WrongBytes, 0)
	w.saw(odd, 2, Missing, 5*ms)
	w.saw(dead, 7, OK, 123*ms/10)
	w.saw(dead, 1, Broken, 0)
	var got []string
	for _, s := range w.Report() {
		got = append(got, fmt.Sprintf("%s %s %.2f: %s", s.Base, s.State, s.Success, s.Reason))
	}
	checkList(t, "report", got, []string{
		dead + " good 0.88: p50 TTFB 12 ms over 7 requests; failed 1 of the 3 times in a row that eject it (broken last)",
		far + " quarantined 0.00: sent wrong bytes; asked last for another 72h",
		near + " ejected 0.25: left alone after 3 failures in a row (web page last); asked again in 30s",
		odd + " untried 0.00: has not sent an object yet (lacked 2 objects)",
		origin + " good 1.00: p50 TTFB 40 ms over 1 request, 21.0 MB/s",
	})
	near := w.standing(near)
	check(t, "kinds", fmt.Sprint(near.Outcomes), "map[ok:1 refused:2 web page:1]")
	check(t, "classes", fmt.Sprintf("%+v", w.standing(origin).Classes),
		fmt.Sprintf("[{Class:large Wait:40ms P50:40ms P90:40ms Requests:1 Rate:%v Success:1 Missing:0}]", float64(20<<20)))
}

func TestRankSaysWhy(t *testing.T) {
	w := newWorld()
	w.saw(near, 212, OK, 38*ms)
	w.probed(far, 2, OK, 2*time.Second)
	w.saw(odd, 9, Missing, ms)
	w.probed(odd, 1, OK, ms)
	w.Add(Sample{Base: origin, Name: "gone", When: w.now, Outcome: Missing, Took: ms})
	w.after(12 * time.Minute)
	var got []string
	for _, p := range w.Rank([]string{origin, near, far, odd, dead}, Object{Name: "gone"}) {
		got = append(got, fmt.Sprintf("%s %s %v %v: %s", p.Base, p.Need, p.Incumbent, p.Hole, p.Reason))
	}
	want := []string{
		near + " 38ms true false: p50 TTFB 38 ms over 212 requests",
		far + " 2s false false: p50 TTFB 2.00 s over 2 probes",
		dead + " 0s false false: not measured yet",
		odd + " 10ms false false: p50 TTFB 1.0 ms over 1 probe; has next to no small objects (10 % of them)",
		origin + " 0s false true: lacks this object, as of 12m ago",
	}
	got[3] = strings.Replace(got[3], w.Rank([]string{odd}, Object{})[0].Need.String(), "10ms", 1) // whatever it is
	checkList(t, "rank", got, want)
}
