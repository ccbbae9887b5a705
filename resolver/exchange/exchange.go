// Package exchange asks other name servers: plainly over UDP and TCP ([Plain]), a second one when the first is late
// ([Fallback]), those this machine is set up with ([Machine]). [Resolver] turns their answers into addresses for our own
// connections, past the system's resolver, which may be us.
//
//	servers, err := exchange.System(isOurs)
//	resolver := &exchange.Resolver{Exchange: servers, Hosts: &exchange.Hosts{}}
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
