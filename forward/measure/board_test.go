package measure

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// past is what a board saw, and how it then orders origin, near and far.
type past struct {
	name string
	do   func(*world)
	of   Object
	want []string
}

func (p past) run(t *testing.T) {
	w := newWorld()
	p.do(w)
	all := []string{origin, near, far}
	checkList(t, "rank", w.ranked(all, p.of), p.want)
	checkList(t, "order", w.Order(all, p.of), p.want)
	checkList(t, "the argument", all, []string{origin, near, far})
}

var (
	blob    = Object{Size: 8 << 20}
	changes = Object{Changes: true}
)

func TestTheFastestGoesFirst(t *testing.T) {
	for _, p := range []past{
		{"at a cold start the given order holds, the origin first",
			func(*world) {}, Object{},
			[]string{origin, near, far}},
		{"the one that answers sooner goes first",
			func(w *world) { w.saw(origin, 4, OK, 200*ms); w.saw(near, 4, OK, 20*ms); w.saw(far, 4, OK, 90*ms) }, Object{},
			[]string{near, far, origin}},
		{"an unmeasured one stands behind a measured one, even the origin",
			func(w *world) { w.saw(near, 1, OK, 500*ms) }, Object{},
			[]string{near, origin, far}},
		{"one that was only probed is measured",
			func(w *world) { w.saw(origin, 4, OK, 200*ms); w.probed(far, 1, OK, 20*ms) }, Object{},
			[]string{far, origin, near}},
		{"a slow line loses against a later but faster one for a blob",
			func(w *world) { w.sent(origin, 10*ms, 1); w.sent(near, 100*ms, 50); w.sent(far, 300*ms, 50) }, blob,
			[]string{near, far, origin}},
		{"and wins for what is small",
			func(w *world) { w.sent(origin, 10*ms, 1); w.sent(near, 100*ms, 50); w.sent(far, 300*ms, 50) }, Object{},
			[]string{origin, near, far}},
		{"an unknown rate neither helps nor hurts",
			func(w *world) { w.sent(origin, 100*ms, 10); w.saw(near, 4, OK, 50*ms); w.saw(far, 4, OK, 150*ms) }, blob,
			[]string{near, origin, far}},
		{"it is taken for the average of the others'",
			func(w *world) { w.sent(origin, 100*ms, 10); w.sent(far, 300*ms, 20); w.saw(near, 4, OK, 250*ms) }, blob,
			[]string{far, near, origin}},
		{"one that is fast for probes and slow in traffic is slow",
			func(w *world) {
				w.probed(near, 50, OK, 5*ms)
				w.saw(near, 3, OK, 300*ms)
				w.probed(near, 50, OK, 5*ms)
				w.saw(origin, 3, OK, 90*ms)
			}, Object{},
			[]string{origin, near, far}},
		{"one that is fast for probes and slow for blobs is slow for blobs",
			func(w *world) { w.probed(near, 50, OK, 5*ms); w.sent(near, 5*ms, 1); w.sent(origin, 90*ms, 10) }, blob,
			[]string{origin, near, far}},
		{"an old probe does not speak against newer traffic, a newer one does against old",
			func(w *world) {
				w.probed(near, 1, OK, 5*ms)
				w.saw(origin, 9, OK, 5*ms)
				w.after(7 * time.Hour)
				w.saw(near, 1, OK, 300*ms)
				w.probed(origin, 1, OK, 400*ms)
			}, Object{},
			[]string{near, origin, far}},
	} {
		t.Run(p.name, p.run)
	}
}

func TestFailuresCostTheirPlace(t *testing.T) {
	for _, p := range []past{
		{"two quick failures are forgiven",
			func(w *world) { w.saw(origin, 1, OK, 20*ms); w.saw(near, 1, OK, 90*ms); w.saw(origin, 2, Broken, 0) }, Object{},
			[]string{origin, near, far}},
		{"three failures in a row eject, also behind the unmeasured",
			func(w *world) { w.saw(origin, 1, OK, 20*ms); w.saw(near, 1, OK, 90*ms); w.saw(origin, 3, Broken, 0) }, Object{},
			[]string{near, far, origin}},
		{"failures of different kinds add up",
			func(w *world) {
				w.saw(near, 1, OK, 20*ms)
				w.saw(near, 1, Page, 9*ms)
				w.saw(near, 1, Short, 0)
				w.saw(near, 1, Refused, 9*ms)
			},
			Object{}, []string{origin, far, near}},
		{"one request to wait is enough",
			func(w *world) { w.saw(near, 9, OK, 20*ms); w.saw(near, 1, Limited, 20*ms) }, Object{},
			[]string{origin, far, near}},
		{"a success between failures starts the count anew",
			func(w *world) { w.saw(near, 2, Broken, 0); w.saw(near, 1, OK, 20*ms); w.saw(near, 2, Broken, 0) }, Object{},
			[]string{near, origin, far}},
		{"one that stalls now and then is slower than it looks",
			func(w *world) {
				for range 9 {
					w.saw(near, 9, OK, 20*ms)
					w.saw(near, 1, Stalled, 5*time.Second)
				}
				w.saw(far, 9, OK, 60*ms)
			}, Object{},
			[]string{far, near, origin}},
		{"after a while that is forgiven",
			func(w *world) {
				w.saw(near, 9, OK, 20*ms)
				w.saw(near, 1, Stalled, 5*time.Second)
				w.saw(far, 9, OK, 60*ms)
				w.after(15 * time.Minute)
			}, Object{},
			[]string{near, far, origin}},
		{"one that lacks half of what it is asked for must be more than twice as fast",
			func(w *world) {
				for range 20 {
					w.saw(near, 1, Missing, 50*ms)
					w.saw(near, 1, OK, 50*ms)
				}
				w.saw(far, 9, OK, 90*ms)
			}, Object{},
			[]string{far, near, origin}},
		{"and is preferred then",
			func(w *world) {
				for range 20 {
					w.saw(near, 1, Missing, 30*ms)
					w.saw(near, 1, OK, 30*ms)
				}
				w.saw(far, 9, OK, 90*ms)
			}, Object{},
			[]string{near, far, origin}},
		{"one that quickly says no to everything stands behind the unmeasured",
			func(w *world) { w.probed(near, 9, OK, 1*ms); w.saw(near, 3, Missing, 1*ms) }, Object{},
			[]string{origin, far, near}},
		{"also if it had a few things",
			func(w *world) { w.saw(near, 9, OK, 1*ms); w.saw(near, 40, Missing, 1*ms); w.saw(far, 1, OK, 400*ms) }, Object{},
			[]string{far, origin, near}},
		{"what we stopped before an answer does not hurt it",
			func(w *world) { w.saw(near, 4, OK, 20*ms); w.saw(near, 50, Canceled, 0) }, Object{},
			[]string{near, origin, far}},
		{"the wait of what we stopped counts",
			func(w *world) { w.saw(near, 4, OK, 20*ms); w.saw(far, 4, OK, 90*ms); w.saw(near, 9, Canceled, 900*ms) }, Object{},
			[]string{far, near, origin}},
		{"one that hangs and is outrun each time sinks",
			func(w *world) {
				w.saw(near, 4, OK, 20*ms)
				w.saw(far, 4, OK, 90*ms)
				for range 3 {
					w.Add(Sample{Base: near, When: w.now, Outcome: Outrun, Took: 400 * ms})
				}
			}, Object{},
			[]string{far, near, origin}},
		{"one that is outrun before its usual time does not",
			func(w *world) {
				w.saw(near, 4, OK, 60*ms)
				w.saw(far, 4, OK, 90*ms)
				for range 9 {
					w.Add(Sample{Base: near, When: w.now, Outcome: Outrun, Took: 40 * ms})
				}
			}, Object{},
			[]string{near, far, origin}},
		{"one whose blobs are outrun is known to be slow",
			func(w *world) {
				w.sent(near, 20*ms, 20)
				w.sent(far, 90*ms, 10)
				for range 5 {
					w.Add(Sample{Base: near, Size: 8 << 20, When: w.now, Outcome: Outrun, Wait: 20 * ms, Took: 5 * time.Second, Bytes: 1 << 20})
				}
			}, blob,
			[]string{far, near, origin}},
		{"wrong bytes quarantine at once, whatever came before and after",
			func(w *world) { w.saw(near, 99, OK, 1*ms); w.saw(near, 1, WrongBytes, 1*ms); w.saw(near, 99, OK, 1*ms) }, Object{},
			[]string{origin, far, near}},
		{"when all are ejected the given order holds",
			func(w *world) { w.saw(far, 3, Broken, 0); w.saw(near, 3, Refused, 0); w.saw(origin, 3, Broken, 0) }, Object{},
			[]string{origin, near, far}},
		{"when only the origin is alive it goes first",
			func(w *world) { w.saw(far, 3, Stalled, 0); w.saw(near, 3, Refused, 0); w.saw(origin, 1, OK, 900*ms) }, Object{},
			[]string{origin, near, far}},
		{"a liar stands even behind the broken",
			func(w *world) { w.saw(origin, 1, WrongBytes, 0); w.saw(near, 3, Refused, 0); w.saw(far, 3, Broken, 0) }, Object{},
			[]string{near, far, origin}},
		{"who is behind the origin is asked later for what changes",
			func(w *world) { w.saw(near, 4, OK, 20*ms); w.saw(origin, 4, OK, 200*ms); w.Behind(near, true) }, changes,
			[]string{origin, far, near}},
		{"and first for what does not",
			func(w *world) { w.saw(near, 4, OK, 20*ms); w.saw(origin, 4, OK, 200*ms); w.Behind(near, true) }, Object{},
			[]string{near, origin, far}},
		{"an old answer says the same",
			func(w *world) { w.saw(near, 4, OK, 20*ms); w.saw(near, 1, Outdated, 20*ms) }, changes,
			[]string{origin, far, near}},
		{"until it caught up",
			func(w *world) { w.saw(near, 4, OK, 20*ms); w.Behind(near, true); w.Behind(near, false) }, changes,
			[]string{near, origin, far}},
	} {
		t.Run(p.name, p.run)
	}
}

func TestWaitsAreOfTrafficOnceThereIsSome(t *testing.T) {
	w := newWorld()
	w.saw(near, 9, OK, 80*ms)
	w.probed(near, 9, OK, ms)
	check(t, "wait after traffic and probes", w.standing(near).Wait, 80*ms)
	w.Add(Sample{Base: near, When: w.now, Outcome: Outrun, Took: 40 * ms})
	check(t, "wait after less than that was outrun", w.standing(near).Wait, 80*ms)
	w.Add(Sample{Base: near, When: w.now, Outcome: Outrun, Took: 100 * ms})
	check(t, "wait after more was", w.standing(near).Wait, 90*ms)
}

func TestAHoleIsOfOneObject(t *testing.T) {
	w := newWorld()
	list := []string{origin, near}
	w.saw(origin, 4, OK, 90*ms)
	w.saw(near, 4, OK, 20*ms)
	gone := Object{Name: "gone"}
	lacks := func() { w.Add(Sample{Base: near, Name: gone.Name, When: w.now, Outcome: Missing, Wait: ms, Took: ms}) }
	for _, step := range []struct {
		name string
		do   func()
		of   Object
		want string
	}{
		{"before", func() {}, gone, near},
		{"it lacks it", lacks, gone, origin},
		{"another object", func() {}, Object{Name: "other"}, near},
		{"just before the hour is over", func() { w.after(time.Hour - time.Second) }, gone, origin},
		{"after an hour", func() { w.after(time.Second) }, gone, near},
		{"it lacks it again", lacks, gone, origin},
		{"it has it now", func() { w.Add(Sample{Base: near, Name: gone.Name, When: w.now, Wait: 20 * ms, Took: 20 * ms}) }, gone, near},
	} {
		step.do()
		check(t, step.name+": first", w.Order(list, step.of)[0], step.want)
	}
}

func TestLateAndRateAreOfRealTransfers(t *testing.T) {
	w := newWorld()
	w.saw(near, 7, OK, 20*ms)
	check(t, "late after seven", w.Late(near, Small), time.Duration(0))
	w.saw(near, 1, OK, 20*ms)
	w.saw(near, 2, OK, 80*ms)
	w.probed(near, 90, OK, 1*ms)
	check(t, "late after ten", w.Late(near, Small), 80*ms)
	check(t, "late in another class", w.Late(near, Large), time.Duration(0))
	check(t, "late of a class that is none", w.Late(near, 7), time.Duration(0))
	check(t, "rate", w.Rate(near), 0.0)
	w.Add(Sample{Base: near, When: w.now, Wait: 20 * ms, Took: 1020 * ms, Bytes: 1 << 20})
	check(t, "rate of medium ones", w.Rate(near), float64(1<<20))
	w.sent(near, 20*ms, 4)
	check(t, "rate of large ones", w.Rate(near), float64(4<<20))
	check(t, "rate of a stranger", w.Rate(far), 0.0)
	w.after(25 * time.Hour)
	check(t, "late a day later", w.Late(near, Small), time.Duration(0))
	w.after(-50 * time.Hour)
	check(t, "late when the clock was put back by more than a day", w.Late(near, Small), time.Duration(0))
}

func TestDueAreThoseThatTrafficDoesNotTellOf(t *testing.T) {
	w := newWorld()
	all := []string{origin, near, far, odd, dead}
	checkList(t, "at first", w.Due(all), all)
	w.saw(origin, 1, OK, 90*ms)
	w.probed(near, 1, OK, 90*ms)
	w.saw(far, 3, Broken, 0)
	w.saw(odd, 1, WrongBytes, 0)
	checkList(t, "then", w.Due(all), []string{dead})
	w.after(timeOut)
	checkList(t, "after a rest", w.Due(all), []string{far, dead})
	w.after(old)
	w.saw(near, 1, OK, 90*ms)
	checkList(t, "after six hours", w.Due(all), []string{origin, far, dead})
	w.Doubt()
	checkList(t, "after a change of the network", w.Due(all), []string{origin, near, far, dead})
}

func TestAfterAChangeOfTheNetworkAllIsMeasuredAnew(t *testing.T) {
	w := newWorld()
	list := []string{origin, near, far}
	w.saw(near, 20, OK, 20*ms)
	w.saw(origin, 20, OK, 60*ms)
	w.saw(far, 3, Broken, 0)
	w.Order(list, Object{})
	w.Doubt()
	check(t, "ejections", w.standing(far).State, Untried)
	checkList(t, "they keep their places", w.ranked(list, Object{}), []string{near, origin, far})
	check(t, "doubtful", w.standing(near).Doubtful, true)
	w.after(time.Second)
	w.saw(near, 1, OK, 200*ms) // one is enough: it is not blended with the old network
	check(t, "wait", w.standing(near).Wait, 200*ms)
	check(t, "doubtful", w.standing(near).Doubtful, false)
	check(t, "first", w.first(list, Object{}), origin)
	check(t, "late", w.Late(near, Small), time.Duration(0))
}

func TestHistoryCountsInFiveMinutes(t *testing.T) {
	w := newWorld()
	w.saw(near, 2, OK, 20*ms)
	w.saw(near, 2, Broken, 0)
	w.after(bucketSpan)
	w.sent(near, 40*ms, 8)
	got := fmt.Sprint(w.History(time.Time{}))
	want := fmt.Sprint([]Line{{near, []Bucket{
		{Time: w.now.Add(-bucketSpan), Requests: 4, Failures: 2, Wait: 20 * ms},
		{Time: w.now, Requests: 1, Wait: 40 * ms, Rate: 8 << 20},
	}}})
	check(t, "history", got, want)
	check(t, "buckets of the last minute", len(w.History(w.now)[0].Buckets), 1)
	for range 1000 {
		w.after(bucketSpan)
		w.saw(near, 1, OK, 20*ms)
	}
	check(t, "buckets in memory", len(w.bases[near].History), 288)
	check(t, "buckets of the last day", len(w.History(time.Time{})[0].Buckets), 288)
	w.after(-bucketSpan / 2 * 9) // the clock is put back
	w.saw(near, 1, OK, 20*ms)
	if l := w.History(time.Time{})[0].Buckets; l[len(l)-1].Time.After(w.now) {
		t.Errorf("last bucket\ngot  %s\nwant none after %s", l[len(l)-1].Time, w.now)
	}
	w.after(25 * time.Hour)
	check(t, "lines a day later", len(w.History(time.Time{})), 0)
}

func TestMemoryIsBoundedAndLiarsAreNotForgotten(t *testing.T) {
	w := newWorld()
	w.saw(near, 1, WrongBytes, 0)
	for i := range 3 * maxGroups {
		w.after(time.Second)
		w.saw(fmt.Sprintf("https://%d.example", i), 1, OK, ms)
		w.Order([]string{origin, fmt.Sprintf("https://%d.example", i)}, Object{})
	}
	for i := range 3 * maxHoles {
		w.Add(Sample{Base: far, Name: fmt.Sprint(i % (2 * maxHoles)), When: w.now, Outcome: Missing})
	}
	if len(w.bases) > maxBases || len(w.groups) > maxGroups {
		t.Errorf("remembered\ngot  %d bases, %d lists\nwant at most %d and %d", len(w.bases), len(w.groups), maxBases, maxGroups)
	}
	if len(w.holes.seen) != maxHoles || len(w.holes.queue) > maxHoles {
		t.Errorf("holes\ngot  %d, %d in the queue\nwant %d", len(w.holes.seen), len(w.holes.queue), maxHoles)
	}
	check(t, "the liar after many others", w.standing(near).State, Quarantined)
}

func TestTheZeroBoardUsesTheRealClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Board
		for range 3 {
			b.Add(Sample{Base: near, Outcome: Broken})
		}
		check(t, "at once", b.Report()[0].State, Ejected)
		time.Sleep(timeOut)
		check(t, "half a minute later", b.Report()[0].State, HalfOpen)
	})
}

func TestManyAtOnce(t *testing.T) {
	var b Board
	var wg sync.WaitGroup
	list := []string{origin, near, far}
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				b.Add(Sample{Base: list[i%3], Name: fmt.Sprint(j), Outcome: Outcome(j % len(words)), Wait: ms, Took: 2 * ms})
				b.Order(list, Object{Name: fmt.Sprint(j)})
				b.Rank(list, Object{})
				b.Late(near, Small)
				b.Due(list)
				b.Report()
				b.History(time.Time{})
			}
		})
	}
	wg.Wait()
	got := b.Order(list, Object{})
	slices.Sort(got)
	checkList(t, "order, sorted", got, []string{far, near, origin})
}
