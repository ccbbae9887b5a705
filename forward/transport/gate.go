package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"
)

const (
	// headStart is what a first connection to a host has before another one begins, in case it came to nothing: TCP and TLS
	// over 400 ms take 800.
	headStart = time.Second
	// gatePatience bounds the wait of a request for connections that others make.
	gatePatience = 3 * time.Second
)

// errSpared ends a dial that nobody waits for any more.
var errSpared = errors.New("another connection carries the request")

// gate lets one dial at a time through to a host that may speak HTTP/2. net/http dials for every request that finds no
// connection, up to perHost at once, before the first handshake tells that one connection carries them all: that is CPU,
// and on a slow line the handshakes delay each other. A host that is known to speak HTTP/1.1 only is dialled freely.
type gate struct {
	plain *plainHosts

	mu      sync.Mutex
	leading map[string]*lead // by HOST:PORT
}

// lead is the dial that others wait for. nil: nobody does.
type lead struct {
	gate  *gate
	addr  string
	since time.Time
	over  chan struct{} // closed at its end
	free  bool          // set before: the others need connections of their own
}

// enter waits until a dial to addr may begin; errSpared says that it is not needed. The caller ends the lead, if it gets one.
func (g *gate) enter(ctx context.Context, addr string) (*lead, error) {
	w, _ := ctx.Value(wishKey{}).(*wish)
	if w == nil {
		return nil, nil
	}
	served := w.dials(addr)
	warm := ctx.Value(warmKey{}) != nil // its request ends as soon as the dial begins
	enough := time.NewTimer(gatePatience)
	defer enough.Stop()
	for !g.plain.has(addr) {
		first, ours := g.first(addr)
		if ours {
			w.leads(first)
			return first, nil
		}
		if warm {
			served = first.over // which is the connection that was wanted
		}
		if free, err := first.follow(ctx, served, enough.C); free || err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// first is the dial that others wait for: a new one, which is ours, if there is none or it had its time.
func (g *gate) first(addr string) (l *lead, ours bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l = g.leading[addr]; l != nil && time.Since(l.since) < headStart {
		return l, false
	}
	if g.leading == nil {
		g.leading = map[string]*lead{}
	}
	l = &lead{gate: g, addr: addr, since: time.Now(), over: make(chan struct{})}
	g.leading[addr] = l
	return l, true
}

// follow waits for another's dial. It says whether the own one may begin without looking again.
func (l *lead) follow(ctx context.Context, served <-chan struct{}, enough <-chan time.Time) (free bool, err error) {
	late := time.NewTimer(time.Until(l.since.Add(headStart)))
	defer late.Stop()
	over := l.over
	for {
		select {
		case <-over:
			if l.free {
				return true, nil
			}
			over = nil // it speaks HTTP/2, and net/http is about to say so to the request
		case <-served:
			return false, errSpared
		case <-late.C:
			return false, nil
		case <-enough:
			return true, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// end says how a dial ended: free lets all the others go their own ways. A second time says nothing.
func (l *lead) end(free bool) {
	if l == nil {
		return
	}
	l.gate.mu.Lock()
	defer l.gate.mu.Unlock()
	select {
	case <-l.over:
		return
	default:
	}
	l.free = free
	close(l.over)
	if l.gate.leading[l.addr] == l {
		delete(l.gate.leading, l.addr)
	}
}

type wishKey struct{}

// wish is a request that may need a connection. net/http dials on its behalf, goes on when it has another, and dials again
// when that was none for it.
type wish struct {
	plain *plainHosts
	tight *tightHosts

	mu     sync.Mutex
	served chan struct{} // closed when the request has a connection, or has ended
	addr   string        // of the last dial
	first  *lead         // of the same; nil: nobody waits for it
}

// mark makes a request's context tell w what becomes of its connection.
func (w *wish) mark(ctx context.Context) context.Context {
	ctx = context.WithValue(ctx, wishKey{}, w)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:          func(string) { w.again() },
		GotConn:          func(httptrace.GotConnInfo) { w.end() },
		TLSHandshakeDone: w.shaken,
	})
}

// again says that the request wants a connection, and end that it wants none any more.
func (w *wish) again() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endLocked()
	w.served = make(chan struct{})
}

func (w *wish) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endLocked()
}

func (w *wish) endLocked() {
	if w.served != nil {
		close(w.served)
		w.served = nil
	}
}

// dials says that a dial for the request wants to begin. What it returns is closed when that is not needed any more.
func (w *wish) dials(addr string) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addr = addr
	if w.served == nil {
		ended := make(chan struct{})
		close(ended)
		return ended
	}
	return w.served
}

func (w *wish) leads(l *lead) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.first = l
}

// shaken learns what a host speaks.
func (w *wish) shaken(state tls.ConnectionState, err error) {
	w.mu.Lock()
	addr, first := w.addr, w.first
	w.mu.Unlock()
	if isLate(err) {
		w.tight.late(addr)
	}
	if plain := err == nil && state.NegotiatedProtocol != "h2"; err == nil {
		w.plain.learn(addr, plain)
		first.end(plain)
		return
	}
	first.end(true)
}

// gated is a transport whose requests make as few connections as they need. A plain http host needs one for each.
type gated struct {
	*http.Transport
	plain *plainHosts
	tight *tightHosts
	open  *census
}

// RoundTrip implements http.RoundTripper.
func (t *gated) RoundTrip(req *http.Request) (*http.Response, error) { return onceMore(req, t.once) }

func (t *gated) once(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return t.Transport.RoundTrip(req)
	}
	w := &wish{plain: t.plain, tight: t.tight}
	defer w.end()
	return t.Transport.RoundTrip(req.WithContext(w.mark(req.Context())))
}

// plainHosts are those that spoke HTTP/1.1 when they could have spoken HTTP/2, by HOST:PORT.
type plainHosts struct {
	changed func()

	mu    sync.Mutex
	hosts map[string]struct{}
}

func (p *plainHosts) has(addr string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.hosts[addr]
	return ok
}

func (p *plainHosts) learn(addr string, plain bool) {
	p.mu.Lock()
	_, was := p.hosts[addr]
	switch {
	case plain && !was:
		for old := range p.hosts {
			if len(p.hosts) < maxOrigins {
				break
			}
			delete(p.hosts, old)
		}
		p.hosts[addr] = struct{}{}
	case !plain:
		delete(p.hosts, addr)
	}
	p.mu.Unlock()
	if was != plain {
		p.changed()
	}
}

func (p *plainHosts) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.hosts))
}
