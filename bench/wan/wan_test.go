//go:build linux

package main

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func newLine(s settings) *line {
	return &line{settings: s, random: rand.New(rand.NewPCG(1, 2))}
}

// arrivals sends n packets of size bytes, one every gap, and returns when each came out. Those that did not are absent.
func arrivals(l *line, n, size int, gap time.Duration) (out []time.Duration) {
	for i := range n {
		l.take(time.Duration(i)*gap, make([]byte, size), 0)
	}
	for l.queue.size > 0 {
		at := l.queue.head().due
		l.flush(at, func(packet) error { out = append(out, at); return nil })
	}
	return out
}

func TestAWireChangesNothing(t *testing.T) {
	got := arrivals(newLine(settings{}), 3, 1500, time.Millisecond)
	for i, at := range got {
		if want := time.Duration(i) * time.Millisecond; at != want {
			t.Errorf("packet %d came\ngot  %s\nwant %s", i, at, want)
		}
	}
}

func TestAPacketTakesItsRateAndThenItsDelay(t *testing.T) {
	l := newLine(settings{rate: 12e6, delay: 30 * time.Millisecond})
	got := arrivals(l, 3, 1500, 0) // 1500 bytes at 12 Mbit/s are 1 ms
	for i, at := range got {
		if want := time.Duration(31+i) * time.Millisecond; (at - want).Abs() > time.Microsecond {
			t.Errorf("packet %d came\ngot  %s\nwant %s", i, at, want)
		}
	}
}

func TestTheRateHoldsOverManyPackets(t *testing.T) {
	l := newLine(settings{rate: 80e6, queue: 1 << 30})
	got := arrivals(l, 8000, 1250, 0)
	if last := got[len(got)-1]; (last - time.Second).Abs() > time.Millisecond {
		t.Errorf("10 MB at 80 Mbit/s took\ngot  %s\nwant 1s", last)
	}
}

func TestAFullQueueDropsTheTail(t *testing.T) {
	l := newLine(settings{rate: 1e6, queue: 6000})
	got := arrivals(l, 10, 1500, 0)
	if len(got) != 4 || l.count.Dropped != 6 {
		t.Errorf("of ten packets with room for four\ngot  %d, and %d dropped\nwant 4, and 6", len(got), l.count.Dropped)
	}
}

func TestTheQueueIsDerivedFromTheRate(t *testing.T) {
	for _, c := range []struct {
		name string
		s    settings
		want int
	}{
		{"a slow link holds the least", settings{rate: 2e6}, 64 << 10},
		{"a fast one 100 ms", settings{rate: 100e6}, 1_250_000},
		{"and what is asked for beats both", settings{rate: 100e6, queue: 7}, 7},
	} {
		if got := c.s.room(); got != c.want {
			t.Errorf("%s\ngot  %d\nwant %d", c.name, got, c.want)
		}
	}
}

func TestJitterStaysInItsBoundsAndKeepsTheOrder(t *testing.T) {
	l := newLine(settings{delay: 50 * time.Millisecond, jitter: 10 * time.Millisecond})
	got := arrivals(l, 2000, 100, time.Millisecond)
	differ := false
	for i, at := range got {
		sent := time.Duration(i) * time.Millisecond
		if took := at - sent; took < 40*time.Millisecond || took > 60*time.Millisecond {
			t.Fatalf("packet %d took\ngot  %s\nwant 40 to 60 ms", i, took)
		}
		if i > 0 && at < got[i-1] {
			t.Fatalf("packet %d overtook the one before", i)
		}
		differ = differ || i > 0 && at-got[i-1] != time.Millisecond
	}
	if !differ {
		t.Error("all packets took the same time")
	}
	if l.count.LateMax > 0 { // who waits for the one before is not late
		t.Errorf("late\ngot  %v ms\nwant none", l.count.LateMax)
	}
}

func TestLossHasItsMean(t *testing.T) {
	for _, c := range []struct {
		name        string
		loss, burst float64
	}{
		{"never", 0, 0},
		{"one in two hundred", 0.005, 0},
		{"one in a hundred, in bursts of five", 0.01, 5},
		{"always", 1, 0},
		{"always, in bursts", 1, 5},
	} {
		l := newLine(settings{loss: c.loss, burst: c.burst})
		const n = 400_000
		for range n {
			l.take(0, nil, 0)
		}
		got := float64(l.count.Lost) / n
		if math.Abs(got-c.loss) > 0.1*c.loss {
			t.Errorf("%s\ngot  %.4f\nwant %.4f", c.name, got, c.loss)
		}
	}
}

func TestBurstsHaveTheirLength(t *testing.T) {
	l := newLine(settings{loss: 0.02, burst: 4})
	bursts, before := 0, false
	for range 400_000 {
		lost := !l.take(0, nil, 0)
		if lost && !before {
			bursts++
		}
		before = lost
	}
	if got := float64(l.count.Lost) / float64(bursts); math.Abs(got-4) > 0.3 {
		t.Errorf("mean length\ngot  %.2f\nwant 4", got)
	}
}

func TestTheSameSeedIsTheSameFate(t *testing.T) {
	s := settings{loss: 0.1, jitter: 5 * time.Millisecond, delay: 20 * time.Millisecond}
	one, other := arrivals(newLine(s), 500, 100, time.Millisecond), arrivals(newLine(s), 500, 100, time.Millisecond)
	if len(one) != len(other) || one[len(one)-1] != other[len(other)-1] {
		t.Errorf("two runs\ngot  %d and %d packets\nwant the same", len(one), len(other))
	}
}

func TestLatenessAndRefusalsAreCounted(t *testing.T) {
	l := newLine(settings{})
	l.take(0, make([]byte, 9), 0)
	l.take(time.Millisecond, make([]byte, 9), 0)
	l.flush(0, func(packet) error { return errors.New("full") })
	l.flush(21*time.Millisecond, func(packet) error { return nil })
	want := counters{Packets: 2, Bytes: 18, Refused: 1, Out: 1, OutB: 9, Late: 1, LateMax: 20}
	if l.count != want {
		t.Errorf("counters\ngot  %+v\nwant %+v", l.count, want)
	}
}

func TestTheQueueKeepsItsOrderWhileItGrows(t *testing.T) {
	var q queue
	next, want := time.Duration(0), time.Duration(0)
	for range 500 {
		for range 3 {
			q.push(packet{due: next})
			next++
		}
		if got := q.pop().due; got != want {
			t.Fatalf("popped\ngot  %d\nwant %d", got, want)
		}
		want++
	}
	if q.size != 1000 {
		t.Errorf("left\ngot  %d\nwant 1000", q.size)
	}
}

// TestLinksShareAnAccessLine: two links that are each as wide as the access line bring no more than it takes.
func TestLinksShareAnAccessLine(t *testing.T) {
	links := []*link{{access: 12e6}, {access: 12e6}, {}}
	w := &wires{doors: map[string]*line{}}
	one, other, none := w.door(links[0]), w.door(links[1]), w.door(links[2])
	if one != other || none != nil {
		t.Fatalf("doors\ngot  %p, %p and %p\nwant one for two links, and none for the third", one, other, none)
	}
	var came []time.Duration
	for i := range 6 {
		p := packet{due: time.Duration(i/2) * time.Millisecond, buf: make([]byte, 1500), out: i}
		if err := w.forward(one, p); err != nil {
			t.Fatal(err)
		}
	}
	for one.queue.size > 0 {
		at := one.queue.head().due
		one.flush(at, func(packet) error { came = append(came, at); return nil })
	}
	for i, at := range came {
		if want := time.Duration(i+1) * time.Millisecond; at != want {
			t.Errorf("packet %d came\ngot  %s\nwant %s", i, at, want)
		}
	}
}

const spec = "name=near,client=c,server=s,cip=10.0.0.1,sip=10.0.0.2"

func TestLinksAreRead(t *testing.T) {
	links, err := parseLinks([]string{spec + ",delay=15,jitter=1,loss=0.5,loss.up=0,rate=20,rate.down=40,queue=10"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	up := settings{delay: 15 * time.Millisecond, jitter: time.Millisecond, rate: 20e6, queue: 10 << 10}
	down := up
	down.loss, down.rate = 0.005, 40e6
	if got := links[0].up.settings; got != up {
		t.Errorf("up\ngot  %+v\nwant %+v", got, up)
	}
	if got := links[0].down.settings; got != down {
		t.Errorf("down\ngot  %+v\nwant %+v", got, down)
	}
}

func TestBadLinksAreRefused(t *testing.T) {
	for _, bad := range []string{"", "name", "name=x", spec + ",loss=x", spec + ",loss=-1", spec + ",rate=NaN", spec + ",speed=1", spec + ",loss.left=1", spec + ",access=0", "cip=::1"} {
		if _, err := parseLink(bad); err == nil {
			t.Errorf("-link %q\ngot  no error\nwant one", bad)
		}
	}
}

func TestALinkIsChangedWhollyOrNotAtAll(t *testing.T) {
	l, err := parseLink(spec)
	if err != nil {
		t.Fatal(err)
	}
	c := &control{wires: &wires{links: []*link{l}}}
	for _, step := range []struct {
		say  string
		fine bool
		loss float64
	}{
		{"set near loss=100", true, 1},
		{"set near loss=0 rate=fast", false, 1},
		{"set far loss=0", false, 1},
		{"set near", false, 1},
		{"sing", false, 1},
		{"set near loss.up=0", true, 0},
	} {
		r := c.obey(strings.Fields(step.say))
		if (r.Error == "") != step.fine || l.up.loss != step.loss {
			t.Errorf("%s\ngot  %q and loss %v\nwant fine %v and loss %v", step.say, r.Error, l.up.loss, step.fine, step.loss)
		}
	}
	if l.down.loss != 1 {
		t.Errorf("the other direction\ngot  %v\nwant 1", l.down.loss)
	}
}

func FuzzLink(f *testing.F) {
	f.Add(spec + ",delay=15,jitter.up=1,loss=0.1,burst=3,rate=12,queue=9")
	f.Add("name=,=,a=b=c")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseLink(text)
		if err != nil {
			return
		}
		for _, s := range []settings{l.up.settings, l.down.settings} {
			if s.delay < 0 || s.rate < 0 || s.loss < 0 || s.room() < 0 {
				t.Errorf("%q\ngot  %+v\nwant nothing below zero", text, s)
			}
		}
	})
}
