package resolver

import "sync/atomic"

// Stats counts since the start.
type Stats struct {
	Questions uint64 // that came, of any kind
	Ours      uint64 // answered with our address, or that the name has none of that kind
	Hits      uint64 // answered from memory, fresh
	Stale     uint64 // answered from memory, too old
	Special   uint64 // answered by rule: special-use names, the hosts file
	Upstream  uint64 // exchanges begun with the upstreams
	Resent    uint64 // repetitions by clients that were passed on to an exchange under way
	Merged    uint64 // questions that waited for an exchange of another
	Refreshed uint64 // exchanges begun because a name is asked often
	Failed    uint64 // answered SERVFAIL
	Refused   uint64 // answered FORMERR, NOTIMP, REFUSED or BADVERS
	Dropped   uint64 // not answered: no question, or from somebody we do not serve
	Busy      uint64 // answered SERVFAIL or REFUSED because too many questions were waiting, in all or of one client
	Withheld  uint64 // answers that Rebinding stopped
	Panics    uint64 // faults of ours
	Entries   int    // answers in memory
	Bytes     int64  // they take
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
