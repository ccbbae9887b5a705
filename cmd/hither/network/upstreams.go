package network

import (
	"bytes"
	"context"
	"crypto/x509"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"github.com/miekg/dns"

	"hither/cmd/hither/paths"
	"hither/cmd/hither/settings"
	"hither/install"
	"hither/resolver/exchange"
	"hither/resolver/exchange/group"
	"hither/resolver/exchange/lookup"
	"hither/resolver/exchange/nameserver"
	"hither/resolver/hosts"
	"hither/resolver/link"
)

// Upstreams are the name servers that Hither asks: for its own connections, and for what it is asked by others. Names of a
// VPN or of the network itself go to the servers of those, whoever is asked for the rest. If nobody answers, the servers of
// the machine are asked, and then those that it had before it was changed.
type Upstreams struct {
	Split    *nameserver.Split
	Resolver *lookup.Resolver

	servers *lookup.Resolver // finds the name servers of the setting, by those of the network
}

// newUpstreams reads the setting dns-upstream. self says which servers are Hither itself.
func newUpstreams(s settings.Settings, self Self, roots *x509.CertPool, log *slog.Logger) (*Upstreams, error) {
	network := &nameserver.Split{Self: self.address, RootCAs: roots, Log: log}
	former := &nameserver.Roster{List: (&formers{state: s.State}).now, Self: self.address, Log: log}
	all := &group.Group{Upstreams: []exchange.Exchanger{network}, Fallback: former, Log: log}
	if len(s.DNSUpstream) > 0 {
		all = &group.Group{Fallback: all, Strict: s.DNSStrict, Log: log}
	}
	u := &Upstreams{servers: &lookup.Resolver{Exchange: network}}
	options := nameserver.Options{Self: self.address, RootCAs: roots, Lookup: u.servers.LookupNetIP, Doubt: u.servers.Doubt}
	for _, text := range s.DNSUpstream {
		e, err := nameserver.Parse(text, options)
		if err != nil {
			return nil, s.Wrong("dns-upstream", err)
		}
		all.Upstreams = append(all.Upstreams, e)
	}
	u.Split = &nameserver.Split{Else: all, Home: len(s.DNSUpstream) == 0, Self: self.address, RootCAs: roots, Log: log}
	u.Resolver = &lookup.Resolver{Exchange: u, Hosts: &hosts.File{Skip: self.door}}
	return u, nil
}

// formers are the name servers that the machine had before `hither install --dns full`, as the journal has them.
type formers struct {
	state string

	mu      sync.Mutex
	servers []netip.AddrPort
	read    time.Time
}

// formersAge is how long the journal is believed: it is asked for with each question that nobody else answers.
const formersAge = 2 * time.Second

func (f *formers) now() []netip.AddrPort {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.read.IsZero() || time.Since(f.read) > formersAge {
		f.servers, f.read = formerServers(f.state), time.Now()
	}
	return f.servers
}

func formerServers(state string) (servers []netip.AddrPort) {
	records, _ := install.OpenJournal(filepath.Join(state, paths.JournalName)).Records() // what could be read is right
	for _, r := range records {
		if r.File == nil || filepath.Base(r.File.Path) != "resolv.conf" {
			continue
		}
		former, _ := link.ParseResolvConf(bytes.NewReader(r.File.Former.Bytes)) // what could be read is right
		servers = append(servers, former.Servers...)
	}
	return servers
}

// Exchange implements exchange.Exchanger.
func (u *Upstreams) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	return u.Split.Exchange(ctx, q)
}

// forget drops connections, figures and what names were found to be, because the machine has another network.
func (u *Upstreams) forget() {
	u.Split.Forget()
	u.servers.Forget()
	u.Resolver.Forget()
}

// Probe looks which of them sends our questions back to us. Only who answers DNS need ask.
func (u *Upstreams) Probe(ctx context.Context) { u.Split.Probe(ctx) }

// Seen is told of each probe that came back, by its name.
func (u *Upstreams) Seen(name string) { u.Split.Seen(name) }

func (u *Upstreams) close() { _ = u.Split.Close() } // nothing is lost with a connection
