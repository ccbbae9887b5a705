package nameserver

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/group"
	"hither/resolver/link"
)

const (
	// linksPatience is for reading the system's settings, which may have to ask another process.
	linksPatience = time.Second
	// settingsAge is how long they are believed. They change when the machine joins another network.
	settingsAge = 5 * time.Second
)

// Split asks the right one: names that a link of the system claims (a VPN's, the office's, the home router's) go to that
// link's own servers, reverse names of private addresses to a server nearby, and the rest to Else. The settings are read
// again every few seconds. The zero value asks this machine's own servers for everything.
//
// Fields are set before first use; then it may be used from many goroutines. Close ends what was started.
type Split struct {
	Else    exchange.Exchanger                         // for what no link claims; nil: the servers of the links that are Default
	Links   func(context.Context) ([]link.Link, error) // nil: [link.System]
	Self    func(netip.AddrPort) bool                  // which servers are we, and so not asked; nil: none
	RootCAs *x509.CertPool                             // for servers asked over TLS; nil: those the system trusts
	Log     *slog.Logger                               // nil: nobody is told
	// Home says that Else is none whom the user has chosen before the network: names that only a network has (internal,
	// home.arpa) go to its servers.
	Home bool

	mu      sync.Mutex
	links   []link.Link
	tls     map[netip.AddrPort]string // of all links
	read    time.Time
	reading chan struct{} // closed when the settings have been read; nil: nobody reads
	outdone bool          // what is being read is of the network before
	err     error         // why there are no links
	closed  bool          // nothing begins any more
	crews   map[string]*crew
	running sync.WaitGroup
}

// looper is an Exchanger made of others that finds loops itself.
type looper interface {
	Probe(ctx context.Context)
	Seen(name string) bool
}

// Exchange implements [exchange.Exchanger].
func (s *Split) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	if len(q.Question) != 1 {
		return nil, fmt.Errorf("a DNS message with %d questions cannot be passed on", len(q.Question))
	}
	name := q.Question[0].Name
	links, err := s.settings(ctx)
	if errors.Is(err, errClosed) {
		return nil, err
	}
	servers := s.claimed(links, name)
	switch {
	case len(servers) > 0:
		return s.ask(ctx, q, servers, links)
	case s.Else != nil && Private(name) && !cut(q.Question[0]):
		return nobody(q), nil
	case s.Else != nil:
		return s.Else.Exchange(ctx, q)
	}
	if servers = link.Defaults(links); len(servers) > 0 {
		return s.ask(ctx, q, servers, links)
	}
	if err != nil {
		return nil, fmt.Errorf("this machine's name servers cannot be read (%w); name some in the setting dns-upstream", err)
	}
	return nil, errors.New("this machine has no name servers but us; connect it to a network or name some in the setting dns-upstream")
}

// ask passes q on to servers, which are of links.
func (s *Split) ask(ctx context.Context, q *dns.Msg, servers []netip.AddrPort, links []link.Link) (*dns.Msg, error) {
	reply, err := s.group(servers).Exchange(ctx, q)
	if err != nil && links[0].Implied {
		err = fmt.Errorf("resolv.conf names no name server, and none on this machine answers; connect it to a network or name some in the setting dns-upstream: %w", err)
	}
	return reply, err
}

// Local says whether name is asked at a link's own servers, so that the answer holds only as long as the network stays.
// Private names for which it says no are not asked at all. It knows of no link before the first question or Probe.
func (s *Split) Local(name string) bool {
	s.mu.Lock()
	links := s.links
	s.mu.Unlock()
	return len(s.claimed(links, name)) > 0
}

// claimed lists the servers for name: those of the links with the longest suffix of it.
func (s *Split) claimed(links []link.Link, name string) []netip.AddrPort {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	longest := -1
	var servers []netip.AddrPort
	for _, l := range links {
		n := longestSuffix(l.Domains, name)
		if n > longest {
			longest, servers = n, nil
		}
		if n >= 0 && n == longest {
			servers = append(servers, l.Servers...)
		}
	}
	if longest < 0 && (Private(name) || s.Home && ofNetwork(name)) {
		servers = slices.DeleteFunc(link.Defaults(links), func(s netip.AddrPort) bool { return !near(s) })
	}
	return link.Usable(servers, nil)
}

// longestSuffix is the length of the longest domain that name is or ends with; -1: none.
func longestSuffix(domains []string, name string) int {
	longest := -1
	for _, d := range domains {
		rest, ok := strings.CutSuffix(name, d)
		if ok && (rest == "" || strings.HasSuffix(rest, ".")) {
			longest = max(longest, len(d))
		}
	}
	return longest
}

// settings returns the links as last read. Old ones are used while new ones are read; only the first reading is waited for.
func (s *Split) settings(ctx context.Context) ([]link.Link, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errClosed
	}
	if s.reading == nil && time.Since(s.read).Abs() >= settingsAge {
		s.reading = make(chan struct{})
		ctx := context.WithoutCancel(ctx)
		s.running.Go(func() { s.look(ctx) })
	}
	links, err, reading := s.links, s.err, s.reading
	s.mu.Unlock()
	if links != nil || reading == nil {
		return links, err
	}
	select {
	case <-reading:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.links, s.err
}

// look reads the settings, and again if the network changed meanwhile.
func (s *Split) look(ctx context.Context) {
	for known := false; !known; {
		known = s.lookOnce(ctx)
	}
}

// lookOnce is false if what was read is of the network before. If the settings cannot be read, or the machine is between two
// networks, the last ones stay.
func (s *Split) lookOnce(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, linksPatience)
	defer cancel()
	source := s.Links
	if source == nil {
		source = link.System
	}
	links, err := source(ctx)
	links = link.Tidy(links, s.Self)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outdone {
		s.outdone = false
		return false
	}
	if len(links) > 0 && (!links[0].Implied || s.lacksLocked()) {
		s.links = links
		s.trimLocked(secured(links))
	}
	s.err, s.read = err, time.Now()
	close(s.reading)
	s.reading = nil
	return true
}

// lacksLocked says that nobody is known to ask, so that a server which nobody wrote down is better than none. Where the user
// has chosen whom to ask, it would get names that those know.
func (s *Split) lacksLocked() bool { return s.links == nil && (s.Else == nil || s.Home) }

// group asks servers; each set of them has figures of its own.
func (s *Split) group(servers []netip.AddrPort) *group.Group {
	key := fmt.Sprint(servers)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.crews[key]
	if s.closed && c == nil {
		return new(group.Group)
	}
	if c == nil {
		if s.crews == nil {
			s.crews = map[string]*crew{}
		}
		c = &crew{hire: hire(s.tls, s.RootCAs)}
		s.crews[key] = c
	}
	return c.follow(servers, s.Log)
}

// secured is which servers are asked over TLS, by any link.
func secured(links []link.Link) map[netip.AddrPort]string {
	all := map[netip.AddrPort]string{}
	for _, l := range links {
		maps.Copy(all, l.TLS)
	}
	return all
}

// hire makes the Exchanger of a server.
func hire(names map[netip.AddrPort]string, roots *x509.CertPool) func(netip.AddrPort) exchange.Exchanger {
	return func(s netip.AddrPort) exchange.Exchanger {
		name, secure := names[s]
		if !secure {
			return NewPlain(s)
		}
		return overTLS("tls://"+s.String(), &endpoint{host: name, port: s.Port(), addrs: []netip.Addr{s.Addr()}, roots: roots})
	}
}

// trimLocked closes the groups when there are too many, or when others are asked over TLS: those in use are made again.
func (s *Split) trimLocked(names map[netip.AddrPort]string) {
	if len(s.crews) <= 2*link.Max && maps.Equal(s.tls, names) {
		return
	}
	s.tls = names
	for key, c := range s.crews {
		delete(s.crews, key)
		s.running.Go(func() { c.close() })
	}
}

func (s *Split) allCrews() []*crew {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.crews))
}

// Forget drops all connections and all that was measured, and has the settings read before the next question: the network
// is another one now, or the machine slept.
func (s *Split) Forget() {
	for _, c := range s.allCrews() {
		c.forget()
	}
	s.mu.Lock()
	s.links, s.read, s.outdone = nil, time.Time{}, s.reading != nil
	s.mu.Unlock()
	if f, ok := s.Else.(interface{ Forget() }); ok {
		f.Forget()
	}
}

// Probe looks which servers send our questions back to us; see [group.Group.Probe].
func (s *Split) Probe(ctx context.Context) {
	links, _ := s.settings(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	if servers := link.Defaults(links); s.Else == nil && len(servers) > 0 {
		running.Go(func() { s.group(servers).Probe(ctx) })
	}
	for _, l := range links {
		if len(l.Domains) > 0 {
			running.Go(func() { s.group(l.Servers).Probe(ctx) })
		}
	}
	if e, ok := s.Else.(looper); ok {
		running.Go(func() { e.Probe(ctx) })
	}
}

// Seen is told of probes; see [group.Group.Seen].
func (s *Split) Seen(name string) bool {
	for _, c := range s.allCrews() {
		if c.seen(name) {
			return true
		}
	}
	e, ok := s.Else.(looper)
	return ok && e.Seen(name)
}

// Close ends what was started, in Else too. Questions may still be asked, and fail.
func (s *Split) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.running.Wait()
	var errs []error
	for _, c := range s.allCrews() {
		errs = append(errs, c.close())
	}
	return errors.Join(append(errs, exchange.Close(s.Else))...)
}
