package wiretest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Lines are the addresses of one host, in a synctest bubble: each connects after a while, or is refused.
type Lines struct {
	Wait  map[string]time.Duration // negative: refused after that long
	Lost  int                      // SYNs, the next ones: the kernel sends them again after a second
	Tried []string                 // in order

	mu sync.Mutex
}

// Connect connects to an address, as net.Dialer does.
func (l *Lines) Connect(ctx context.Context, _, addr string) (net.Conn, error) {
	at := netip.MustParseAddrPort(addr).Addr().String()
	l.mu.Lock()
	l.Tried = append(l.Tried, at)
	wait := l.Wait[at]
	if l.Lost > 0 {
		l.Lost--
		wait += time.Second
	}
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

// Dialed returns who was tried by dial, in order, and how long it took; or its error.
func (l *Lines) Dialed(dial func() (net.Conn, error)) string {
	l.Tried = nil
	began := time.Now()
	conn, err := dial()
	if err != nil {
		return err.Error()
	}
	conn.Close()
	return fmt.Sprint(strings.Join(l.Tried, " "), " ", time.Since(began))
}
