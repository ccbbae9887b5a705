// Package exchange is what all have in common who ask other name servers, and who have them asked: an [Exchanger] asks one
// question. In its context go how often it may be sent ([WithAllowance], [MaySend]) and that a client has asked again
// ([WithResend], [Resends]). One server is asked by package nameserver, several by group; lookup makes addresses of the replies.
//
//	ctx, cancel := exchange.Within(exchange.WithAllowance(ctx), exchange.Patience)
//	defer cancel()
//	reply, err := upstream.Exchange(ctx, q)
package exchange

import (
	"context"
	"io"

	"github.com/miekg/dns"
)

// Exchanger asks one question and brings the reply, whatever its rcode. It does not change q; the reply has q's id and is
// the caller's own. It obeys ctx and may be called from many goroutines. An error means that no reply came.
type Exchanger interface {
	Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error)
}

// Close closes what can be closed; it is nil for what cannot.
func Close(e Exchanger) error {
	if c, ok := e.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
