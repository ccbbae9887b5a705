package resolver

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// maxTraced is how many questions are remembered: some 200 KB.
const maxTraced = 1000

// Traced is one question as it was answered. As JSON it is what `hither dns trace --json` prints.
type Traced struct {
	When   time.Time      `json:"when"`
	Client netip.AddrPort `json:"client"`
	Net    string         `json:"net"`  // udp or tcp
	Name   string         `json:"name"` // as it was asked, in presentation form
	Type   string         `json:"type"`
	How    string         `json:"how"` // ours, memory, stale, hosts, special, upstream, signed (a host of ours as it truly is), failed, refused, busy …
	Rcode  string         `json:"rcode"`
	Took   time.Duration  `json:"took"` // in nanoseconds
}

// trace is a ring. The zero value is off.
type trace struct {
	on   atomic.Bool
	mu   sync.Mutex
	ring []Traced
	next int
}

// SetTrace begins to remember the last 1000 questions, or ends it and forgets them. They tell what the user does: leave it
// off unless somebody is looking.
func (s *Server) SetTrace(on bool) {
	s.trace.mu.Lock()
	defer s.trace.mu.Unlock()
	s.trace.on.Store(on)
	if !on {
		s.trace.ring, s.trace.next = nil, 0
	}
}

// Trace returns the remembered questions about name, or about all names if it is empty, the oldest first.
func (s *Server) Trace(name string) []Traced {
	s.trace.mu.Lock()
	defer s.trace.mu.Unlock()
	var found []Traced
	for _, t := range slices.Concat(s.trace.ring[s.trace.next:], s.trace.ring[:s.trace.next]) {
		if name == "" || strings.EqualFold(t.Name, dns.Fqdn(name)) {
			found = append(found, t)
		}
	}
	return found
}

func (t *trace) add(entry Traced) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.on.Load():
	case len(t.ring) < maxTraced:
		t.ring = append(t.ring, entry)
	default:
		t.ring[t.next] = entry
		t.next = (t.next + 1) % maxTraced
	}
}
