package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"hither/forward/mark"
	"hither/forward/redirect"
)

// ProtocolError says that a request could not be sent in the protocol that was wanted. It says nothing against the server,
// which may answer well in another. Err is what came instead; nil: nothing more is known.
type ProtocolError struct {
	Host  string
	Proto string // "h1", "h2" or "h3"
	Err   error
}

// Error implements error.
func (e *ProtocolError) Error() string {
	text := fmt.Sprintf("%s does not speak %s with us", e.Host, e.Proto)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap is for errors.Is and errors.As.
func (e *ProtocolError) Unwrap() error { return e.Err }

// Unspoken tells this error from a failure, for those who do not know its type.
func (e *ProtocolError) Unspoken() bool { return true }

// errSingleClosed is for a request that comes after the end.
var errSingleClosed = errors.New("these connections were closed already")

// Single makes a RoundTripper for measuring: each request goes over a connection of its own, with a whole handshake and no
// resumed session, and the connection is closed with the answer's body. proto is "h1", "h2" or "h3", and then nothing else
// is spoken; empty: h2 where it is offered, else h1, as a Pool does. Redirects are followed as [redirect.Follow] does, each hop on
// another connection. An upstream that does not speak proto is a [*ProtocolError]; so is h3 behind an upstream proxy, which
// carries no UDP. Names, permitted addresses, roots and our name are those of a Pool.
//
// The caller calls the function at the end: it ends the requests that are still under way. Both may be used from many
// goroutines.
func (c Config) Single(proto string) (http.RoundTripper, func(), error) {
	c = c.withDefaults()
	s := &single{agent: c.UserAgent, open: map[*flight]struct{}{}}
	switch proto {
	case "", "h1", "h2":
		s.carry = func(req *http.Request, _ *flight) (*http.Response, error) { return c.overTCP(req, proto) }
	case "h3":
		s.carry = c.overQUIC
	default:
		return nil, nil, fmt.Errorf("%q is no protocol to measure; write h1, h2 or h3", proto)
	}
	return &redirect.Follow{Next: s}, s.close, nil
}

// Single is [Config.Single] with what the pool has seen: where long packets get lost on the way, its connections carry short ones, too.
func (p *Pool) Single(proto string) (http.RoundTripper, func(), error) {
	c := p.config
	c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if p.chosen.take(0).tight.has(addr) {
			ctx = mark.Tight(ctx)
		}
		return p.config.Dial(ctx, network, addr)
	}
	return c.Single(proto)
}

// single sends each request over a connection of its own.
type single struct {
	agent string
	carry func(*http.Request, *flight) (*http.Response, error)

	mu     sync.Mutex
	open   map[*flight]struct{}
	closed bool
}

// flight is one request under way and what must be closed behind it.
type flight struct {
	cancel context.CancelCauseFunc

	mu   sync.Mutex
	conn io.Closer // nil: none yet, or http.Transport minds it
}

// hold hands a connection over to be closed at the end.
func (f *flight) hold(conn io.Closer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conn = conn
}

// end may be called twice; both return when all is closed.
func (f *flight) end() {
	f.cancel(nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn != nil {
		f.conn.Close()
		f.conn = nil
	}
}

// RoundTrip implements http.RoundTripper.
func (s *single) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	f := &flight{cancel: cancel}
	if !s.begin(f) {
		cancel(nil)
		return nil, errSingleClosed
	}
	resp, err := s.carry(named(req.WithContext(ctx), s.agent), f)
	if err != nil {
		s.end(f)
		return nil, explain(req, err)
	}
	resp.Body = &lastBody{ReadCloser: resp.Body, end: func() { s.end(f) }}
	return resp, nil
}

func (s *single) begin(f *flight) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.open[f] = struct{}{}
	}
	return !s.closed
}

func (s *single) end(f *flight) {
	f.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, f)
}

func (s *single) close() {
	s.mu.Lock()
	s.closed = true
	under := make([]*flight, 0, len(s.open))
	for f := range s.open {
		under = append(under, f)
	}
	s.mu.Unlock()
	for _, f := range under {
		s.end(f)
	}
}

// lastBody is a body whose end is that of its connection.
type lastBody struct {
	io.ReadCloser
	end func()
}

func (b *lastBody) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}

// overTCP sends a request over HTTP/1.1 or HTTP/2. http.Transport has no way to say "a new connection" but to be new.
func (c Config) overTCP(req *http.Request, proto string) (*http.Response, error) {
	if proto == "h2" && req.URL.Scheme != "https" {
		return nil, &ProtocolError{Host: req.URL.Host, Proto: proto, Err: errors.New("HTTP/2 is spoken over TLS only")}
	}
	t := newTransport(c, nil)
	t.DisableKeepAlives = true
	if proto != "" {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP1(proto == "h1")
		t.Protocols.SetHTTP2(proto == "h2")
		t.TLSClientConfig.VerifyConnection = func(s tls.ConnectionState) error { return agreed(req.URL.Host, proto, s) }
	}
	resp, err := t.RoundTrip(req)
	if err != nil && proto != "" && strings.HasSuffix(err.Error(), "no application protocol") { // TLS alert 120 has no type in Go
		return nil, &ProtocolError{Host: req.URL.Host, Proto: proto, Err: err}
	}
	return resp, err
}

// agreed ends a handshake that led to another protocol. A server that agreed to none speaks HTTP/1.1.
func agreed(host, proto string, s tls.ConnectionState) error {
	if got := s.NegotiatedProtocol; (got == "h2") != (proto == "h2") {
		return &ProtocolError{Host: host, Proto: proto}
	}
	return nil
}
