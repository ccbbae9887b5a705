package race

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// rememberFor is how long a figure counts: routes change within minutes, and who travels takes the machine along.
	rememberFor = 10 * time.Minute
	// maxAddresses bounds the memory, at about 200 bytes each.
	maxAddresses = 1024
	// A challenger must need less than this part of the incumbent's time, and save leastGain. It is the patience that mirrors
	// are ranked with (measure.Board): without it equals would change places all the time.
	beaten    = 2.0 / 3
	leastGain = 10 * time.Millisecond
	// enoughFigures are those that a challenger must have: one alone may be luck.
	enoughFigures = 2
	// exploreEarly and exploreLate are every how many dials another address is tried beside the first: as long as one has too
	// few figures, and afterwards. It costs one packet more and no time.
	exploreEarly, exploreLate = 4, 32
	// failedFor is how long an address stands behind all others after it failed; each failure in a row doubles that, up to
	// rememberFor.
	failedFor = 30 * time.Second
	// silentFor is how long an attempt must have lasted for its deadline to be the address's own fault.
	silentFor = 2 * time.Second
	// minStagger and maxStagger bound the head start of an address over the next (RFC 8305, section 8). The kernel sends a
	// lost SYN again after 1 s: by then another address is tried.
	minStagger, maxStagger = 100 * time.Millisecond, time.Second
)

// Memory knows how long addresses took to answer. The zero value knows nothing. It may be used from many goroutines.
type Memory struct {
	mu    sync.Mutex
	known map[netip.AddrPort]*acquaintance
}

// acquaintance is what is known of one address.
type acquaintance struct {
	wait     time.Duration // for a connection, smoothed
	off      time.Duration // how far single waits are from that, smoothed
	figures  int           // that wait was made from; 0: it never answered
	seen     time.Time     // its last figure; at first, when it was met
	elected  time.Time     // since when it goes first, where it is among the candidates; zero: it never did
	led      int           // how often it went first
	failures int           // in a row
	failed   time.Time     // the last of them
}

// regard is how an address stands to others of the same host.
type regard int

const (
	familiar regard = iota // measured, and nothing against it
	unasked                // not measured lately
	failing
)

func (a *acquaintance) regard(now time.Time) regard {
	switch {
	case a == nil:
		return unasked
	case a.failures > 0 && now.Sub(a.failed) < min(failedFor<<min(a.failures-1, 10), rememberFor):
		return failing
	case a.figures == 0 || now.Sub(a.seen) > rememberFor:
		return unasked
	}
	return familiar
}

// few says whether it has fewer figures than are enough.
func (a *acquaintance) few() bool { return a == nil || a.figures < enoughFigures }

// stagger is its head start over the next.
func (a *acquaintance) stagger(now time.Time) time.Duration {
	if a.regard(now) != familiar {
		return stagger
	}
	return min(max(a.wait+4*a.off, minStagger), maxStagger)
}

// learn takes a figure (RFC 6298, section 2, with more weight on what is new: connections are rarer than packets).
func (a *acquaintance) learn(wait time.Duration, now time.Time) {
	if a.figures == 0 || now.Sub(a.seen) > rememberFor {
		a.wait, a.off, a.figures = wait, wait/2, 0
	} else {
		a.off += ((wait - a.wait).Abs() - a.off) / 4
		a.wait += (wait - a.wait) / 4
	}
	a.figures++
	a.seen = now
}

// Rank sorts addresses by whom to try first. Families take turns (RFC 8305, section 4), so that a broken one costs one head
// start and not many. While nothing is known, IPv6 begins and the given order holds. No address is dropped.
func (m *Memory) Rank(addrs []netip.AddrPort, now time.Time) []netip.AddrPort {
	m.mu.Lock()
	defer m.mu.Unlock()
	lead, ok := m.leadLocked(addrs, now)
	if !ok {
		return m.behindLocked(interleave(addrs), now)
	}
	rest := slices.DeleteFunc(slices.Clone(addrs), func(a netip.AddrPort) bool { return a == lead })
	slices.SortStableFunc(rest, func(a, b netip.AddrPort) int {
		x, y := m.known[a], m.known[b]
		s, t := x.regard(now), y.regard(now)
		if s != t || s != familiar {
			return cmp.Compare(s, t)
		}
		return cmp.Compare(x.wait, y.wait)
	})
	return m.behindLocked(alternate(append([]netip.AddrPort{lead}, rest...)), now)
}

// behindLocked puts those that fail behind all others.
func (m *Memory) behindLocked(addrs []netip.AddrPort, now time.Time) []netip.AddrPort {
	var good, bad []netip.AddrPort
	for _, addr := range addrs {
		if m.known[addr].regard(now) == failing {
			bad = append(bad, addr)
		} else {
			good = append(good, addr)
		}
	}
	return append(good, bad...)
}

// leadLocked finds who goes first: who went first before, unless somebody beats it clearly. False: none was measured.
func (m *Memory) leadLocked(addrs []netip.AddrPort, now time.Time) (lead netip.AddrPort, ok bool) {
	var first, best *acquaintance
	var fastest netip.AddrPort
	for _, addr := range addrs {
		a := m.known[addr]
		if a.regard(now) != familiar {
			continue
		}
		if first == nil || a.elected.After(first.elected) {
			first, lead = a, addr
		}
		if best == nil || a.wait < best.wait {
			best, fastest = a, addr
		}
	}
	if first == nil {
		return lead, false
	}
	beats := float64(best.wait) < beaten*float64(first.wait) && first.wait-best.wait >= leastGain && !best.few()
	if beats || first.elected.IsZero() {
		best.elected = now
		lead = fastest
	}
	return lead, true
}

// explore says, now and then, who shall be tried beside the first of ranked addresses: who was seen longest ago. It is
// asked once for each dial. False: nobody.
func (m *Memory) explore(ranked []netip.AddrPort, now time.Time) (netip.AddrPort, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	lead := m.known[ranked[0]]
	if len(ranked) < 2 || lead.regard(now) != familiar {
		return netip.AddrPort{}, false
	}
	lead.led++
	found, every := -1, exploreLate
	for i, addr := range ranked {
		a := m.known[addr]
		if i == 0 || a.regard(now) == failing {
			continue
		}
		if a.regard(now) == unasked || a.few() {
			every = exploreEarly
		}
		if found < 0 || m.olderLocked(addr, ranked[found]) {
			found = i
		}
	}
	if found < 0 || lead.led%every != 0 {
		return netip.AddrPort{}, false
	}
	return ranked[found], true
}

// olderLocked says whether a has figures from longer ago than b, or none.
func (m *Memory) olderLocked(a, b netip.AddrPort) bool {
	x, y := m.known[a], m.known[b]
	return y != nil && (x == nil || x.seen.Before(y.seen))
}

// HeadStart is that of an address over the next.
func (m *Memory) HeadStart(addr netip.AddrPort, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[addr].stagger(now)
}

// isLate says that an address, whose connections were measured lately, had its head start.
func (m *Memory) isLate(addr netip.AddrPort, waited time.Duration, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.known[addr]
	return a.regard(now) == familiar && waited >= a.stagger(now)
}

// answered tells how long a connection took.
func (m *Memory) answered(addr netip.AddrPort, wait time.Duration, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.meetLocked(addr, now)
	a.learn(wait, now)
	a.failures = 0
}

// outrun tells that an address had not answered for so long when another did. If it takes longer than that anyway, it only
// says that it is no faster.
func (m *Memory) outrun(addr netip.AddrPort, waited time.Duration, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.meetLocked(addr, now)
	if a.regard(now) == familiar {
		waited = max(waited, a.wait)
	}
	a.learn(waited, now)
}

// failed tells that an attempt failed after so long. Those that were under way together fail together: that is one failure.
func (m *Memory) failed(addr netip.AddrPort, after time.Duration, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.meetLocked(addr, now)
	if a.failures > 0 && now.Add(-after).Before(a.failed) {
		return
	}
	a.failures++
	a.failed = now
}

// elect has an address go first from now on: it went first and answered, or all that had a head start over it failed or
// were late.
func (m *Memory) elect(addr netip.AddrPort, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.meetLocked(addr, now).elected = now
}

// Forget is after a change of the network.
func (m *Memory) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.known)
}

// meetLocked makes room by forgetting who was heard of longest ago.
func (m *Memory) meetLocked(addr netip.AddrPort, now time.Time) *acquaintance {
	if a := m.known[addr]; a != nil {
		return a
	}
	if m.known == nil {
		m.known = make(map[netip.AddrPort]*acquaintance)
	}
	if len(m.known) >= maxAddresses {
		var oldest netip.AddrPort
		at := now
		for other, a := range m.known {
			if last := later(a.seen, a.failed); !last.After(at) {
				oldest, at = other, last
			}
		}
		delete(m.known, oldest)
	}
	a := &acquaintance{seen: now}
	m.known[addr] = a
	return a
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// alternate lets the families take turns, beginning with that of the first address.
func alternate(addrs []netip.AddrPort) []netip.AddrPort {
	var same, other []netip.AddrPort
	for _, a := range addrs {
		if a.Addr().Is4() == addrs[0].Addr().Is4() {
			same = append(same, a)
		} else {
			other = append(other, a)
		}
	}
	mixed := make([]netip.AddrPort, 0, len(addrs))
	for i := range addrs {
		if i < len(same) {
			mixed = append(mixed, same[i])
		}
		if i < len(other) {
			mixed = append(mixed, other[i])
		}
	}
	return mixed
}
