package fetch

import (
	"testing"
	"time"
)

// line is what so many connections bring together, in bytes a second.
type line func(connections int) float64

// drive lets n bodies be under way all the time, for so many seconds, and returns how many connections are used then.
func drive(s *spread, n int, seconds int, l line) int {
	now := time.Unix(0, 0)
	type body struct{ release func() }
	var bodies []body
	for range n {
		_, release := s.take("base", nil, false, now)
		bodies = append(bodies, body{release})
	}
	for range 10 * seconds {
		now = now.Add(100 * time.Millisecond)
		used := 0
		for _, load := range s.sources["base"].load {
			if load > 0 {
				used++
			}
		}
		s.came("base", int(l(used)/10), now)
		for i := range max(1, n/4) { // some end, others begin
			bodies[i].release()
			_, bodies[i].release = s.take("base", nil, false, now)
		}
		bodies = append(bodies[max(1, n/4):], bodies[:max(1, n/4)]...)
	}
	return s.sources["base"].lanes
}

func TestConnectionsGrowWhereTheyBringMore(t *testing.T) {
	lossy := func(n int) float64 { return 100_000 * float64(n) }
	if got := drive(new(spread), 32, 30, lossy); got != mostLanes {
		t.Errorf("where each connection brings as much as the first, %d are used, want %d", got, mostLanes)
	}
	clean := func(int) float64 { return 12_000_000 }
	if got := drive(new(spread), 32, 30, clean); got > fewLanes+fewLanes/2 {
		t.Errorf("where one fills the line, %d are used, want %d but for a trial now and then", got, fewLanes)
	}
	if got := drive(new(spread), 2, 30, lossy); got != fewLanes {
		t.Errorf("with two bodies at a time %d are used, want %d: more would be idle", got, fewLanes)
	}
}

func TestBodiesAreDealtOutEvenly(t *testing.T) {
	s := new(spread)
	count := map[int]int{}
	for range 3 * fewLanes {
		lane, _ := s.take("base", nil, false, time.Unix(0, 0))
		count[lane]++
	}
	for lane := 1; lane <= fewLanes; lane++ {
		if count[lane] != 3 {
			t.Errorf("connection %d has %d bodies of 12, want 3: %v", lane, count[lane], count)
		}
	}
	if count[0] > 0 {
		t.Error("a body went over the connection of small answers")
	}
}

// A client's body is not one of many on a connection, however much is fetched ahead.
func TestWhatIsFetchedAheadLeavesAConnectionFree(t *testing.T) {
	s, now := new(spread), time.Unix(0, 0)
	ahead := map[int]int{}
	for range 3 * fewLanes {
		lane, _ := s.take("base", nil, true, now)
		ahead[lane]++
	}
	if len(ahead) != fewLanes {
		t.Errorf("%d connections are used ahead, want %d: %v", len(ahead), fewLanes, ahead)
	}
	if lane, _ := s.take("base", nil, false, now); ahead[lane] > 0 {
		t.Errorf("a client's body shares connection %d with %d others", lane, ahead[lane])
	}
}

func TestSmallThingsShareAFewConnections(t *testing.T) {
	s := new(spread)
	now := time.Unix(0, 0)
	count := map[int]int{}
	var releases []func()
	for i := range 80 {
		lane, release := s.share("base", now)
		if count[lane]++; i < smallLoad && lane != 0 {
			t.Errorf("the first few have lane %d, want the common one", lane)
		}
		releases = append(releases, release)
	}
	if len(count) != smallLanes || count[0] != 20 || count[1] > 0 {
		t.Errorf("80 at once have the lanes %v, want %d with 20 each, none of them the first of bulk", count, smallLanes)
	}
	for _, release := range releases {
		release()
	}
	if lane, _ := s.share("base", now); lane != 0 {
		t.Errorf("one alone has lane %d, want the common one", lane)
	}
}

func TestAClientGetsAsManyConnectionsAsItCameBy(t *testing.T) {
	s := new(spread)
	now := time.Unix(0, 0)
	count := map[int]int{}
	var releases []func()
	for range 15 {
		lane, release := s.take("base", new(Client), false, now)
		count[lane]++
		releases = append(releases, release)
	}
	if len(count) != 15 {
		t.Errorf("15 connections of a client became %d: %v", len(count), count)
	}
	for _, release := range releases {
		release()
	}
	one := &Client{}
	for range 15 {
		s.take("base", one, false, now)
	}
	if used := s.sources["base"]; used.load[fewLanes] > 0 || len(used.clients) != 1 {
		t.Errorf("15 requests of one connection are on %v, want the first %d", used.load, fewLanes)
	}
}
