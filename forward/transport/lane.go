package transport

import (
	"context"
	"net/http"
	"sync"
)

// maxLanes bounds the lanes of a Pool. Beyond eight connections to one host nothing was gained on any line we measured,
// and more would be rude.
const maxLanes = 8

type laneKey struct{}

// Lane marks a request that shall travel over connections of its own: all HTTP/2 requests to a host share one TCP
// connection otherwise, and several ranges of one blob then share its window and its losses. Requests of the same lane
// share theirs and keep them warm. Lanes are counted modulo 8; n below 1 is no lane, and takes the mark away. Redirects
// keep it. A request that is marked [Patient] has no lane.
func Lane(ctx context.Context, n int) context.Context { return context.WithValue(ctx, laneKey{}, n) }

// laneOf tells the lane of a request; 0: none.
func laneOf(ctx context.Context) int {
	n, _ := ctx.Value(laneKey{}).(int)
	return max(n, 0)
}

// lanes are the transports of one kind of request: a common one, and those that were asked for beside it.
type lanes struct {
	common *http.Transport
	open   func() *http.Transport // makes another one like common

	mu   sync.Mutex
	made [maxLanes]*http.Transport
}

// newLanes opens the common one; the others wait until somebody wants them.
func newLanes(open func() *http.Transport) *lanes { return &lanes{common: open(), open: open} }

// take is the transport of lane n, made at its first use.
func (l *lanes) take(n int) *http.Transport {
	if n < 1 {
		return l.common
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made[n%maxLanes] == nil {
		l.made[n%maxLanes] = l.open()
	}
	return l.made[n%maxLanes]
}

func (l *lanes) closeIdle() {
	l.common.CloseIdleConnections()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.made {
		if t != nil {
			t.CloseIdleConnections()
		}
	}
}
