package transport

import (
	"net/http"
	"sync"

	"hither/forward/footing"
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
	under *footing.Watch

	mu    sync.Mutex
	tight *tightHosts // of the network that we are in
	made  [1 + maxLanes]*gated
	open  [1 + maxLanes]*census // of the same
}

// take is the transport of lane n, made at its first use.
func (l *lanes) take(n int) *gated {
	n = laneNumber(n)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made[n] == nil {
		t, open := l.make(n), &census{gate: gate{plain: l.plain}, under: l.under}
		t.DialContext = open.dialer(t.DialContext)
		l.made[n], l.open[n] = &gated{t, l.plain, l.tight, open}, open
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
// closed behind that, or when it was idle for idleTime. What it tells of short packets nobody reads any more.
func (l *lanes) renew(tight *tightHosts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tight = tight
	l.closeIdleLocked()
	clear(l.made[:])
	clear(l.open[:])
}

// closeIdle closes what is idle.
func (l *lanes) closeIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeIdleLocked()
}

func (l *lanes) closeIdleLocked() {
	for _, t := range l.made {
		if t != nil {
			t.CloseIdleConnections()
		}
	}
}

// narrow makes a transport one of many to the same host.
func narrow(t *http.Transport) {
	t.MaxConnsPerHost, t.MaxIdleConnsPerHost = lanePerHost, laneIdle
	t.HTTP2.MaxReceiveBufferPerStream, t.HTTP2.MaxReceiveBufferPerConnection = laneStream, laneConn
}
