// Package lanes says over which of several connections to a source a body travels. Small answers must not wait behind large
// ones, and one connection is filled by one lost packet as by a slow start.
package lanes

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"
)

// Spread deals bulk bodies and their parts out over connections of their own, each where it will have come first. So a clean
// line is filled by the one or two connections that became fast, and a lossy one by all. The zero value works, and its methods
// may be called from several goroutines. A source is called by its base; now is the time of the call.
type Spread struct {
	mu      sync.Mutex
	sources map[string]*fan
}

// fan is the connections to one source.
type fan struct {
	flows   [Most]flow
	small   [smallLanes]int // small things under way on each connection for them
	clients map[any]int     // connections of clients that wait for some, and for how many
	bodies  int             // under way, without the parts of each
	trip    time.Duration   // the shortest round trip that was seen
	full    float64         // bytes a second that all brought at most while there was a crowd
	fullAt  time.Time       // when there last was one
}

const (
	// Most is how many lanes bulk has to a source: as many as npm opens by itself. Fewer than the client alone would have had must never be forced on it.
	Most = 16
	// smallLanes are the connections for small things: the common one, and the last of those that bulk gets to. A server
	// begins a connection with ten segments a round trip (RFC 6928), and a hundred small answers may come at once.
	smallLanes = 12
	// middleLanes is how many of these are for things that are not tiny: packuments have a hundred kilobytes.
	middleLanes = 4
	// tiny is below how many bytes a thing fits into a few packets.
	tiny = 8 << 10
	// smallLoad is how many small things a connection has before another one is used.
	smallLoad = 4
	// warmLanes is how many connections to a source are mostly open before they are needed; others cost two round trips more.
	warmLanes = 8
	// usualTrip is the round trip to a source as long as none was seen.
	usualTrip = 100 * time.Millisecond
	// far is from which round trip on the way to a source is long.
	far = 80 * time.Millisecond
	// usualBody is the size of a body as long as nobody knows it, in bytes.
	usualBody = 64 << 10
	// maxFans bounds the sources that are remembered.
	maxFans = 256
)

// Take gives a body of so many bytes (0: who knows) the connection that will have brought it first, as far as can be told.
// Those that are fetched ahead keep off the first, so that one which a client waits for need not share a connection with all
// of them. by is the client's connection, comparable, nil if it is not known: a client has at least as many as it came by, until one has
// brought anything: the go command comes by many to a gateway, and would have had a single one. The caller calls Leave at the
// body's end.
func (s *Spread) Take(base string, by any, ahead bool, size int64, now time.Time) *Berth {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fanLocked(base)
	from := 0
	if ahead {
		from = 1
	}
	if by != nil {
		f.clients[by]++
	}
	lane, _ := f.soonest(from, size, now)
	if idle := f.idle(min(len(f.clients), Most)); idle >= 0 && !ahead && f.flows[lane].load > 0 && f.flows[lane].rate(now) == 0 {
		lane = idle // but what is known to be fast is not left for what would begin slowly
	}
	f.bodies++
	b := s.berthLocked(f, lane, by, size, now)
	b.body = true
	return b
}

// hurry is how many times later than the soonest a part may come over a connection that is open and free: who can tell.
const hurry = 2

// Part gives a part of a body a connection that would soon have nothing to do; nil if those that would are much slower than
// others, which are busy: by the time when they are not, it may turn out that another is the fastest. must is for who would
// have nothing under way: it gets the one that will have brought the part first, as a body does.
func (s *Spread) Part(base string, size int64, must bool, now time.Time) *Berth {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fanLocked(base)
	way, free, least, soonest := f.way(now), -1, math.Inf(1), math.Inf(1)
	for i := range f.flows {
		flow := &f.flows[i]
		until := flow.until(size, way, now)
		soonest = min(soonest, until)
		if flow.open(now) {
			until /= hurry
		}
		if until < least && flow.dry(way.trip, now) {
			free, least = i, until
		}
	}
	if free < 0 || least > soonest {
		if !must {
			return nil
		}
		free, _ = f.soonest(0, size, now)
	}
	return s.berthLocked(f, free, nil, size, now)
}

// Soon is in what time a part of so many bytes would have come.
func (s *Spread) Soon(base string, size int64, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, in := s.fanLocked(base).soonest(0, size, now)
	return seconds(in)
}

const (
	// crowd is how many bodies are under way when most connections have one: the few others bring a third more in all, at best,
	// and nothing more on a line that is full. That is not worth what is lost when a body is taken from the connection that
	// brings it, which is as much as is on its way there.
	crowd = Most * 3 / 4
	// fullFor is for how long it is known what a crowd brought.
	fullFor = 10 * time.Second
	// nearly is the part of that from which on a line is full, although there is no crowd any more.
	nearly = 0.8
	// roomy is the part of that below which a line is known to have room for more, when few bodies are left: what a crowd brings
	// comes in bursts, and there are gaps.
	roomy, few = 0.5, 3
)

// Crowded says that one connection more to a source would hardly bring more in all: it has a crowd of bodies to bring, or what
// it brings now is as much as when it had.
func (s *Spread) Crowded(base string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fanLocked(base)
	sum := f.lately(now)
	switch {
	case f.bodies >= crowd:
		f.full, f.fullAt = max(f.full, sum), now
		return true
	case now.Sub(f.fullAt) >= fullFor, nearly*sum > f.full: // it was not full then
		f.full = 0
	}
	return f.full > 0 && sum >= nearly*f.full
}

// lately is how many bytes a second all brought just now, in the last spans that are over, or in those with the newest.
func (f *fan) lately(now time.Time) float64 {
	over, newest := int64(0), int64(0)
	for i := range f.flows {
		flow := &f.flows[i]
		flow.turn(now)
		over += flow.window(flow.now - flowWindow)
		newest += flow.window(flow.now - flowWindow + 1)
	}
	return float64(max(over, newest)) / (flowWindow * flowSpan).Seconds()
}

// IsFar says that the way to a source is so long that a slow connection should be helped soon.
func (s *Spread) IsFar(base string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fanLocked(base).trip >= far
}

// Heard notes how long a source took to answer over a connection that is open; 0 tells nothing.
func (s *Spread) Heard(base string, trip time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.fanLocked(base); trip > 0 && (f.trip == 0 || trip < f.trip) {
		f.trip = trip
	}
}

func (s *Spread) berthLocked(f *fan, lane int, by any, size int64, now time.Time) *Berth {
	size = min(cmp.Or(size, usualBody), mostOwed)
	flow := &f.flows[lane]
	since := flow.last
	if flow.owed == 0 {
		flow.last = now
	}
	flow.load++
	flow.owed += size
	return &Berth{spread: s, fan: f, flow: flow, by: by, Lane: lane + 1, owed: size, since: since}
}

// soonest is the connection, from that number on, that will have brought so many bytes first, and in how many seconds; of
// those that are alike, one with the fewest bodies.
func (f *fan) soonest(from int, size int64, now time.Time) (best int, least float64) {
	way, least := f.way(now), math.Inf(1)
	for i := from; i < Most; i++ {
		until := f.flows[i].until(cmp.Or(size, usualBody), way, now)
		if until < least || until == least && f.flows[i].load < f.flows[best].load {
			best, least = i, until
		}
	}
	return best, least
}

// idle is one of the first n connections that has nothing to bring; -1: there is none.
func (f *fan) idle(n int) int {
	return slices.IndexFunc(f.flows[:n], func(f flow) bool { return f.load == 0 })
}

// way is as of now.
func (f *fan) way(now time.Time) way {
	w, n := way{trip: cmp.Or(f.trip, usualTrip)}, 0.0
	for i := range f.flows {
		flow := &f.flows[i]
		if rate := flow.rate(now); rate > 0 && flow.owed > 0 && !flow.young(w.trip, now) {
			w.usual, n = w.usual+rate, n+1
		}
	}
	w.usual /= n + 1 // one more takes its share from the others
	if f.bodies <= few && now.Sub(f.fullAt) < fullFor {
		if sum := f.lately(now); sum < roomy*f.full {
			w.room = f.full - sum
			w.usual = max(w.usual, w.room)
		}
	}
	return w
}

// Share gives something small, of so many bytes (0: who knows), a connection; 0 is the common one. Those that fit into a few
// packets have more to choose from: the larger ones gain by a connection that others made fast. The caller calls release
// once, at its end.
func (s *Spread) Share(base string, size int64) (lane int, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fanLocked(base)
	least, lanes := 0, middleLanes
	if size < tiny {
		lanes = smallLanes
	}
	for i := range lanes {
		if f.small[i] < smallLoad {
			least = i
			break
		}
		if f.small[i] < f.small[least] {
			least = i
		}
	}
	f.small[least]++
	if lane = least; least > 0 {
		lane = Most + 1 - least
	}
	return lane, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		f.small[least]--
	}
}

func (s *Spread) fanLocked(base string) *fan {
	if f := s.sources[base]; f != nil {
		return f
	}
	if s.sources == nil || len(s.sources) >= maxFans {
		s.sources = make(map[string]*fan)
	}
	f := &fan{clients: make(map[any]int)}
	for i := range warmLanes {
		f.flows[i].warm = true
	}
	s.sources[base] = f
	return f
}

// Owed is how many bodies and parts are under way from all sources, and how many bytes they are yet to bring.
func (s *Spread) Owed() (bodies int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fan := range s.sources {
		for i := range fan.flows {
			bodies, bytes = bodies+fan.flows[i].load, bytes+fan.flows[i].owed
		}
	}
	return bodies, bytes
}
