package exchange

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// settingsAge is how long the machine's settings are believed. They change when it joins another network; reading
	// them is cheap.
	settingsAge = 5 * time.Second
	// maxServers bounds how many are asked. resolv.conf(5) stops at 3.
	maxServers = 8
	// maxSettings bounds what is read of resolv.conf, in bytes.
	maxSettings = 64 << 10
)

// Machine asks the name servers this machine is set up with, and sees when they change. 127.0.0.53 is systemd-resolved
// and a server like others; where it sends our own names back to us, Path names what it asks itself:
// /run/systemd/resolve/resolv.conf. The zero value works. Fields are set before first use.
type Machine struct {
	Path string                    // a file like resolv.conf; empty: the machine's own settings
	Self func(netip.AddrPort) bool // which servers are we, and so not asked; nil: none
	Now  func() time.Time          // nil: time.Now

	mu      sync.Mutex
	servers []netip.AddrPort
	read    time.Time
	crew    crew
}

// System returns the servers of this machine without those that self says are we (nil: none are). The error tells that
// there are none now. The Machine is good even then: it looks again with each question.
func System(self func(netip.AddrPort) bool) (*Machine, error) {
	m := &Machine{Self: self}
	_, err := m.Servers()
	return m, err
}

// Exchange implements [Exchanger].
func (m *Machine) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	servers, err := m.Servers()
	if err != nil {
		return nil, err
	}
	return m.crew.follow(servers, nil).Exchange(ctx, q)
}

// Forget drops all connections and all that was measured, and looks at the settings before the next question.
func (m *Machine) Forget() {
	m.crew.forget()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.read = time.Time{}
}

// Close ends what was started.
func (m *Machine) Close() error { return m.crew.close() }

// Probe looks which servers send our questions back to us; see [Group.Probe].
func (m *Machine) Probe(ctx context.Context) {
	if servers, err := m.Servers(); err == nil {
		m.crew.follow(servers, nil).Probe(ctx)
	}
}

// Seen is told of probes; see [Group.Seen].
func (m *Machine) Seen(name string) bool { return m.crew.seen(name) }

// Servers lists whom Exchange asks, in order. If the settings cannot be read any more, the last ones stay.
func (m *Machine) Servers() ([]netip.AddrPort, error) {
	now := time.Now
	if m.Now != nil {
		now = m.Now
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.servers) > 0 && now().Sub(m.read).Abs() < settingsAge {
		return m.servers, nil
	}
	servers, err := m.look()
	if err == nil {
		m.servers = servers
	}
	m.read = now()
	if len(m.servers) > 0 {
		return m.servers, nil
	}
	return nil, err
}

func (m *Machine) look() ([]netip.AddrPort, error) {
	found, err := settings(m.Path)
	if err != nil {
		return nil, fmt.Errorf("this machine's name servers cannot be read (%w); name some in the setting dns", err)
	}
	all := len(found)
	if m.Self != nil {
		found = slices.DeleteFunc(found, m.Self)
	}
	if len(found) > 0 {
		return found[:min(len(found), maxServers)], nil
	}
	if all > 0 {
		return nil, errors.New("this machine's only name server is Hither itself; name another in the setting dns")
	}
	return nil, errors.New("this machine has no name servers; connect it to a network or name some in the setting dns")
}
