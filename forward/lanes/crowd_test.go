package lanes

import (
	"testing"
	"time"
)

// A crowd of bodies fills the line, as far as one can tell. When some of them are done it is full as long as the others bring as much.
func TestACrowdFillsTheLine(t *testing.T) {
	var s Spread
	now := time.Unix(1e9, 0)
	s.Heard("base", 100*time.Millisecond)
	var bodies []*Berth
	bring := func(span time.Duration, rate int) {
		for end := now.Add(span); now.Before(end); now = now.Add(50 * time.Millisecond) {
			for _, b := range bodies {
				b.Came(rate/20/len(bodies), now)
			}
			s.Crowded("base", now)
		}
	}
	is := func(what string, want bool) {
		t.Helper()
		if got := s.Crowded("base", now); got != want {
			t.Errorf("%s\ngot  %v\nwant %v", what, got, want)
		}
	}
	for range crowd - 1 {
		bodies = append(bodies, s.Take("base", nil, false, 1e6, now))
	}
	bring(2*time.Second, 1e6)
	is("one less than a crowd", false)
	bodies = append(bodies, s.Take("base", nil, true, 1e6, now))
	if b := s.Part("base", 1e5, true, now); b != nil {
		defer b.Leave()
	}
	is("a crowd", true)
	bring(2*time.Second, 1e6)
	for len(bodies) > 2 {
		bodies[0].Leave()
		bodies[0].Leave()
		bodies = bodies[1:]
	}
	bring(2*time.Second, 9e5)
	is("two that bring nearly as much", true)
	bring(2*time.Second, 5e5)
	is("two that bring half of it", false)
	bring(2*time.Second, 9e5)
	is("again", true)
	bring(fullFor, 9e5)
	is("long after", false)
	now = now.Add(time.Minute)
	for range crowd {
		bodies = append(bodies, s.Take("base", nil, true, 1e6, now))
	}
	bring(2*time.Second, 6e5)
	is("a crowd that has just begun", true)
	bodies[0].Leave()
	for len(bodies) > 2 {
		bodies[0].Leave()
		bodies = bodies[1:]
	}
	bring(2*time.Second, 1e6)
	is("two that bring more than the crowd did", false)
}

// Where each connection loses packets, one more takes nothing from the others: what the line brought when all were busy shows
// that it has room.
func TestWhatTheLineHasRoomForIsKnownFromTheCrowd(t *testing.T) {
	var s Spread
	now := time.Unix(1e9, 0)
	s.Heard("base", trip)
	var bodies []*Berth
	for range crowd {
		bodies = append(bodies, s.Take("base", nil, false, 1e6, now))
	}
	bring := func(span time.Duration) {
		for end := now.Add(span); now.Before(end); now = now.Add(50 * time.Millisecond) {
			for _, b := range bodies {
				b.Came(50_000/20, now)
			}
			s.Crowded("base", now)
		}
	}
	bring(2 * time.Second)
	for _, b := range bodies[1:] {
		b.Leave()
	}
	bodies = bodies[:1]
	bring(3 * time.Second)
	if got := s.Soon("base", 16<<10, now); got > 2*trip {
		t.Errorf("after a crowd that brought 600 KB/s\ngot  %v\nwant two round trips at most", got)
	}
	bring(fullFor)
	if got := s.Soon("base", 16<<10, now); got < 3*trip {
		t.Errorf("long after it\ngot  %v\nwant as long as with half of what the other brings", got)
	}
}

// It was never asked for more, so what it brought says little of what it can bring.
func TestAConnectionThatBroughtSomethingSmallIsNotSlow(t *testing.T) {
	var s Spread
	now := time.Unix(1e9, 0)
	b := s.Take("base", nil, false, 3000, now)
	b.Came(3000, now)
	b.Leave()
	now = now.Add(growing * trip)
	if got := b.flow.until(opening, way{trip: trip, room: 1e6}, now); got > trip.Seconds() {
		t.Errorf("as much as a server sends at once\ngot  %v s\nwant a round trip", got)
	}
	if got := b.flow.until(opening, way{trip: trip}, now); got < 2*trip.Seconds() {
		t.Errorf("where nothing is known of the line\ngot  %v s\nwant as long as at the rate that was seen", got)
	}
	b.flow.owed = 1e6
	if got := b.flow.within(opening, way{trip: trip, room: 1e6}, now); got < 2*trip.Seconds() {
		t.Errorf("if it is asked for more, and brings as little\ngot  %v s\nwant as long as at the rate that was seen", got)
	}
}
