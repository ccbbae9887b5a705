package lookup

import (
	"errors"
	"net/netip"
	"slices"
	"time"
)

const (
	// minFresh protects the servers from names with TTL 0; a connection outlives it anyway.
	minFresh = 5 * time.Second
	// maxFresh is the most a TTL is believed, so that a move is seen without a restart.
	maxFresh = 5 * time.Minute
	// maxMissing is how long "there is no such host" is believed. It may be a name that is just being made.
	maxMissing = 5 * time.Second
	// maxStale is how long addresses may be used while nobody answers (RFC 8767 allows days).
	maxStale = time.Hour
	// retry is when silent servers are asked again about a name that still has old addresses.
	retry = 5 * time.Second
	// maxNames bounds the memory: about 1 MiB.
	maxNames = 4096
)

// answer is what is known of a name. The zero answer is nothing.
type answer struct {
	addrs []netip.Addr
	err   error // if there are no addrs
	asked time.Time
	fresh time.Time // not asked again before
	stale time.Time // forgotten then
}

// memory keeps answers. The zero value is empty; the holder locks.
type memory struct {
	names map[string]answer
}

// recall returns what is known of name and not too old to use.
func (m *memory) recall(name string, now time.Time) answer {
	if a := m.names[name]; now.Before(a.stale) {
		return a
	}
	return answer{}
}

// keep remembers what was found and returns what to answer.
func (m *memory) keep(name string, f found, now time.Time) answer {
	a := m.weigh(name, f, now)
	if !a.fresh.IsZero() {
		m.makeRoom(name, now)
		m.names[name] = a
	}
	return a
}

// weigh returns what to answer when this was found, which is the old addresses if the servers could not be asked.
func (m *memory) weigh(name string, f found, now time.Time) answer {
	a := answer{addrs: f.addrs, err: f.err, asked: now}
	switch {
	case f.err == nil:
		a.fresh = now.Add(min(max(f.ttl, minFresh), maxFresh))
		a.stale = a.fresh.Add(maxStale)
	case errors.Is(f.err, ErrNotFound):
		a.fresh = now.Add(maxMissing)
		a.stale = a.fresh
	default:
		old := m.recall(name, now)
		if len(old.addrs) == 0 {
			return a
		}
		a = old
		a.asked, a.fresh = now, now.Add(retry)
	}
	return a
}

// doubt has what is known be old.
func (m *memory) doubt() {
	for name, a := range m.names {
		a.fresh = time.Time{}
		m.names[name] = a
	}
}

// mistrust has what was known of name at a time be old, and of those that lead to one of its addresses: whoever answers there may have told
// so. false: nothing is known, or it was asked for just before that time.
func (m *memory) mistrust(name string, since, now time.Time) bool {
	wrong, ok := m.names[name]
	switch {
	case !ok || len(wrong.addrs) == 0:
		return false
	case wrong.asked.After(since):
		return true // somebody else has doubted it, too
	case now.Sub(wrong.asked) < minFresh:
		return false
	}
	for other, a := range m.names {
		if slices.ContainsFunc(a.addrs, func(addr netip.Addr) bool { return slices.Contains(wrong.addrs, addr) }) {
			a.fresh = time.Time{}
			m.names[other] = a
		}
	}
	return true
}

// makeRoom drops what is too old if the memory is full, or anything if nothing is.
func (m *memory) makeRoom(name string, now time.Time) {
	if m.names == nil {
		m.names = map[string]answer{}
	}
	if _, known := m.names[name]; known || len(m.names) < maxNames {
		return
	}
	for old, a := range m.names {
		if !now.Before(a.stale) {
			delete(m.names, old)
		}
	}
	for old := range m.names {
		if len(m.names) < maxNames {
			return
		}
		delete(m.names, old)
	}
}
