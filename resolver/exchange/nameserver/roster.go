package nameserver

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/group"
	"hither/resolver/link"
)

// Roster asks whichever servers List names at the time, as a [group.Group] does: those that the machine had before it was
// changed, kept in a journal, are one. Fields are set before first use; then it may be used from many goroutines.
type Roster struct {
	List func() []netip.AddrPort   // called with each question; quick
	Self func(netip.AddrPort) bool // which servers are we, and so not asked; nil: none
	Log  *slog.Logger              // nil: nobody is told

	crew crew
}

// Exchange implements [exchange.Exchanger].
func (r *Roster) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	servers := link.Usable(r.List(), r.Self)
	if len(servers) == 0 {
		return nil, errors.New("no former name servers are known; name one in the setting dns-upstream")
	}
	return r.crew.follow(servers, r.Log).Exchange(ctx, q)
}

// Forget drops what was measured.
func (r *Roster) Forget() { r.crew.forget() }

// Close ends what was started.
func (r *Roster) Close() error { return r.crew.close() }

// Probe looks which servers send our questions back to us; see [group.Group.Probe].
func (r *Roster) Probe(ctx context.Context) {
	if servers := link.Usable(r.List(), r.Self); len(servers) > 0 {
		r.crew.follow(servers, r.Log).Probe(ctx)
	}
}

// Seen is told of probes; see [group.Group.Seen].
func (r *Roster) Seen(name string) bool { return r.crew.seen(name) }

// crew is a Group whose servers change now and then. Those that stay keep their connections. The zero value works.
type crew struct {
	hire func(netip.AddrPort) exchange.Exchanger // nil: NewPlain

	mu      sync.Mutex
	group   *group.Group // nil: nobody was asked yet
	servers []netip.AddrPort
	members map[netip.AddrPort]exchange.Exchanger
	closed  bool // the group stays as it is
	running sync.WaitGroup
}

// follow returns the group that asks these servers.
func (c *crew) follow(servers []netip.AddrPort, log *slog.Logger) *group.Group {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return cmp.Or(c.group, new(group.Group))
	}
	if c.group != nil && slices.Equal(c.servers, servers) {
		return c.group
	}
	left, old := c.members, c.group
	c.members, c.servers, c.group = map[netip.AddrPort]exchange.Exchanger{}, slices.Clone(servers), &group.Group{Log: log}
	for _, s := range servers {
		e, known := left[s]
		if !known {
			e = c.make(s)
		}
		delete(left, s)
		c.members[s] = e
		c.group.Upstreams = append(c.group.Upstreams, e)
	}
	c.running.Go(func() {
		for _, e := range left {
			exchange.Close(e) // it is not asked any more
		}
		if old != nil {
			old.Retire()
		}
	})
	return c.group
}

func (c *crew) make(s netip.AddrPort) exchange.Exchanger {
	if c.hire != nil {
		return c.hire(s)
	}
	return NewPlain(s)
}

func (c *crew) present() *group.Group {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.group
}

func (c *crew) forget() {
	if g := c.present(); g != nil {
		g.Forget()
	}
}

func (c *crew) seen(name string) bool {
	g := c.present()
	return g != nil && g.Seen(name)
}

func (c *crew) close() error {
	c.mu.Lock()
	c.closed = true
	g := c.group
	c.mu.Unlock()
	defer c.running.Wait()
	if g == nil {
		return nil
	}
	return g.Close()
}
