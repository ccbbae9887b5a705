package lanes

import (
	"math"
	"testing"
	"time"
)

// wire is a connection in a false network: it begins with opening bytes a round trip and doubles that until it has its rate.
type wire struct {
	rate  float64 // bytes a second
	trip  time.Duration
	queue []*Berth
	begun time.Time
}

// drain brings what came in a step, to the bodies in turn.
func (w *wire) drain(step time.Duration, now time.Time) (done []*Berth) {
	if len(w.queue) == 0 {
		return nil
	}
	if w.begun.IsZero() {
		w.begun = now
	}
	trips := now.Sub(w.begun).Seconds() / w.trip.Seconds()
	ramp := float64(opening) / w.trip.Seconds() * float64(int(1)<<min(int(trips), 20))
	n := int(min(w.rate, ramp) * step.Seconds())
	for n > 0 && len(w.queue) > 0 {
		b := w.queue[0]
		m := min(n, int(b.owed))
		b.Came(m, now)
		if n -= m; b.owed == 0 {
			b.Leave()
			done = append(done, b)
			w.queue = w.queue[1:]
		}
	}
	return done
}

// network is the wires to one source, and a spread that knows nothing of their rates.
type network struct {
	spread Spread
	wires  [Most]wire
	now    time.Time
	bytes  [Most]int64
}

func newNetwork(trip time.Duration, rate func(lane int) float64) *network {
	n := &network{now: time.Unix(1e9, 0)}
	n.spread.Heard("base", trip)
	for i := range n.wires {
		n.wires[i].rate, n.wires[i].trip = rate(i), trip
	}
	return n
}

// fetch brings so many bytes in parts, as fast as spread lets it, and returns in what time.
func (n *network) fetch(size, part int64) time.Duration {
	const step = 10 * time.Millisecond
	owed := size
	for begun := n.now; ; n.now = n.now.Add(step) {
		for owed > 0 {
			b := n.spread.Part("base", min(part, owed), false, n.now)
			if b == nil {
				break
			}
			owed -= b.owed
			n.bytes[b.Lane-1] += b.owed
			n.wires[b.Lane-1].queue = append(n.wires[b.Lane-1].queue, b)
		}
		idle := owed == 0
		for i := range n.wires {
			n.wires[i].drain(step, n.now)
			idle = idle && len(n.wires[i].queue) == 0
		}
		if idle {
			return n.now.Sub(begun)
		}
	}
}

const trip = 200 * time.Millisecond

func TestWhereEachConnectionBringsLittleAllAreUsed(t *testing.T) {
	n := newNetwork(trip, func(int) float64 { return 200_000 })
	took := n.fetch(30<<20, 512<<10)
	for i, bytes := range n.bytes[:Most-1] {
		if bytes == 0 {
			t.Errorf("connection %d is not used", i)
		}
	}
	if ideal := time.Duration(float64(30<<20) / (Most * 200_000) * float64(time.Second)); took > ideal*17/10 {
		t.Errorf("got  %v\nwant %v, as if all were used all the time, and a start and an end", took, ideal)
	}
}

// One of them has the line, the others crawl: as after a slow start into a full queue.
func TestTheFastConnectionCarriesWhatTheSlowOnesCannot(t *testing.T) {
	n := newNetwork(trip, func(lane int) float64 {
		if lane == 3 {
			return 10e6
		}
		return 250_000
	})
	took := n.fetch(40<<20, 512<<10)
	if n.bytes[3] < 30<<20 {
		t.Errorf("the fast one brought %d MiB of 40, want most: %v", n.bytes[3]>>20, n.bytes)
	}
	if took > 7*time.Second {
		t.Errorf("it took %v, want what the fast one needs and 3 s more at most", took)
	}
}

func TestACleanLineNeedsFewConnections(t *testing.T) {
	n := newNetwork(trip, func(int) float64 { return 10e6 })
	n.fetch(40<<20, 512<<10)
	used := 0
	for _, bytes := range n.bytes {
		if bytes > 0 {
			used++
		}
	}
	if used > warmLanes {
		t.Errorf("%d connections are used, want those that are open at most", used)
	}
}

// What one connection lost sight of is silent until it was sent again: it gets nothing meanwhile.
func TestASilentConnectionIsAvoided(t *testing.T) {
	s, now := new(Spread), time.Unix(1e9, 0)
	s.Heard("base", trip)
	first := s.Part("base", 1<<20, false, now)
	for range 10 {
		now = now.Add(50 * time.Millisecond)
		first.Came(50<<10, now)
	}
	if b := s.Part("base", 128<<10, false, now); b == nil || b.Lane != first.Lane {
		t.Errorf("the next part has %+v, want connection %d, which is fast", b, first.Lane)
	} else {
		b.Leave()
	}
	now = now.Add(1500 * time.Millisecond)
	if b := s.Part("base", 128<<10, false, now); b == nil || b.Lane == first.Lane {
		t.Errorf("the next part has %+v, want another connection than the silent %d", b, first.Lane)
	}
}

func TestBodiesAreDealtOutEvenly(t *testing.T) {
	s := new(Spread)
	count := map[int]int{}
	for range 3 * warmLanes {
		count[s.Take("base", nil, false, 0, time.Unix(1e9, 0)).Lane]++
	}
	for lane := 1; lane <= warmLanes; lane++ {
		if n := count[lane]; n < 2 || n > 3 {
			t.Errorf("connection %d has %d bodies of %d, want 2 or 3: %v", lane, n, 3*warmLanes, count)
		}
	}
	if count[0] > 0 {
		t.Error("a body went over the connection of small answers")
	}
}

// A client's body is not one of many on a connection, however much is fetched ahead.
func TestWhatIsFetchedAheadLeavesAConnectionFree(t *testing.T) {
	s, now := new(Spread), time.Unix(1e9, 0)
	ahead := map[int]int{}
	for range 100 {
		ahead[s.Take("base", nil, true, 0, now).Lane]++
	}
	if b := s.Take("base", nil, false, 0, now); ahead[b.Lane] > 0 {
		t.Errorf("a client's body shares connection %d with %d others", b.Lane, ahead[b.Lane])
	}
}

func TestSmallThingsShareAFewConnections(t *testing.T) {
	s := new(Spread)
	count := map[int]int{}
	var releases []func()
	for i := range 80 {
		lane, release := s.Share("base", 0)
		if count[lane]++; i < smallLoad && lane != 0 {
			t.Errorf("the first few have lane %d, want the common one", lane)
		}
		releases = append(releases, release)
	}
	if len(count) != smallLanes || count[1] > 0 {
		t.Errorf("80 at once have the lanes %v, want %d, none of them the first of bulk", count, smallLanes)
	}
	for lane, n := range count {
		if n < 80/smallLanes || n > 80/smallLanes+1 {
			t.Errorf("lane %d has %d of 80, want as many as the others", lane, n)
		}
	}
	for _, release := range releases {
		release()
	}
	if lane, _ := s.Share("base", 0); lane != 0 {
		t.Errorf("one alone has lane %d, want the common one", lane)
	}
}

func TestLargerSmallThingsShareFewerConnections(t *testing.T) {
	s, lanes := new(Spread), map[int]bool{}
	for range 80 {
		lane, _ := s.Share("base", 100<<10)
		lanes[lane] = true
	}
	if len(lanes) != middleLanes || !lanes[0] {
		t.Errorf("80 packuments have the lanes %v, want %d and the common one among them", lanes, middleLanes)
	}
}

func TestAClientGetsAsManyConnectionsAsItCameBy(t *testing.T) {
	s, now := new(Spread), time.Unix(1e9, 0)
	count := map[int]int{}
	var berths []*Berth
	for range 15 {
		b := s.Take("base", new(int), false, 0, now)
		count[b.Lane]++
		berths = append(berths, b)
	}
	if len(count) != 15 {
		t.Errorf("15 connections of a client became %d: %v", len(count), count)
	}
	for _, b := range berths {
		b.Leave()
		b.Leave()
	}
	f := s.sources["base"]
	if len(f.clients) > 0 {
		t.Errorf("%d clients wait, who have all they asked for", len(f.clients))
	}
	for i := range f.flows {
		if f.flows[i].load != 0 || f.flows[i].owed != 0 {
			t.Errorf("connection %d has %d bodies and owes %d bytes, want none", i, f.flows[i].load, f.flows[i].owed)
		}
	}
}

// The go command, over HTTP/1 to a gateway, comes by many connections, and by one over HTTP/2 to the registry itself.
func TestAConnectionThatBecameFastIsNotLeftForOnesThatBeginSlowly(t *testing.T) {
	s, now := new(Spread), time.Unix(1e9, 0)
	s.Heard("base", trip)
	fast := s.Take("base", new(int), false, 480<<10, now)
	fast.Came(480<<10, now)
	fast.Leave()
	for i, want := range []int{fast.Lane, fast.Lane, fast.Lane} {
		if b := s.Take("base", new(int), false, 0, now); b.Lane != want {
			t.Errorf("the body number %d at once has connection %d, want %d, which is fast", i+1, b.Lane, want)
		}
	}
	for range 3 * Most {
		s.Take("base", new(int), false, 1<<20, now)
	}
	for i := range warmLanes {
		if s.sources["base"].flows[i].load == 0 {
			t.Errorf("with much to bring connection %d brings nothing", i+1)
		}
	}
}

// Who lies about a length must not end up with a connection that is said to owe less than nothing.
func TestALengthBeyondAllMeasureIsNotAddedUp(t *testing.T) {
	s, now := new(Spread), time.Unix(1e9, 0)
	for range 3 * Most {
		s.Take("base", nil, false, 0, now).Owes(math.MaxInt64)
	}
	for i := range s.sources["base"].flows {
		if f := &s.sources["base"].flows[i]; f.owed < 0 || f.dry(trip, now) {
			t.Errorf("connection %d owes %d bytes, want very many", i, f.owed)
		}
	}
	if b := s.Part("base", 1<<20, false, now); b != nil {
		t.Errorf("a part goes over connection %d, which has enough to bring", b.Lane)
	}
}

// The clock of the wall may be set back: what came before must not stay new until it is there again.
func TestAClockThatIsSetBackMakesNoConnectionFast(t *testing.T) {
	f, now := new(flow), time.Unix(1e9, 0)
	f.came(1<<20, now)
	now = now.Add(-time.Hour)
	for range 100 {
		now = now.Add(flowSpan)
		f.came(10<<10, now)
	}
	if got, want := f.rate(now), 10<<10/flowSpan.Seconds(); got > 2*want {
		t.Errorf("rate\ngot  %.0f\nwant %.0f bytes a second", got, want)
	}
}

// Else a job whose lead broke would wait for as long as others have anything to ask for.
func TestWhoHasNothingUnderWayGetsAPlaceBesideOthers(t *testing.T) {
	s, now := new(Spread), time.Unix(1e9, 0)
	for range 100 {
		s.Take("base", nil, false, 4<<20, now)
	}
	if b := s.Part("base", 64<<10, false, now); b != nil {
		t.Errorf("a part more goes over connection %d, though all are busy", b.Lane)
	}
	if b := s.Part("base", 64<<10, true, now); b == nil {
		t.Error("the only part of a body has to wait")
	}
}

// To be offered a place and not to take it opens no connection.
func TestAPlaceThatWasNotTakenOpensNothing(t *testing.T) {
	s, now := new(Spread), time.Unix(1e9, 0)
	for range warmLanes {
		s.Part("base", 1<<20, false, now)
	}
	b := s.Part("base", 1<<20, true, now)
	for b.Lane <= warmLanes {
		b = s.Part("base", 1<<20, true, now)
	}
	b.Decline()
	if b.flow.open(now) {
		t.Errorf("connection %d is thought to be open, which was never asked for anything", b.Lane)
	}
}
