package measure

import (
	"cmp"
	"slices"
	"time"
)

const (
	// Of how many orders one is a turn for those that are not known well enough: while some were never asked, while some
	// were asked less than few times, and later. A turn may cost a client time, so there must not be many; without them a
	// faster mirror is never found.
	exploreNew    = 2
	exploreLittle = 3
	exploreLater  = 20
	// maxShift bounds how rare the turns of those become that answer none of them: one in 20 << 10 orders.
	maxShift = 10
)

// goes are the turns that one upstream was given in vain.
type goes struct {
	vain  int       // since its last right transfer of the class
	next  int       // the order before which it has no other turn
	right int       // its right transfers when it had its last turn
	last  time.Time // when it had that
}

// explore puts one upstream first whose turn it is, if there is one. Those asked less often go first, then the promising.
func (g *group) explore(spots []spot, o Object, now time.Time) {
	c := o.class()
	g.orders++
	if i := g.encore(spots, o, now); i >= 0 {
		g.turn, g.turned = g.orders, ""
		front(spots, i)
		return
	}
	best, times := -1, 0
	for i, s := range spots {
		if i == 0 || !s.uncertain(c, now) || !g.may(s, c, now) {
			continue
		}
		n := g.times(s, c, now)
		if best < 0 || cmp.Or(cmp.Compare(n, times), cmp.Compare(s.need, spots[best].need)) < 0 {
			best, times = i, n
		}
	}
	if best < 0 || g.orders-g.turn < interval(times) {
		return
	}
	if s := spots[best]; s.s == HalfOpen {
		s.r.try(now)
	}
	g.give(spots[best], c, now)
	front(spots, best)
}

// interval is how many orders lie between turns for one that was asked so often.
func interval(times int) int {
	switch {
	case times == 0:
		return exploreNew
	case times < few:
		return exploreLittle
	}
	return exploreLater
}

// uncertain says that an upstream is worth a turn: it was not measured enough in this class, its figures are old, or it is
// not what it used to be.
func (s *spot) uncertain(c Class, now time.Time) bool {
	switch {
	case s.tier > useless, s.r.silent(now):
		return false
	case s.tier != candidate:
		return true
	}
	f := &s.r.Classes[c]
	return f.Waits < few || stale(f.Last, s.r.Doubt, now) || f.sunk() || s.soon(c)
}

// soon says that an upstream is worth another turn after a few orders: its last transfer failed, so that the next ones eject
// or acquit it, or was much better than what it is known for.
func (s *spot) soon(c Class) bool {
	return s.r.Failures > 0 || s.r.Classes[c].promises()
}

// times is how often an upstream was asked for objects of the class, as far as that counts today.
func (g *group) times(s spot, c Class, now time.Time) int {
	n := 0
	if t := g.turns[s.base]; t != nil {
		n = t.vain
	}
	switch {
	case s.r == nil:
		return n
	case s.s == HalfOpen:
		return 0 // it may be the best one; each time it disappoints it rests longer
	}
	f := &s.r.Classes[c]
	if s.soon(c) {
		return min(max(n, 1), few-1)
	}
	if !stale(f.Last, s.r.Doubt, now) {
		n = max(n, f.Waits, f.Asks)
	}
	return n
}

// may says that an upstream has not used up its turns. Right transfers give them back, and one that used to be better has
// one in half a minute whatever came of the others, or it would not be missed when it is well again.
func (g *group) may(s spot, c Class, now time.Time) bool {
	t := g.turns[s.base]
	if s.s == HalfOpen {
		return s.r.triable(now)
	}
	if t == nil {
		return true
	}
	if s.r != nil && s.r.Classes[c].Right > t.right {
		t.vain, t.next = 0, 0
	}
	return g.orders >= t.next || s.tier == candidate && s.r.Classes[c].sunk() && now.Sub(t.last) >= timeOut
}

// give counts a turn. After few in vain, each further one comes half as often.
func (g *group) give(s spot, c Class, now time.Time) {
	g.turn, g.turned = g.orders, s.base
	if g.turns == nil {
		g.turns = make(map[string]*goes)
	}
	t := g.turns[s.base]
	if t == nil {
		t = &goes{}
		g.turns[s.base] = t
	}
	t.vain, t.last = t.vain+1, now
	if t.vain > few {
		t.next = g.orders + exploreLater<<min(t.vain-few, maxShift)
	}
	if s.r != nil {
		t.right = s.r.Classes[c].Right
	}
}

// explored says that no upstream waits for its first few turns any more.
func (g *group) explored(spots []spot, c Class, now time.Time) bool {
	return !slices.ContainsFunc(spots, func(s spot) bool {
		return s.uncertain(c, now) && s.s != HalfOpen && g.times(s, c, now) < few
	})
}
