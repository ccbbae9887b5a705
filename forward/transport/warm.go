package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"

	"hither/forward/dial"
	"hither/forward/footing"
	"hither/forward/mark"
)

// warmPatience is for a whole connection, beyond which Warm waits no longer.
const warmPatience = dial.Patience + handshakePatience

// errWarm ends a request that was made for its connection.
var errWarm = errors.New("only the connection was wanted")

// Warm connects to the host of base ahead of the requests: the one connection of requests in no lane, and those of lanes 1
// to n, or if n is below 0, of the last -n lanes. Where a connection is, idle or busy, nothing is done. It returns when all stand, or ctx ends; the error joins those
// of all. Connections that nobody uses are closed after 90 s. Behind an upstream proxy that is given plain requests nothing
// is done for http. Requests that are marked [mark.Public] have connections of their own: mark ctx for those.
func (p *Pool) Warm(ctx context.Context, base string, n int) error {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%.200q is no address to connect to; write https://HOST", base)
	}
	ctx, cancel := context.WithTimeout(ctx, warmPatience)
	defer cancel()
	failures := make([]error, 1+min(max(n, -n), maxLanes))
	var all sync.WaitGroup
	for i := range failures {
		lane := i
		if i > 0 && n < 0 {
			lane = maxLanes + 1 - i
		}
		all.Go(func() { failures[i] = p.warm(ctx, u, lane) })
	}
	all.Wait()
	return errors.Join(failures...)
}

// warm makes net/http connect by a request that ends as soon as that began. The dial goes on without the request, and its
// connection waits for the next one. If another request made a connection since we looked, and it is idle, this one may
// be sent after all: a HEAD.
func (p *Pool) warm(ctx context.Context, u *url.URL, lane int) error {
	req := &http.Request{Method: http.MethodHead, URL: u, Host: u.Host, Header: http.Header{}}
	if p.proxy != nil && u.Scheme == "http" {
		if proxy, err := p.proxy(req.WithContext(ctx)); proxy != nil || err != nil {
			return err
		}
	}
	to, public := p.chosen, mark.IsPublic(ctx)
	if public {
		to = p.strangers
	}
	if c := p.contestOf(public); c != nil {
		c.warm(originOf(u), lane)
	}
	if to.census(lane).has(addrOf(u)) {
		return nil
	}
	short, cancel := context.WithCancelCause(mark.Lane(ctx, lane))
	defer cancel(errWarm)
	d := &warmDial{begun: func() { cancel(errWarm) }, secure: u.Scheme == "https", done: make(chan error, 1)}
	req = named(req.WithContext(d.mark(short)), p.agent)
	resp, err := to.take(lane).RoundTrip(req)
	if err == nil {
		return resp.Body.Close()
	}
	if !errors.Is(context.Cause(short), errWarm) {
		return explain(req, err) // no connection was begun
	}
	select {
	case err := <-d.done:
		if errors.Is(err, errSpared) {
			return nil
		}
		return explain(req, err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// addrOf is where a URL leads, as HOST:PORT.
func addrOf(u *url.URL) string { return net.JoinHostPort(u.Hostname(), dial.Port(u)) }

// warm connects over HTTP/3 too, if requests would go that way; nobody waits for it.
func (c *contest) warm(name string, lane int) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.origins[name]
	if o == nil || !o.usable(now) {
		return
	}
	if o.revive(); o.chosen[whole] && lane == 0 || o.chosen[parts] && lane > 0 {
		c.dialLocked(lineKey{name, laneNumber(lane)}, o)
	}
}

type warmKey struct{}

// warmDial is the dial of a request that was made for its connection.
type warmDial struct {
	begun  func()
	secure bool
	done   chan error // of the connection or, if it is secure, its handshake; never blocks
}

func (d *warmDial) mark(ctx context.Context) context.Context {
	ctx = context.WithValue(ctx, warmKey{}, d)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{TLSHandshakeDone: func(_ tls.ConnectionState, err error) { d.end(err) }})
}

func (d *warmDial) end(err error) {
	select {
	case d.done <- err:
	default:
	}
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// census counts the connections of one http.Transport, which does not tell.
type census struct {
	gate  gate
	under *footing.Watch

	mu   sync.Mutex
	open map[string]int // by HOST:PORT
}

// has says whether there is a connection to addr.
func (c *census) has(addr string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[addr] > 0
}

func (c *census) add(addr string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[string]int{}
	}
	if c.open[addr] += n; c.open[addr] <= 0 {
		delete(c.open, addr)
	}
}

// dialer is dial with its connections counted.
func (c *census) dialer(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c.add(addr, 1) // one that is on its way is as good
		d, _ := ctx.Value(warmKey{}).(*warmDial)
		if d != nil {
			d.begun()
		}
		first, err := c.gate.enter(ctx, addr)
		var conn net.Conn
		if err == nil {
			w, _ := ctx.Value(wishKey{}).(*wish)
			conn, err = dial(w.tighten(ctx, addr), network, addr)
		}
		if d != nil && (err != nil || !d.secure) {
			d.end(err)
		}
		if err != nil {
			first.end(true)
			c.add(addr, -1)
			return nil, err
		}
		return &inCensus{Conn: c.under.Hold(conn), gone: sync.OnceFunc(func() { first.end(true); c.add(addr, -1) })}, nil
	}
}

// inCensus is a connection in a census.
type inCensus struct {
	net.Conn
	gone func()
}

func (c *inCensus) Close() error {
	c.gone()
	return c.Conn.Close()
}
