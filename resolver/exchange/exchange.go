// Package exchange asks other name servers. [Parse] reads an upstream: plain ([Plain]), over TLS, HTTPS or QUIC. [Group]
// asks several by their measures, hedged, with a fallback; [Split] asks the servers of the system's links for the names
// that they claim; [Roster] asks servers of a list that changes. All of these have Close, and Forget for when the network
// changed; those made of others also have Probe and Seen, by which servers are found that lead back to us. [Resolver] turns answers into addresses for our own connections, past the system's resolver, which may be us.
//
//	upstream, err := exchange.Parse("tls://dns.example#192.0.2.1", exchange.Options{Self: isOurs})
//	network := &exchange.Split{Self: isOurs}
//	upstreams := &exchange.Group{Upstreams: []exchange.Exchanger{upstream}, Fallback: network}
//	resolver := &exchange.Resolver{Exchange: &exchange.Split{Else: upstreams, Self: isOurs}, Hosts: &hosts.File{}}
//	addrs, err := resolver.LookupNetIP(ctx, "registry.npmjs.org")
package exchange

import (
	"context"

	"github.com/miekg/dns"
)

// Exchanger asks one question and brings the reply, whatever its rcode. It does not change q; the reply has q's id and is
// the caller's own. It obeys ctx and may be called from many goroutines. An error means that no reply came.
type Exchanger interface {
	Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error)
}
