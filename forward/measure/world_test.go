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
	rate   int     // MiB a second; 0: at once
	jitter float64 // part of wait and of the transfer
	fails  Outcome // how it fails; OK: it does not
	every  int     // which of its answers fails; 0, 1: each
	cold   bool    // its first answer takes three times as long

	asked int
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
func (n *net) fetch(o Object) string {
	defer n.note(o)
	for _, base := range n.Order(n.list, o) {
		s := n.links[base].answer(n.random, o)
		s.Base, s.Name, s.When = base, o.Name, n.now
		n.after(s.Took)
		n.Add(s)
		if s.Outcome == OK {
			return base
		}
	}
	return ""
}

// note counts changes of the choice.
func (n *net) note(o Object) {
	if now := n.first(n.list, o); now != n.last {
		n.last = now
		n.changes++
	}
}

func (l *link) answer(random *rand.Rand, o Object) Sample {
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
	case Broken:
		s.Wait = 0
	case OK:
		if l.rate > 0 {
			s.Took += shake(time.Duration(float64(o.Size) / float64(l.rate<<20) * float64(time.Second)))
		}
	}
	return s
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
