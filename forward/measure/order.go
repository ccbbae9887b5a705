package measure

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

const (
	// A challenger must need less than this part of the incumbent's time, twice in a row. Without it equals would change
	// places all the time, and each change costs a cold connection (Tailscale's netcheck.go keeps the same 2/3). Large
	// objects last longer than connections take, so less is enough.
	beaten      = 2.0 / 3
	beatenLarge = 3.0 / 4
	// margin is how much a challenger must save at least. On a near network a third of nothing is noise.
	margin = 10 * time.Millisecond
)

// tier is how far in front an upstream may stand; within the first one the predicted time decides.
type tier int

const (
	candidate tier = iota // measured, and nothing against it
	unknown               // not measured, or on trial
	useless               // has next to nothing of this class
	outdated              // is behind the origin, and the object may change
	ejected               // failed lately
	lacking               // does not have this object
	lying                 // sent wrong bytes
)

// spot is one upstream among those asked for.
type spot struct {
	base string
	r    *record // nil: nothing is known
	s    State
	tier tier
	need time.Duration // predicted for this object; 0: not known
	hole time.Time     // when it was last seen to lack the object; zero: not lately
}

// group is one list of upstreams that somebody asks Order about, for one class. Two registries have two, so that the
// traffic of one does not decide when the other explores.
type group struct {
	incumbent string           // is asked first; empty: nobody was measured yet
	losses    int              // how often in a row it was clearly beaten
	evidence  int              // transfers that the last comparison was made from
	settled   bool             // all were given their few turns; from now on it takes patience to change
	orders    int              // how often Order was asked
	turn      int              // which of them explored last
	turned    string           // who had that turn; empty: it had its encore
	turns     map[string]*goes // of those that explored
	used      time.Time
}

// Order returns the bases sorted by whom to ask first: the measured ones by the time they would need for the object, behind
// them the unmeasured as given, then those that lack nearly everything, those that are behind the origin if the object may
// change, those that failed lately, those that lack this object, last those that sent wrong bytes. So the given order,
// origins first, holds while nothing is known and when everything is down. Some calls put one first that is not known well
// enough: many while little is known, later every 20th. Who had to begin slowly then is first once more, as soon as its
// answer is known. The argument is not changed.
func (b *Board) Order(bases []string, o Object) []string {
	if len(bases) < 2 {
		return slices.Clone(bases)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	spots := b.spotsLocked(bases, o, now)
	g := b.groupLocked(groupKey(bases, o), now)
	g.elect(spots, o.class(), now)
	g.explore(spots, o, now)
	ordered := make([]string, len(spots))
	for i, s := range spots {
		ordered[i] = s.base
	}
	return ordered
}

// spotsLocked looks at each base and sorts.
func (b *Board) spotsLocked(bases []string, o Object, now time.Time) []spot {
	spots := make([]spot, len(bases))
	for i, base := range bases {
		s := &spots[i]
		s.base, s.r = base, b.knownLocked(base, now)
		s.s = s.r.state(now)
		if o.Name != "" {
			s.hole = b.holes.since(base, o.Name, now)
		}
		s.tier = s.rank(o, now)
	}
	predict(spots, o, now)
	slices.SortStableFunc(spots, func(x, y spot) int {
		if x.tier == y.tier && (x.tier == candidate || x.tier == outdated && x.need > 0 && y.need > 0) {
			return cmp.Compare(x.need, y.need)
		}
		return cmp.Compare(x.tier, y.tier)
	})
	return spots
}

// rank is the tier of an upstream for the object.
func (s *spot) rank(o Object, now time.Time) tier {
	switch {
	case s.s == Quarantined:
		return lying
	case !s.hole.IsZero():
		return lacking
	case s.s == Ejected:
		return ejected
	case o.Changes && s.r.behind(now):
		return outdated
	case s.r != nil && s.r.Classes[o.class()].useless(now):
		return useless
	case s.s != Good:
		return unknown
	}
	return candidate
}

// elect puts the incumbent first unless it is clearly beaten, twice in a row and by what was not known the first time. The
// first one is taken as it comes, and the best once all had their turns: patience is for what is known.
func (g *group) elect(spots []spot, c Class, now time.Time) {
	if spots[0].tier != candidate {
		return
	}
	i := slices.IndexFunc(spots, func(s spot) bool { return s.base == g.incumbent })
	settling := !g.settled && g.explored(spots, c, now)
	g.settled = g.settled || settling
	switch {
	case i >= 0 && spots[i].tier == lacking:
		return // it is so for this object only
	case i < 0, spots[i].tier != candidate, settling:
		g.incumbent, g.losses = spots[0].base, 0
		return
	case !clearlyBeats(spots[0].need, spots[i].need, c):
		g.losses = 0
	case g.heard(spots[0], spots[i]):
		g.losses++
	}
	if g.losses >= 2 {
		g.incumbent, g.losses = spots[0].base, 0
		return
	}
	front(spots, i)
}

// heard says that one of both was measured since it was last asked.
func (g *group) heard(challenger, incumbent spot) bool {
	n := 0
	for i := range challenger.r.Classes {
		x, y := &challenger.r.Classes[i], &incumbent.r.Classes[i]
		n += x.Asks + x.Waits + x.Probes + y.Asks + y.Waits + y.Probes
	}
	if n == g.evidence {
		return false
	}
	g.evidence = n
	return true
}

// front moves the spot at i to the front, the others stay in order.
func front(spots []spot, i int) {
	s := spots[i]
	copy(spots[1:], spots[:i])
	spots[0] = s
}

// clearlyBeats compares the times that a challenger and the incumbent would need.
func clearlyBeats(challenger, incumbent time.Duration, c Class) bool {
	part := beaten
	if c == Large {
		part = beatenLarge
	}
	return float64(challenger) < part*float64(incumbent) && incumbent-challenger > margin
}

// class is that of the object.
func (o Object) class() Class { return ClassOf(o.Size) }

// groupKey tells the lists apart that choose for themselves.
func groupKey(bases []string, o Object) string {
	key := o.class().String()
	if o.Changes {
		key += " that changes"
	}
	return key + "\n" + strings.Join(bases, "\n")
}

// groupLocked finds or makes the group of a list.
func (b *Board) groupLocked(key string, now time.Time) *group {
	g := b.groups[key]
	if g == nil {
		if len(b.groups) >= maxGroups {
			delete(b.groups, oldest(b.groups, func(g *group) time.Time { return g.used }))
		}
		if b.groups == nil {
			b.groups = make(map[string]*group)
		}
		g = &group{}
		b.groups[key] = g
	}
	g.used = now
	return g
}
