package fetch

import (
	"sync"
	"time"
)

// spread deals bulk bodies out over connections of their own. One connection is filled by one lost packet as by a slow
// start, and small answers must not wait behind it; too many overflow the queue of a clean line. So it begins with a few
// for each source, tries more while all are in use, and keeps them if together they bring more. The zero value works.
type spread struct {
	mu      sync.Mutex
	sources map[string]*fan
}

// fan is the connections to one source.
type fan struct {
	small   [smallLanes]int // small things under way on each connection for them
	load    [mostLanes]int  // bodies under way on each
	all     int             // and on all together
	clients map[*Client]int // connections of clients that wait for some, and for how many
	lanes   int             // how many are used

	from    time.Time // since when bytes are counted
	bytes   int64     // that came since
	idle    bool      // since from, there were fewer bodies than connections: more would bring nothing
	before  float64   // bytes a second before the trial that is on; 0: none is
	added   int       // by that trial
	pause   time.Duration
	next    time.Time // of the next trial
	settled bool      // since the trial, a first span has gone by: new connections start slowly
}

const (
	// fewLanes is what a source begins with: four connections lose a third of the time that one does, and on a clean line
	// they were as fast as two.
	fewLanes = 4
	// mostLanes is as many as npm opens by itself. Fewer than the client alone would have had must never be forced on it.
	mostLanes = 16
	// smallLanes are the connections for small things: the common one, and the last few of those that bulk rarely gets to.
	// A server begins a connection with ten segments a round trip (RFC 6928), and each small answer is one.
	smallLanes = 4
	// smallLoad is how many small things a connection has before another one is used.
	smallLoad = 8
	// laneSpan is over which bytes are counted.
	laneSpan = time.Second
	// laneGain is what more connections must bring to be kept.
	laneGain = 1.15
	// lanePause and lanePauses are the pause after a trial that failed; it doubles up to the second.
	lanePause, lanePauses = 8 * time.Second, time.Minute
	// maxFans bounds the sources that are remembered.
	maxFans = 256
)

// take gives a body the connection with the fewest others; it is counted from 1, as transport.Lane does. Those that are
// fetched ahead keep off the first, so that one which a client waits for need not share a connection with all of them. by is
// the client's connection, nil if it is not known: together they never get fewer than they came by. The caller calls
// release once, at the body's end.
func (s *spread) take(base string, by *Client, ahead bool, now time.Time) (lane int, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fanLocked(base, now)
	if by != nil {
		f.clients[by]++
	}
	least, end := 0, max(f.lanes, min(len(f.clients), mostLanes))
	if ahead {
		least, end = 1, min(f.lanes+1, mostLanes)
	}
	for i := least; i < end; i++ {
		if f.load[i] < f.load[least] {
			least = i
		}
	}
	f.load[least]++
	f.all++
	return least + 1, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		f.load[least]--
		f.all--
		if f.clients[by]--; f.clients[by] <= 0 {
			delete(f.clients, by)
		}
		f.idle = f.idle || f.all < f.lanes-1 // the next body may come at once
	}
}

// share gives something small a connection; 0 is the common one. The caller calls release once, at its end.
func (s *spread) share(base string, now time.Time) (lane int, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fanLocked(base, now)
	least := 0
	for i, n := range f.small {
		if n < smallLoad {
			least = i
			break
		}
		if n < f.small[least] {
			least = i
		}
	}
	f.small[least]++
	if lane = least; least > 0 {
		lane = mostLanes + 1 - least
	}
	return lane, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		f.small[least]--
	}
}

// width is how many connections to a source pay, as far as is known.
func (s *spread) width(base string, now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fanLocked(base, now).lanes
}

// came counts bytes of bulk bodies, and concludes a trial when it is time.
func (s *spread) came(base string, n int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fanLocked(base, now)
	f.bytes += int64(n)
	if elapsed := now.Sub(f.from); elapsed >= laneSpan {
		f.conclude(float64(f.bytes)/elapsed.Seconds(), now)
		f.from, f.bytes, f.idle = now, 0, f.all < f.lanes-1
	}
}

func (s *spread) fanLocked(base string, now time.Time) *fan {
	if f := s.sources[base]; f != nil {
		return f
	}
	if s.sources == nil || len(s.sources) >= maxFans {
		s.sources = make(map[string]*fan)
	}
	f := &fan{lanes: fewLanes, from: now, pause: lanePause, clients: make(map[*Client]int)}
	s.sources[base] = f
	return f
}

// conclude looks at what came in a span.
func (f *fan) conclude(rate float64, now time.Time) {
	switch {
	case f.before > 0 && !f.settled:
		f.settled = true
	case f.before > 0 && rate < f.before*laneGain:
		if !f.idle { // else the work ended, which says nothing against them
			f.lanes -= f.added
			f.next, f.pause = now.Add(f.pause), min(2*f.pause, lanePauses)
		}
		f.before = 0
	case f.idle || f.lanes == mostLanes || f.before == 0 && now.Before(f.next):
		f.before = 0
	default:
		f.added = min(max(f.lanes/2, 1), mostLanes-f.lanes)
		f.lanes += f.added
		f.before, f.settled, f.pause = rate, false, lanePause
	}
}
