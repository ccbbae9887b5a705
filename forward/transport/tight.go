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

	"hither/forward/dial"
	"hither/forward/mark"
)

// tightFor is for how long a host is connected to with short packets, before it is tried anew without. What they cost is little.
const tightFor = time.Hour

// tightHosts are those that did not answer our first message of TLS in time. Perhaps long packets get lost on the way, and
// nobody says so: a tunnel, and a router that drops ICMP. With its keys of two kinds our message is longer than a packet, as those of many
// clients are not, and a server's certificates are, too. Such a host is connected to with short packets from then on, also where that
// was no better once: perhaps nobody was there. They are those of one network: each has its own. The zero value knows none.
type tightHosts struct {
	mu    sync.Mutex
	until map[string]time.Time // by HOST:PORT
}

// has says whether a host is connected to with short packets.
func (t *tightHosts) has(addr string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Now().Before(t.until[addr])
}

// late notes that a handshake with a host came to no end.
func (t *tightHosts) late(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Before(t.until[addr]) {
		return
	}
	for old := range t.until {
		if len(t.until) < maxOrigins {
			break
		}
		delete(t.until, old)
	}
	if t.until == nil {
		t.until = map[string]time.Time{}
	}
	t.until[addr] = now.Add(tightFor)
}

// again is carry, which asks once more where TLS was not answered and short packets may help, unless something may have been sent.
func (t *tightHosts) again(carry func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		if !dial.Shortens || req.URL.Scheme != "https" || req.Body != nil && req.Body != http.NoBody {
			return carry(req)
		}
		known := t.has(addrOf(req.URL))
		var got, late atomic.Bool // that of another request may serve it
		resp, err := carry(req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			GetConn:          func(string) { got.Store(false) }, // once more, where one was lost
			GotConn:          func(httptrace.GotConnInfo) { got.Store(true) },
			TLSHandshakeDone: func(_ tls.ConnectionState, err error) { late.Store(isLate(err)) },
		})))
		if err == nil || known || got.Load() || !late.Load() || req.Context().Err() != nil {
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
	return mark.Tight(ctx)
}
