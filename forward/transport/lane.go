package transport

import (
	"context"
	"net/http"
	"sync"
)

const (
	// maxLanes bounds the lanes of a Pool. Under loss a client must not get fewer connections than it would have opened by
	// itself, and npm opens 15.
	maxLanes = 16
	// laneStream and laneConn are streamWindow and connWindow of a lane. Parts of a body are many and short: several lanes
	// together fill the line, while what a server may have under way on all of them, unread by us, adds up: 256 MiB at the
	// very most, as much as on the one connection that is no lane.
	laneStream = 4 << 20
	laneConn   = 16 << 20
	// lanePerHost bounds the connections of a lane to a host that speaks HTTP/1.1: one for each part under way, and of each
	// body two at most are in the same lane. laneIdle is how many of them stay warm.
	lanePerHost = 16
	laneIdle    = 2
)

type laneKey struct{}

// Lane marks a request that shall travel over connections of its own: all HTTP/2 requests to a host share one TCP
// connection otherwise, and several ranges of one blob then share its window and its losses. Requests of the same lane
// share theirs and keep them warm. Lanes are counted modulo 16; n below 1 is no lane, and takes the mark away. Redirects
// keep it. A request that is marked [Patient] has no lane.
func Lane(ctx context.Context, n int) context.Context { return context.WithValue(ctx, laneKey{}, n) }

type outsetKey struct{}

// Outset marks a request in a lane that is most likely redirected to where the body is: the way there is asked over the
// common connection, which is warm, and only those hops that follow travel in the lane.
func Outset(ctx context.Context) context.Context { return context.WithValue(ctx, outsetKey{}, true) }

func isOutset(ctx context.Context) bool {
	marked, _ := ctx.Value(outsetKey{}).(bool)
	return marked
}

type briefKey struct{}

// Brief marks a request in a lane whose answer is most likely small, although its kind may be large: it may serve to try
// HTTP/3 with.
func Brief(ctx context.Context) context.Context { return context.WithValue(ctx, briefKey{}, true) }

func isBrief(ctx context.Context) bool {
	marked, _ := ctx.Value(briefKey{}).(bool)
	return marked
}

// laneOf tells the lane of a request; 0: none.
func laneOf(ctx context.Context) int {
	n, _ := ctx.Value(laneKey{}).(int)
	return max(n, 0)
}

// laneNumber counts modulo maxLanes; 0 stays 0.
func laneNumber(n int) int {
	if n > 0 {
		n = 1 + (n-1)%maxLanes
	}
	return n
}

// lanes are the transports of one kind of request: the common one, which is lane 0, and those that were asked for beside it.
type lanes struct {
	make  func(lane int) *http.Transport
	plain *plainHosts
	under *footing

	mu   sync.Mutex
	made [1 + maxLanes]*gated
	open [1 + maxLanes]*census // of the same
}

// take is the transport of lane n, made at its first use.
func (l *lanes) take(n int) *gated {
	n = laneNumber(n)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made[n] == nil {
		t, open := l.make(n), &census{gate: gate{plain: l.plain}, under: l.under}
		t.DialContext = open.dialer(t.DialContext)
		l.made[n], l.open[n] = &gated{t, l.plain, open}, open
	}
	return l.made[n]
}

// census counts the connections of take.
func (l *lanes) census(n int) *census {
	l.take(n)
	l.mu.Lock()
	defer l.mu.Unlock()
	if open := l.open[laneNumber(n)]; open != nil {
		return open
	}
	return new(census) // renewed meanwhile
}

// renew closes what is idle, and lets new requests have new connections. A connection that still carries something is
// closed behind that, or when it was idle for idleTime.
func (l *lanes) renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n, t := range l.made {
		if t != nil {
			t.CloseIdleConnections()
		}
		l.made[n], l.open[n] = nil, nil
	}
}

// narrow makes a transport one of many to the same host.
func narrow(t *http.Transport) {
	t.MaxConnsPerHost, t.MaxIdleConnsPerHost = lanePerHost, laneIdle
	t.HTTP2.MaxReceiveBufferPerStream, t.HTTP2.MaxReceiveBufferPerConnection = laneStream, laneConn
}
