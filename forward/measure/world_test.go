package measure

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const (
	origin = "https://origin.example"
	near   = "https://near.example"
	far    = "https://far.example"
	odd    = "https://odd.example"
	dead   = "https://dead.example"

	ms = time.Millisecond
)

// world is a board with a clock that only the test moves.
type world struct {
	*Board
	now time.Time
}

func newWorld() *world {
	w := &world{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	w.Board = &Board{Now: func() time.Time { return w.now }}
	return w
}

// saw tells the board of n equal small transfers.
func (w *world) saw(base string, n int, o Outcome, wait time.Duration) {
	for range n {
		w.Add(Sample{Base: base, When: w.now, Outcome: o, Wait: wait, Took: wait + time.Millisecond, Bytes: 1000})
	}
}

// sent tells the board of a blob of 8 MiB at so many MiB a second.
func (w *world) sent(base string, wait time.Duration, rate int) {
	took := wait + 8*time.Second/time.Duration(rate)
	w.Add(Sample{Base: base, When: w.now, Outcome: OK, Wait: wait, Took: took, Bytes: 8 << 20})
}

// probed tells the board of n equal probes.
func (w *world) probed(base string, n int, o Outcome, wait time.Duration) {
	for range n {
		w.Add(Sample{Base: base, When: w.now, Outcome: o, Wait: wait, Took: wait, Bytes: 100, Probe: true})
	}
}

func (w *world) after(d time.Duration) { w.now = w.now.Add(d) }

// standing is how one base stands in the report.
func (w *world) standing(base string) Standing {
	for _, s := range w.Report() {
		if s.Base == base {
			return s
		}
	}
	return Standing{}
}

// ranked is the order without turns for the others.
func (w *world) ranked(bases []string, o Object) (ranked []string) {
	for _, p := range w.Rank(bases, o) {
		ranked = append(ranked, p.Base)
	}
	return ranked
}

// first is the base that stands first unless somebody has a turn.
func (w *world) first(bases []string, o Object) string { return w.Rank(bases, o)[0].Base }

// link is how an upstream behaves in a simulation.
type link struct {
	wait   time.Duration
	rate   float64 // MiB a second; 0: at once
	jitter float64 // part of wait and of the transfer
	fails  Outcome // how it fails; OK: it does not
	every  int     // which of its answers fails; 0, 1: each
	cold   bool    // its first answer takes three times as long
	slow   bool    // it starts slowly when it was idle for a second, as TCP does

	asked int
	ended time.Time // the last transfer
}

// net is a world in which Order's choice is asked, and the next ones when it fails, as fetch does.
type net struct {
	*world
	list    []string
	links   map[string]*link
	random  *rand.Rand
	changes int // of the base that Rank has first
	last    string
}

func newNet(list []string, links map[string]*link) *net {
	return &net{world: newWorld(), list: list, links: links, random: rand.New(rand.NewPCG(1, 2))}
}

// fetch asks for one object, and tells who sent it; empty: nobody.
func (n *net) fetch(o Object) string { return n.fetchBeside(o, o, 1)[0] }

// fetchBeside asks for so many objects at once, which share their links, and tells who sent each. They are ordered as what
// they are expected to be, and all of them before the first one ends.
func (n *net) fetchBeside(expected, o Object, times int) (senders []string) {
	defer n.note(o)
	orders, firsts := make([][]string, times), map[string]int{}
	for i := range orders {
		orders[i] = n.Order(n.list, expected)
		firsts[orders[i][0]]++
	}
	var samples []Sample
	began := n.now
	for _, order := range orders {
		sent := n.try(order, o, began, firsts)
		samples = append(samples, sent...)
		sender := ""
		if last := sent[len(sent)-1]; last.Outcome == OK {
			sender = last.Base
		}
		senders = append(senders, sender)
	}
	slices.SortStableFunc(samples, func(x, y Sample) int { return x.When.Add(x.Took).Compare(y.When.Add(y.Took)) })
	for _, s := range samples {
		n.now = s.When.Add(s.Took)
		n.links[s.Base].ended = n.now
		n.Add(s)
	}
	return senders
}

// try asks one after the other until one has it.
func (n *net) try(order []string, o Object, at time.Time, firsts map[string]int) (sent []Sample) {
	for _, base := range order {
		s := n.links[base].answer(n.random, o, at, max(firsts[base], 1))
		s.Base, s.Name, s.When = base, o.Name, at
		at = at.Add(s.Took)
		if sent = append(sent, s); s.Outcome == OK {
			break
		}
	}
	return sent
}

// note counts changes of the choice.
func (n *net) note(o Object) {
	if now := n.first(n.list, o); now != n.last {
		n.last = now
		n.changes++
	}
}

// answer is how it answers, then and with so many answers at once.
func (l *link) answer(random *rand.Rand, o Object, at time.Time, share int) Sample {
	l.asked++
	shake := func(d time.Duration) time.Duration {
		return time.Duration(float64(d) * (1 + l.jitter*(2*random.Float64()-1)))
	}
	s := Sample{Size: o.Size, Outcome: OK, Wait: shake(l.wait), Bytes: o.Size}
	if l.cold && l.asked == 1 {
		s.Wait *= 3
	}
	if l.fails != OK && l.asked%max(l.every, 1) == 0 {
		s.Outcome, s.Bytes = l.fails, 0
	}
	s.Took = s.Wait
	switch s.Outcome {
	case Stalled:
		s.Wait, s.Took = 0, 3*time.Second
	case Outrun: // a second source was asked when it was late, and was faster
		s.Wait, s.Took = 0, 150*ms
	case Broken:
		s.Wait = 0
	case OK:
		if l.rate > 0 {
			s.Took += shake(l.body(o.Size, l.rate/float64(share), l.slow && at.Sub(l.ended) > time.Second))
		}
	}
	return s
}

// body is how long a body takes at so many MiB a second. A cold connection sends ten segments, and twice as many each
// round trip (RFC 6928, RFC 5681), until the link is full.
func (l *link) body(size int64, rate float64, cold bool) (took time.Duration) {
	left, full := float64(size), rate*(1<<20)
	for flight := 14600.0; cold && left > flight && flight < full*l.wait.Seconds(); flight *= 2 {
		left -= flight
		took += l.wait
	}
	return took + time.Duration(left/full*float64(time.Second))
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s\ngot  %v\nwant %v", what, got, want)
	}
}

func checkList(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\ngot  %v\nwant %v", what, got, want)
	}
}
