package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"hither/forward/mark"
)

// tightFor is for how long a host is connected to with short packets, or not, before it is tried anew. What it costs is little.
const tightFor = time.Hour

// tightHosts are those that did not answer our first message of TLS in time, by HOST:PORT. Perhaps long packets get lost on the way, and
// nobody says so: a tunnel, and a router that drops ICMP. With its keys of two kinds our message is longer than a packet, as those of many
// clients are not, and a server's certificates are, too. Such a host is connected to with short packets from then on. The zero value knows none.
type tightHosts struct {
	mu    sync.Mutex
	hosts map[string]tightHost
}

type tightHost struct {
	vain  bool // short packets were no better
	until time.Time
}

// has says whether a host is connected to with short packets.
func (t *tightHosts) has(addr string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.hosts[addr]
	return !h.vain && time.Now().Before(h.until)
}

// late notes that a handshake with a host came to no end; short: with short packets.
func (t *tightHosts) late(addr string, short bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if h := t.hosts[addr]; !short && now.Before(h.until) {
		return // others know more by now
	}
	for old := range t.hosts {
		if len(t.hosts) < maxOrigins {
			break
		}
		delete(t.hosts, old)
	}
	if t.hosts == nil {
		t.hosts = map[string]tightHost{}
	}
	t.hosts[addr] = tightHost{short, now.Add(tightFor)}
}

// forget is for another network.
func (t *tightHosts) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.hosts)
}

// again is carry, which asks once more where TLS was not answered and short packets may help: nothing was sent yet.
func (t *tightHosts) again(carry func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		if req.URL.Scheme != "https" || req.Body != nil && req.Body != http.NoBody {
			return carry(req)
		}
		var late atomic.Bool
		resp, err := carry(req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			GotConn:          func(httptrace.GotConnInfo) { late.Store(false) },
			TLSHandshakeDone: func(_ tls.ConnectionState, err error) { late.Store(isLate(err)) },
		})))
		if err == nil || !late.Load() || req.Context().Err() != nil || !t.has(addrOf(req.URL)) {
			return resp, err
		}
		return carry(req)
	}
}

// isLate says that a handshake ended because nobody answered.
func isLate(err error) bool {
	var late net.Error
	return errors.As(err, &late) && late.Timeout()
}

// tighten marks a dial to a host that is connected to with short packets.
func (w *wish) tighten(ctx context.Context, addr string) context.Context {
	if w == nil || !w.tight.has(addr) {
		return ctx
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.short = true
	return mark.Tight(ctx)
}
