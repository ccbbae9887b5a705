package resolver

import (
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
	m := new(dns.Msg)
	if m.Unpack(known.wire) != nil {
		return nil
	}
	age := uint32((now.UnixNano() - known.stored) / int64(time.Second))
	for _, record := range m.Ns {
		h := record.Header()
		h.Ttl -= min(age, h.Ttl)
	}
	e, err := newEntry(q, m, "memory", now, false)
	if err != nil {
		return nil
	}
	return e
}
