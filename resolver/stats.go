package resolver

import "sync/atomic"

// Stats counts since the start. As JSON it is what `hither dns --json` prints.
type Stats struct {
	Questions uint64 `json:"questions"` // that came, of any kind
	Ours      uint64 `json:"ours"`      // answered with our address, or that the name has none of that kind
	Hits      uint64 `json:"hits"`      // answered from memory, fresh
	Stale     uint64 `json:"stale"`     // answered from memory, too old
	Special   uint64 `json:"special"`   // answered by rule: special-use names, the hosts file
	Upstream  uint64 `json:"upstream"`  // exchanges begun with the upstreams
	Resent    uint64 `json:"resent"`    // repetitions by clients that were passed on to an exchange under way
	Merged    uint64 `json:"merged"`    // questions that waited for an exchange of another
	Refreshed uint64 `json:"refreshed"` // exchanges begun because a name is asked often
	Failed    uint64 `json:"failed"`    // answered SERVFAIL
	Refused   uint64 `json:"refused"`   // answered FORMERR, NOTIMP, REFUSED or BADVERS
	Dropped   uint64 `json:"dropped"`   // not answered: no question, or from somebody we do not serve
	Busy      uint64 `json:"busy"`      // answered SERVFAIL or REFUSED because too many questions were waiting, in all or of one client
	Withheld  uint64 `json:"withheld"`  // answers that Rebinding stopped
	Panics    uint64 `json:"panics"`    // faults of ours
	Entries   int    `json:"entries"`   // answers in memory
	Bytes     int64  `json:"bytes"`     // they take
}

// counts are Stats as they are counted.
type counts struct {
	questions, ours, hits, stale, special, upstream, resent, merged, refreshed,
	failed, refused, dropped, busy, withheld, panics atomic.Uint64
}

// Stats may be called at any time.
func (s *Server) Stats() Stats {
	s.init()
	c := &s.counts
	entries, bytes := s.memory.size()
	return Stats{
		Questions: c.questions.Load(), Ours: c.ours.Load(), Hits: c.hits.Load(), Stale: c.stale.Load(),
		Special: c.special.Load(), Upstream: c.upstream.Load(), Resent: c.resent.Load(), Merged: c.merged.Load(),
		Refreshed: c.refreshed.Load(), Failed: c.failed.Load(), Refused: c.refused.Load(), Dropped: c.dropped.Load(),
		Busy: c.busy.Load(), Withheld: c.withheld.Load(), Panics: c.panics.Load(), Entries: entries, Bytes: bytes,
	}
}
