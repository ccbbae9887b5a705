package nameserver

import (
	"context"
	"fmt"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/letter"
)

// stream asks one server over one connection that is kept, many questions at once: TCP alone, DNS over TLS (RFC 7858), or
// DNS over QUIC (RFC 9250).
type stream struct {
	url  string // for people
	as   letter.Envelope
	end  *endpoint // nil: a plain address
	line *warm
	// trusted says that nobody between us and the server can change a reply: it is asked over TLS, or is on this machine.
	trusted bool
}

// Exchange implements [exchange.Exchanger].
func (s *stream) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := exchange.Within(ctx, exchange.Patience)
	defer cancel()
	l, err := letter.Write(q, s.as)
	if err != nil {
		return nil, err
	}
	reply, err := s.line.ask(ctx, l)
	if err != nil {
		s.end.failed(ctx)
		return nil, fmt.Errorf("name server %s: %w", s.url, err)
	}
	return letter.Readdress(reply, q, s.trusted), nil
}

// String is the URL.
func (s *stream) String() string { return s.url }

// Forget drops the connection and which address was the best.
func (s *stream) Forget() {
	s.line.forget()
	if s.end != nil {
		s.end.forget()
	}
}

// Close ends what is being asked.
func (s *stream) Close() error { return s.line.Close() }

// overTLS is a stream of DNS over TLS.
func overTLS(url string, e *endpoint) *stream {
	return &stream{url: url, as: letter.Sealed, end: e, trusted: true, line: &warm{open: func(ctx context.Context) (carrier, error) {
		conn, err := e.dialTLS(ctx)
		if err != nil {
			return nil, err
		}
		return newPipe(conn), nil
	}}}
}
