package transport

import (
	"context"
	"net/http"
	"testing"
	"time"

	"hither/forward/mark"
)

// feed gives both protocols the same number of figures.
func feed(r *rivals, n int, tcp, h3 time.Duration) {
	for range n {
		r.sawWait(false, tcp)
		r.sawWait(true, h3)
	}
}

func TestHTTP3MustWinByAMargin(t *testing.T) {
	const ms = time.Millisecond
	var r rivals
	for _, c := range []struct {
		name    string
		n       int
		tcp, h3 time.Duration
		want    bool
	}{
		{"few figures say nothing", steadyWaits - 1, 100 * ms, 10 * ms, false},
		{"with enough it is chosen", 1, 100 * ms, 10 * ms, true},
		{"a little slower than before, but not than TCP", 50, 100 * ms, 97 * ms, true},
		{"slower than TCP", 50, 100 * ms, 103 * ms, false},
		{"a little faster is not worth a change", 50, 100 * ms, 95 * ms, false},
		{"much faster is", 50, 100 * ms, 80 * ms, true},
		{"one slow answer is no slow path", 1, 100 * ms, 9 * time.Second, false},
		{"and is soon forgotten", 15, 100 * ms, 80 * ms, true},
	} {
		if feed(&r, c.n, c.tcp, c.h3); r.chosen[whole] != c.want {
			t.Errorf("%s\ngot  %t, %s against %s\nwant %t", c.name, r.chosen[whole], r.h3.wait, r.tcp.wait, c.want)
		}
	}
}

// What answers sooner can still be slower for large bodies.
func TestRatesDecideWhereBodiesAreLarge(t *testing.T) {
	var r rivals
	feed(&r, 10, 100*time.Millisecond, 50*time.Millisecond)
	if !r.chosen[whole] || r.chosen[parts] {
		t.Errorf("by waits alone\ngot  %v\nwant HTTP/3 for whole objects, and nothing yet for parts", r.chosen)
	}
	for range 5 {
		r.sawBody(parts, false, 8<<20, time.Second)
		r.sawBody(parts, true, 8<<20, 2*time.Second)
		r.sawBody(whole, false, 1<<10, time.Millisecond)
	}
	if !r.chosen[whole] || r.chosen[parts] {
		t.Errorf("with slow bodies\ngot  %v\nwant HTTP/3 for whole objects, which are small, and TCP for parts", r.chosen)
	}
	for range 30 {
		r.sawBody(parts, true, 8<<20, time.Second/4)
	}
	if !r.chosen[parts] {
		t.Errorf("with fast bodies\ngot  %v\nwant HTTP/3 for parts", r.chosen)
	}
}

func TestAShareIsExplored(t *testing.T) {
	var r rivals
	count := func(n int) (h3 int) {
		for range n {
			if r.turn(whole) {
				r.sent(whole)
				h3++
			}
		}
		return h3
	}
	for _, c := range []struct {
		name      string
		chosen    bool
		turns, h3 int
	}{
		{"at the beginning, a third", false, eagerShare * eagerTries, eagerTries},
		{"later, one in twenty", false, 10 * steadyShare, 10},
		{"and of TCP as many once HTTP/3 is chosen", true, 10 * steadyShare, 10*steadyShare - 10},
	} {
		r.chosen[whole] = c.chosen
		if got := count(c.turns); got < c.h3-1 || got > c.h3+1 {
			t.Errorf("%s\ngot  %d of %d\nwant %d", c.name, got, c.turns, c.h3)
		}
	}
	// A turn that found no connection is made up for.
	r = rivals{}
	r.turn(whole)
	if !r.turn(whole) {
		t.Error("a turn that was owed is not paid")
	}
}

func TestWhatIsAskedForTellsItsKind(t *testing.T) {
	lane := mark.Lane(t.Context(), 3)
	for _, c := range []struct {
		name  string
		ctx   context.Context
		field string
		want  kind
	}{
		{"an object", t.Context(), "", whole},
		{"a body in a lane", lane, "", parts},
		{"a small one in a lane", mark.Brief(lane), "", whole},
		{"the first 64 KiB of what may be less", lane, "bytes=0-65535", whole},
		{"the first of what may be more", lane, "bytes=0-262143", opening},
		{"a piece", lane, "bytes=1-262144", parts},
		{"the rest", mark.Brief(lane), "bytes=100-", parts},
		{"the end", lane, "bytes=-100", parts},
		{"two ranges", lane, "bytes=0-1,5-9", parts},
		{"the wrong way round", lane, "bytes=9-0", parts},
		{"all that can be said", lane, "bytes=0-9223372036854775807", parts},
		{"nothing that is known", lane, "lines=0-9", parts},
	} {
		req := (&http.Request{Header: http.Header{}}).WithContext(c.ctx)
		if c.field != "" {
			req.Header.Set("Range", c.field)
		}
		if got := kindOf(req); got != c.want {
			t.Errorf("%s\ngot  %d\nwant %d", c.name, got, c.want)
		}
	}
}

// What found no connection is no try, and after tries enough the share is small although nothing is known.
func TestTriesAreCountedAndNotTurns(t *testing.T) {
	var r rivals
	for range 10 * steadyShare {
		r.turn(whole)
	}
	if r.turn(whole); !r.owed[whole] {
		t.Fatal("no turn is owed")
	}
	h3 := 0
	for range eagerShare*eagerTries + 10*steadyShare {
		if r.turn(whole) {
			r.sent(whole)
			h3++
		}
	}
	if h3 < eagerTries+9 || h3 > eagerTries+11 {
		t.Errorf("got  %d\nwant %d", h3, eagerTries+10)
	}
}

// Where UDP is slow, or ends, a long body costs seconds.
func TestALongBodyIsNotWhereHTTP3IsTried(t *testing.T) {
	const ms = time.Millisecond
	var r rivals
	want := func(when string, kind kind, size int64, want bool) {
		t.Helper()
		if got := r.dares(kind, size); got != want {
			t.Errorf("%s, %d bytes\ngot  %t\nwant %t", when, size, got, want)
		}
	}
	feed(&r, 10, 100*ms, 50*ms)
	if !r.chosen[opening] {
		t.Fatalf("got  %v\nwant HTTP/3 for openings, by waits alone", r.chosen)
	}
	want("no rate is known", whole, 0, true)
	want("no rate is known", opening, 1<<20, true)
	want("no rate is known", opening, 1<<20+1, false)
	want("no rate is known", parts, 4<<20, false)
	want("no rate is known", parts, 0, false)
	for range steadyRates {
		r.sawBody(parts, false, 1<<20, 500*ms)
		r.sawBody(parts, true, 1<<20, time.Second)
	}
	want("half as fast", parts, 1<<20, true)
	want("half as fast", opening, 4<<20, false)
	for range 20 {
		r.sawBody(parts, true, 1<<20, 600*ms)
	}
	want("nearly as fast", opening, 4<<20, true)
	want("nearly as fast", parts, 0, false)
	for range 20 {
		r.sawBody(parts, true, 1<<20, 300*ms)
	}
	want("faster", parts, 0, true)
}
