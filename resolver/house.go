package resolver

import (
	"cmp"
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"strings"
	"time"

	"hither/resolver/hosts"

	"github.com/miekg/dns"
)

const (
	hostsEach = time.Second
	saveEach  = 5 * time.Minute
)

// Change is what happened that makes answers in memory doubtful.
type Change int

// What may have happened.
const (
	NetworkChanged  Change = iota // another network, a VPN up or down, a wake from sleep: what failed, what was missing, what private servers said and what a NAT64 made up
	EverythingWrong               // the user says so: all of it
)

// Forget drops what c makes doubtful. What is on its way from the upstreams just now reaches those who wait, but is not
// kept.
func (s *Server) Forget(c Change) {
	s.init()
	s.flights.mu.Lock()
	s.flights.epoch++
	s.flights.by = nil
	s.flights.mu.Unlock()
	s.failures.clear()
	s.memory.drop(func(e *entry) bool { return c == EverythingWrong || !e.everywhere() })
}

// everywhere says whether e, as far as can be known, holds on any network.
func (e *entry) everywhere() bool { return !e.private && e.positive() && !e.translated() }

// translated says whether e has an address that leads to a NAT64 of this network (RFC 6052, 2.1; RFC 8215), made up by its name
// server, or tells of one (RFC 7050): on another network they lead nowhere.
//
// BUG: prefixes of a network's own are not known.
func (e *entry) translated() bool {
	known, local := netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48")
	for _, at := range e.ttls { // each stands between the type and the length of what follows
		if record := e.wire[at-4:]; binary.BigEndian.Uint16(record) == dns.TypeAAAA && len(record) >= 26 {
			if addr := netip.AddrFrom16([16]byte(record[10:26])); known.Contains(addr) || local.Contains(addr) {
				return true
			}
		}
	}
	return strings.HasPrefix(e.key, "\x08ipv4only\x04arpa\x00")
}

// positive says whether e has what was asked for, or at least an alias of the name.
func (e *entry) positive() bool {
	return e.rcode() == dns.RcodeSuccess && (e.wire[6] != 0 || e.wire[7] != 0)
}

// keepHouse does what comes round: it saves, and looks after the hosts file.
func (s *Server) keepHouse(ctx context.Context) error {
	ticks := time.NewTicker(hostsEach)
	defer ticks.Stop()
	saved, asked := s.now(), uint64(0)
	var hosts fileState
	looks := 0 // still to be taken: the reader of the file may know the former version for a moment
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
		if now := s.hostsState(); now != hosts {
			hosts, looks = now, 2
		}
		if looks > 0 {
			looks--
			_ = s.guard(func() error { s.dropHosts(); return nil })
		}
		if n := s.counts.upstream.Load(); s.now().Sub(saved).Abs() >= saveEach && n != asked {
			saved, asked = s.now(), n
			_ = s.guard(func() error { s.save(); return nil })
		}
	}
}

// fileState tells versions of a file apart.
type fileState struct {
	mod  time.Time
	size int64
}

func (s *Server) hostsState() (f fileState) {
	if s.Hosts == nil {
		return f
	}
	if info, err := os.Stat(cmp.Or(s.Hosts.Path, hosts.Path)); err == nil {
		f = fileState{info.ModTime(), info.Size()}
	}
	return f
}

// dropHosts forgets the upstreams' answers for names that the hosts file now has: memory is looked into before the file.
func (s *Server) dropHosts() {
	s.Hosts.Lookup("") // reads the file if it must, which may take long, while nobody waits for a place in memory
	s.memory.drop(func(e *entry) bool {
		name, _, err := dns.UnpackDomainName(e.wire, headerLen)
		return err != nil || len(s.Hosts.Lookup(strings.TrimSuffix(name, "."))) > 0
	})
}
