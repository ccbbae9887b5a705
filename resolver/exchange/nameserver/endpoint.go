package nameserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// maxBootstrap bounds how many addresses of an upstream are tried.
	maxBootstrap = 8
	// headStart is what one way to an upstream has before the next one is tried too (RFC 8305, 5).
	headStart = 250 * time.Millisecond
)

// endpoint is where an encrypted upstream is reached, and how it proves that it is the one.
type endpoint struct {
	host   string // a name, or an address; the certificate must be for it
	port   uint16
	addrs  []netip.Addr // empty: looked up
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	doubt  func(host string, since time.Time) bool // nil: what was looked up counts as long as it says
	self   func(netip.AddrPort) bool               // nil: none are we
	roots  *x509.CertPool                          // nil: the system's

	mu   sync.Mutex
	best netip.Addr // led to a connection last
}

// secure is the TLS configuration for one connection. Sessions are not resumed: a ticket would show the server that the
// one who asks here is the one who asked elsewhere.
func (e *endpoint) secure(alpn ...string) *tls.Config {
	return &tls.Config{ServerName: e.host, RootCAs: e.roots, MinVersion: tls.VersionTLS12, NextProtos: alpn}
}

// candidates are the addresses to try, the one that worked last first.
func (e *endpoint) candidates(ctx context.Context, port uint16) ([]netip.AddrPort, error) {
	addrs := e.addrs
	if len(addrs) == 0 {
		found, err := e.lookup(ctx, e.host)
		if err != nil {
			return nil, fmt.Errorf("find its address (%w); write its addresses behind the URL: #192.0.2.1,2001:db8::1", err)
		}
		addrs = found
	}
	e.mu.Lock()
	best := e.best
	e.mu.Unlock()
	var out []netip.AddrPort
	for _, addr := range addrs {
		at := netip.AddrPortFrom(addr.Unmap(), port)
		switch {
		case e.self != nil && e.self(at):
		case addr == best:
			out = slices.Insert(out, 0, at)
		default:
			out = append(out, at)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("its only address is our own; write its real addresses behind the URL: #192.0.2.1")
	}
	return out[:min(len(out), maxBootstrap)], nil
}

func (e *endpoint) prefer(at netip.AddrPort) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.best = at.Addr()
}

func (e *endpoint) forget() { e.prefer(netip.AddrPort{}) }

// failed has the host looked up anew by who comes next: it has moved, or a sign-in page has said to be it. Of a question that nobody
// waits for any more it learns nothing.
func (e *endpoint) failed(ctx context.Context) {
	if e != nil && e.doubt != nil && len(e.addrs) == 0 && !errors.Is(ctx.Err(), context.Canceled) {
		e.doubt(e.host, time.Now())
	}
}

// dialTCP connects to the first address that answers.
func (e *endpoint) dialTCP(ctx context.Context) (net.Conn, error) {
	return reach(ctx, e, e.port, func(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", at.String())
	}, func(conn net.Conn) { conn.Close() })
}

// dialTLS connects to the first address that answers and proves who it is.
func (e *endpoint) dialTLS(ctx context.Context) (net.Conn, error) {
	return reach(ctx, e, e.port, func(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
		return (&tls.Dialer{Config: e.secure()}).DialContext(ctx, "tcp", at.String())
	}, func(conn net.Conn) { conn.Close() })
}

type reached[T any] struct {
	at   netip.AddrPort
	conn T
	err  error
}

// reach tries the addresses of e one after the other, the next one already when one is late (RFC 8305). The first
// connection wins; others are dropped.
func reach[T any](ctx context.Context, e *endpoint, port uint16, dial func(context.Context, netip.AddrPort) (T, error), drop func(T)) (won T, err error) {
	candidates, err := e.candidates(ctx, port)
	if err != nil {
		return won, err
	}
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan reached[T], len(candidates))
	waiting := 0
	defer func() {
		cancel()
		for ; waiting > 0; waiting-- {
			if r := <-results; r.err == nil {
				drop(r.conn)
			}
		}
	}()
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	next := func() {
		if len(candidates) == 0 {
			return
		}
		at := candidates[0]
		candidates = candidates[1:]
		waiting++
		timer.Reset(headStart)
		go func() {
			conn, err := dial(ctx, at)
			results <- reached[T]{at, conn, err}
		}()
	}
	var errs []error
	for next(); waiting > 0; {
		select {
		case r := <-results:
			waiting--
			if r.err == nil {
				e.prefer(r.at)
				return r.conn, nil
			}
			errs = append(errs, fmt.Errorf("%s: %w", r.at, late(ctx, r.err)))
			next()
		case <-timer.C:
			next()
		}
	}
	return won, errors.Join(errs...)
}
