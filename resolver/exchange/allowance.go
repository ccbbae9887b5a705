package exchange

import (
	"context"
	"net/netip"
	"sync"
)

// maxSent is how often one question may be sent to one server over one transport (RFC 9520, 3.1), by whomever: the
// server's own repetitions, a Group's, and those that a client causes.
const maxSent = 3

type allowanceKey struct{}

// allowance counts what one question has cost each server. It may be used from many goroutines.
type allowance struct {
	mu   sync.Mutex
	sent []hop // one for each sending; there are few
}

type hop struct {
	server  netip.AddrPort
	network string
}

// WithAllowance returns a context in which one question is counted; ctx itself if it already is one.
func WithAllowance(ctx context.Context) context.Context {
	if ctx.Value(allowanceKey{}) != nil {
		return ctx
	}
	return context.WithValue(ctx, allowanceKey{}, new(allowance))
}

// MaySend counts one more sending of the question of ctx to server by network (udp, tcp), or says that there were enough. Without
// [WithAllowance] there never are. It may be called from many goroutines.
func MaySend(ctx context.Context, network string, server netip.AddrPort) bool {
	a, _ := ctx.Value(allowanceKey{}).(*allowance)
	if a == nil {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	at := hop{server, network}
	if a.countLocked(at) >= maxSent {
		return false
	}
	a.sent = append(a.sent, at)
	return true
}

// WasLast says that nothing more may be sent to server: what was, by [MaySend], was the last. Without an allowance in ctx nothing is.
func WasLast(ctx context.Context, network string, server netip.AddrPort) bool {
	a, _ := ctx.Value(allowanceKey{}).(*allowance)
	if a == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.countLocked(hop{server, network}) >= maxSent
}

func (a *allowance) countLocked(at hop) (n int) {
	for _, h := range a.sent {
		if h == at {
			n++
		}
	}
	return n
}
