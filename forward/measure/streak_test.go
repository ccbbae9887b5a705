package measure

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// A body of a MiB that came in so many milliseconds, begun so long after the last one ended; below 0: beside it.
type flow struct {
	after time.Duration
	took  time.Duration
}

func TestAWarmRateTakesThePlaceOfTheColdOneBeforeIt(t *testing.T) {
	for _, c := range []struct {
		name  string
		flows []flow
		want  float64 // MiB a second
	}{
		{"one alone counts, cold or not", []flow{{0, time.Second}}, 1},
		{"a faster one that follows at once replaces it", []flow{{0, time.Second}, {0, 100 * ms}}, 10},
		{"a slower one does not", []flow{{0, 100 * ms}, {0, time.Second}}, 5.5},
		{"nor does one behind a pause, which is as cold", []flow{{0, time.Second}, {2 * time.Second, 100 * ms}}, 5.5},
		{"nor one that came beside it, which is as cold", []flow{{0, time.Second}, {-500 * ms, 100 * ms}}, 5.5},
		{"what is beside a warm one is as warm", []flow{{0, 100 * ms}, {0, 100 * ms}, {-50 * ms, time.Second}, {0, 50 * ms}}, 10.25},
		{"only the last of the cold ones is replaced", []flow{{0, time.Second}, {-500 * ms, time.Second}, {0, 100 * ms}}, 5.5},
		{"a cold one between warm ones leaves no trace", []flow{{0, 100 * ms}, {0, 100 * ms}, {9 * time.Second, time.Second}, {0, 100 * ms}}, 10},
		{"warm ones are averaged", []flow{{0, time.Second}, {0, 100 * ms}, {0, 50 * ms}}, 15},
	} {
		w := newWorld()
		end := w.now
		for _, f := range c.flows {
			began := end.Add(f.after)
			w.now = latest(w.now, began.Add(f.took))
			w.Add(Sample{Base: near, Size: 1 << 20, Bytes: 1 << 20, When: began, Wait: 1, Took: f.took})
			end = began.Add(f.took)
		}
		if got := w.Rate(near) / (1 << 20); math.Abs(got-c.want) > 0.01 {
			t.Errorf("%s\ngot  %.2f MiB/s\nwant %.2f", c.name, got, c.want)
		}
	}
}

func TestAnOldColdRateIsNotReplacedButForgotten(t *testing.T) {
	w := newWorld()
	w.sent(near, 20*ms, 1)
	w.after(old + time.Second)
	w.Add(Sample{Base: near, Size: 1 << 20, Bytes: 1 << 20, When: w.now, Wait: ms, Took: time.Second})
	w.sent(near, 20*ms, 10) // over the same connection
	check(t, "rate of large ones", w.Rate(near), 10.0*(1<<20))
}

func TestWhoWasColdInItsTurnIsAskedTwice(t *testing.T) {
	medium := Object{Size: 1 << 20}
	body := func(w *world, base string, wait, took time.Duration) {
		w.Add(Sample{Base: base, Size: 1 << 20, Bytes: 1 << 20, When: w.now.Add(-took), Wait: wait, Took: took})
	}
	for _, c := range []struct {
		name  string
		heard func(*world)
		want  string // who is first in the next orders
	}{
		{"its answer is not there yet", func(*world) {}, "or"},
		{"it may have been kept from being the best", func(w *world) { body(w, near, 60*ms, 500*ms) }, "ne or"},
		{"it could not have been", func(w *world) { body(w, near, 60*ms, 3*time.Second) }, "or"},
		{"its connection is idle again", func(w *world) { body(w, near, 60*ms, 500*ms); w.after(1500 * ms) }, "or"},
		{"it was warm already", func(w *world) {
			w.after(-500 * ms)
			body(w, near, 60*ms, 100*ms)
			w.after(500 * ms)
			body(w, near, 60*ms, 500*ms)
		}, "or"},
		{"it lied", func(w *world) { body(w, near, 60*ms, 500*ms); w.saw(near, 1, WrongBytes, 0) }, "or"},
		{"it did not have it", func(w *world) { w.saw(near, 1, Missing, 60*ms) }, "or"},
	} {
		w := newWorld()
		for range 9 {
			body(w, origin, 100*ms, 400*ms)
		}
		w.Order([]string{origin, near}, medium)
		turn := w.Order([]string{origin, near}, medium)
		w.after(500 * ms)
		c.heard(w)
		next := []string{turn[0]}
		for range strings.Count(c.want, " ") + 1 {
			next = append(next, w.Order([]string{origin, near}, medium)[0])
		}
		check(t, c.name+": first", strings.TrimSpace(shortly(next)), "ne "+c.want)
	}
}

func TestOneOnTrialDoesNotStarveTheOthers(t *testing.T) {
	w := newWorld()
	w.saw(origin, 9, OK, 50*ms)
	w.saw(near, 9, OK, 20*ms)
	w.saw(near, 3, Broken, 0)
	w.after(timeOut)
	turns := map[string]int{}
	for range 20 {
		turns[w.Order([]string{origin, near, far}, Object{})[0]]++
	}
	check(t, "turns while the one on trial has not answered", fmt.Sprint(turns[near], turns[far]), "1 3")
}
