package measure

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// typical is the size that predictions are made for. Order is not told the object's own, and rates of smaller
	// objects are mostly waiting.
	typical = 1 << 20
	// beaten is the part of the incumbent's time a challenger may need. Without it equals would change places all the
	// time, and each change costs a cold connection (Tailscale's netcheck.go keeps the same 2/3).
	beaten = 2.0 / 3
	// margin is how much a challenger must save at least. On a near network a third of nothing is noise.
	margin = 10 * time.Millisecond
	// explore is after how many orders an unmeasured upstream is asked first. Without it a faster mirror is never found.
	explore = 20

	maxBases  = 512  // upstreams remembered; the longest unused goes first
	maxGroups = 1024 // lists remembered, each with its incumbent
)

// Board ranks upstreams. The zero value works; Now is set before first use. Its methods may be called from many goroutines.
type Board struct {
	Now func() time.Time // nil: time.Now

	mu     sync.Mutex
	bases  map[string]*record
	groups map[string]*group
}

// group is one list of upstreams that somebody asks Order about. Two registries have two, so that the traffic of one does
// not decide when the other explores.
type group struct {
	incumbent string // stood first the last time; empty: nobody was measured yet
	orders    int    // how often Order was asked
	used      time.Time
}

// Add takes one transfer into account.
func (b *Board) Add(s Sample) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Wait, s.Took = clamp(s.Wait), clamp(s.Took)
	began, ended := span(s, b.now())
	s.When = began
	r := b.bases[s.Base]
	if r == nil {
		r = &record{}
		b.rememberLocked(s.Base, r)
	}
	r.add(s, ended)
}

// clamp keeps a measured time within what is believed.
func clamp(d time.Duration) time.Duration { return min(max(d, 0), longest) }

// span tells when a transfer began and ended, neither later than now.
func span(s Sample, now time.Time) (began, ended time.Time) {
	if s.When.IsZero() {
		return now.Add(-s.Took), now
	}
	return earlier(s.When, now), earlier(s.When.Add(s.Took), now)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Resting says that an upstream failed lately and should be asked behind the others, where the order is otherwise fixed: an
// origin that cannot be reached must not delay every request by its silence. When its time is over, one caller in trial
// hears false, and tries it.
func (b *Board) Resting(base string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, now := b.bases[base], b.now()
	switch r.state(now) {
	case Ejected, Quarantined:
		return true
	case HalfOpen:
		if now.Before(r.tried.Add(trial)) {
			return true
		}
		r.tried = now
	}
	return false
}

// Order returns the bases sorted by whom to ask first: the measured ones by the time they would need, behind them the
// unmeasured as given, behind them those that failed lately, last those that sent wrong bytes. So the given order, origins
// first, holds while nothing is known and when everything is down. Every 20th call puts one unmeasured base first.
// The argument is not changed.
func (b *Board) Order(bases []string, _ Object) []string {
	if len(bases) < 2 {
		return slices.Clone(bases)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	g := b.groupLocked(strings.Join(bases, "\n"), now)

	var good, untried, ejected, quarantined []string
	for _, base := range bases {
		switch b.bases[base].state(now) {
		case Good:
			good = append(good, base)
		case Ejected:
			ejected = append(ejected, base)
		case Quarantined:
			quarantined = append(quarantined, base)
		default:
			untried = append(untried, base)
		}
	}
	b.sortLocked(good, g)
	return slices.Concat(g.explore(good, untried), ejected, quarantined)
}

// sortLocked sorts by predicted time and leaves the incumbent first unless it is clearly beaten.
func (b *Board) sortLocked(good []string, g *group) {
	if len(good) == 0 {
		return
	}
	need := b.predictLocked(good)
	slices.SortStableFunc(good, func(x, y string) int { return cmp.Compare(need[x], need[y]) })
	i := slices.Index(good, g.incumbent)
	if i > 0 && !clearlyBeats(need[good[0]], need[g.incumbent]) {
		good = slices.Insert(slices.Delete(good, i, i+1), 0, g.incumbent)
	}
	g.incumbent = good[0]
}

// clearlyBeats compares the times that a challenger and the incumbent would need.
func clearlyBeats(challenger, incumbent time.Duration) bool {
	return float64(challenger) < beaten*float64(incumbent) && incumbent-challenger > margin
}

// predictLocked tells how long each base would need for a typical object. A base that sent only small ones yet is taken to
// be as fast as the others are on average: an unknown rate should neither help nor hurt.
func (b *Board) predictLocked(bases []string) map[string]time.Duration {
	sum, n := 0.0, 0
	for _, base := range bases {
		if rate := b.bases[base].rate; rate > 0 {
			sum, n = sum+rate, n+1
		}
	}
	need := make(map[string]time.Duration, len(bases))
	for _, base := range bases {
		r := b.bases[base]
		rate := r.rate
		if rate == 0 && n > 0 {
			rate = sum / float64(n)
		}
		need[base] = r.wait
		if rate > 0 {
			need[base] += min(time.Duration(typical/rate*float64(time.Second)), time.Hour)
		}
	}
	return need
}

// explore joins both lists, every 20th time with an unmeasured base in front, each in its turn.
func (g *group) explore(good, untried []string) []string {
	g.orders++
	if len(good) == 0 || len(untried) == 0 || g.orders%explore != 0 {
		return slices.Concat(good, untried)
	}
	i := g.orders / explore % len(untried)
	return slices.Concat(untried[i:i+1], good, untried[:i], untried[i+1:])
}

func (b *Board) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
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

// rememberLocked makes room for one more base. A quarantined one is the last to be forgotten, for that would pardon it.
func (b *Board) rememberLocked(base string, r *record) {
	if len(b.bases) >= maxBases {
		delete(b.bases, oldest(b.bases, func(r *record) time.Time {
			return latest(r.last, r.quarantined)
		}))
	}
	if b.bases == nil {
		b.bases = make(map[string]*record)
	}
	b.bases[base] = r
}

// oldest is the key whose time lies furthest back.
func oldest[V any](m map[string]V, when func(V) time.Time) string {
	first, key := time.Time{}, ""
	for k, v := range m {
		if t := when(v); key == "" || t.Before(first) || t.Equal(first) && k < key {
			first, key = t, k
		}
	}
	return key
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
