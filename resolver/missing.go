package resolver

import (
	"context"
	"time"

	"github.com/miekg/dns"
)

// missingKey is where it is kept that the name of q does not exist at all, whatever the type (RFC 2308, 5).
func missingKey(q *question) []byte {
	key := append([]byte(nil), q.key...)
	key[len(key)-3], key[len(key)-2] = 0, byte(dns.TypeNone)
	return key
}

// learnMissing keeps e for the other types of its name, if it says that there is no such name. At the end of an alias,
// that is said of another name. Names below are not taken for missing too (RFC 8020): too many servers say so of names
// that have nothing themselves, but names below.
func (s *Server) learnMissing(q *question, e *entry) {
	if e.rcode() != dns.RcodeNameError || e.wire[6] != 0 || e.wire[7] != 0 {
		return
	}
	s.memory.put(&entry{
		key: string(missingKey(q)), wire: e.wire, kind: "memory", private: e.private,
		stored: e.stored, expires: e.expires, stale: e.expires,
	})
}

// knownMissing answers q if its name was found not to exist by a question of another type; nil: it may exist.
func (s *Server) knownMissing(q *question, now time.Time) *entry {
	known := s.memory.get(missingKey(q))
	if known == nil || !known.fresh(now.UnixNano()) {
		return nil
	}
	m := known.message(now)
	if m == nil {
		return nil
	}
	e, err := newEntry(q, m, "memory", now, false)
	if err != nil {
		return nil
	}
	return e
}

// message is e, which says that there is nothing, as it is now; nil: it cannot be read.
func (e *entry) message(now time.Time) *dns.Msg {
	m := new(dns.Msg)
	if m.Unpack(e.wire) != nil {
		return nil
	}
	age := uint32((now.UnixNano() - e.stored) / int64(time.Second))
	for _, record := range m.Ns {
		h := record.Header()
		h.Ttl -= min(age, h.Ttl)
	}
	return m
}

// proven is m, which says by rule that there is no such name, in the root's words for who asks for signatures: who validates
// takes ours for forged. The root is asked whether there is such a top-level domain, which tells nobody the name, and proves
// that there is nothing below it either. Of onion nobody is asked anything (RFC 7686, 2).
func (s *Server) proven(ctx context.Context, q *question, m *dns.Msg, since time.Time) *dns.Msg {
	if !q.do || m.Rcode != dns.RcodeNameError {
		return m
	}
	zone := m.Ns[0].Header().Name
	if dns.CountLabel(zone) != 1 || zone == "onion." {
		return m
	}
	key := append(append([]byte{byte(len(zone) - 1)}, zone[:len(zone)-1]...), 0, 0, byte(dns.TypeDS), q.wants())
	top, err := questionOf(key)
	if err != nil {
		return m
	}
	found := s.resolve(ctx, zone, top, since)
	if !found.entry.isSigned() || found.entry.rcode() != dns.RcodeNameError {
		return m
	}
	if proof := found.entry.message(s.now()); proof != nil {
		return proof
	}
	return m
}
