package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/wiretest"
)

func TestASilentAddressCostsOneHeadStartOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, wait: map[string]time.Duration{"2001:db8::1": time.Hour, "192.0.2.1": 20 * time.Millisecond}}
		d := &Dialer{Resolver: wiretest.Names{"reg.example": "192.0.2.1 2001:db8::1"}, Connect: l.connect}
		want(t, l.dial(d), "2001:db8::1 192.0.2.1 270ms")
		for range 2 {
			want(t, l.dial(d), "192.0.2.1 20ms")
		}
		d.Forget()
		want(t, l.dial(d), "2001:db8::1 192.0.2.1 270ms")
	})
}

func TestHTTP3IsOfferedTheSameOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, wait: map[string]time.Duration{"2001:db8::1": time.Hour}}
		d := &Dialer{Resolver: wiretest.Names{"reg.example": "192.0.2.1 192.0.2.2 2001:db8::1"}, Connect: l.connect}
		l.wait["192.0.2.1"] = 20 * time.Millisecond
		l.dial(d)
		got, err := d.Datagrams(t.Context(), "reg.example:443")
		if err != nil {
			t.Fatal(err)
		}
		want(t, told(got), "192.0.2.1 2001:db8::1 192.0.2.2")
	})
}

func told(addrs []netip.AddrPort) string {
	var all []string
	for _, a := range addrs {
		all = append(all, a.Addr().String())
	}
	return strings.Join(all, " ")
}

// lines are the addresses of one host, in a synctest bubble: each connects after a while, or is refused.
type lines struct {
	t     *testing.T
	wait  map[string]time.Duration // negative: refused after that long
	mu    sync.Mutex
	tried []string
}

func (l *lines) connect(ctx context.Context, _, addr string) (net.Conn, error) {
	at := netip.MustParseAddrPort(addr).Addr().String()
	l.mu.Lock()
	l.tried = append(l.tried, at)
	wait := l.wait[at]
	l.mu.Unlock()
	ended := make(chan struct{})
	defer time.AfterFunc(wait.Abs(), func() { close(ended) }).Stop()
	select {
	case <-ended:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if wait < 0 {
		return nil, errors.New("refused")
	}
	near, far := net.Pipe()
	far.Close()
	return near, nil
}

// dial returns who was tried, in order, and how long it took.
func (l *lines) dial(d *Dialer) string {
	l.t.Helper()
	l.tried = nil
	began := time.Now()
	conn, err := d.DialContext(l.t.Context(), "tcp", "reg.example:443")
	if err != nil {
		return err.Error()
	}
	conn.Close()
	return fmt.Sprint(strings.Join(l.tried, " "), " ", time.Since(began))
}
