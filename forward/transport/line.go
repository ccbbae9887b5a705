package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"hither/cache/wholefile"
	"hither/forward/dial"
	"hither/forward/race"
)

const (
	// quicStart and quicConnStart are the first windows, in bytes. They grow up to those of HTTP/2; from half a MiB on, as
	// quic-go has it, a far server would wait several round trips for us.
	quicStart, quicConnStart = 2 << 20, 4 << 20
	// maxLines bounds the HTTP/3 connections of one kind of request. Each has a socket; beyond, TCP carries on.
	maxLines = 128
)

// lineKey names a connection: lanes have one of their own, as over TCP.
type lineKey struct {
	origin string
	lane   int
}

// line is an HTTP/3 connection, or the attempt to make one. Its contest locks it.
type line struct {
	key     lineKey
	conn    *quicConn         // nil: shaking hands
	h3      *http3.ClientConn // of conn
	ready   bool              // the server has answered
	busy    int               // requests under way
	retired bool              // carries on what it does, and nothing new
	idle    *time.Timer       // lets go; nil: busy
}

// dialLocked begins a connection beside whatever else goes on.
func (c *contest) dialLocked(key lineKey, o *origin) {
	if c.closed || c.lines[key] != nil || len(c.lines) >= maxLines {
		return
	}
	l := &line{key: key}
	c.lines[key] = l
	port, _ := o.offered(time.Now())
	c.running.Go(func() {
		conn, err := c.reach(o.host, port, key.lane)
		c.dialled(l, conn, err)
	})
}

// reach shakes hands with the first address that answers.
func (c *contest) reach(host string, port uint16, lane int) (*quicConn, error) {
	ctx, cancel := context.WithTimeout(c.root, dial.Patience)
	defer cancel()
	candidates, err := c.config.Datagrams(ctx, net.JoinHostPort(host, strconv.Itoa(int(port))))
	if err != nil {
		return nil, err
	}
	return race.First(ctx, candidates, c.config.HeadStart, func(ctx context.Context, to netip.AddrPort) (*quicConn, error) {
		return shakeHands(ctx, to, c.secureFor(host), c.quicConfig(lane), false)
	})
}

func (c *contest) secureFor(host string) *tls.Config {
	return &tls.Config{
		RootCAs: c.config.RootCAs, ServerName: host, MinVersion: tls.VersionTLS13,
		NextProtos: []string{http3.NextProtoH3}, ClientSessionCache: c.resume,
	}
}

func (c *contest) quicConfig(lane int) *quic.Config {
	q := quicConfig()
	q.KeepAlivePeriod, q.TokenStore = pingAfter, c.tokens // a line that nobody uses is let go after idleTime
	q.MaxIdleTimeout = pingAfter + pingPatience           // and one that died is found as soon as over HTTP/2
	q.InitialStreamReceiveWindow, q.InitialConnectionReceiveWindow = quicStart, quicConnStart
	q.MaxConnectionReceiveWindow = connWindow
	if lane > 0 {
		q.MaxStreamReceiveWindow, q.MaxConnectionReceiveWindow = laneStream, laneConn
	}
	return q
}

// dialled takes the end of an attempt.
func (c *contest) dialled(l *line, conn *quicConn, err error) {
	c.mu.Lock()
	o := c.origins[l.key.origin]
	wanted := !c.closed && c.lines[l.key] == l
	switch {
	case wanted && err == nil:
		l.ready = true
		c.joinLocked(l, conn)
		c.restLocked(l)
		if o != nil {
			o.arrived(conn)
		}
	case wanted:
		c.dropLocked(l)
		if o != nil && !wholefile.OutOfFiles(err) {
			o.fail(time.Now())
		}
	}
	c.mu.Unlock()
	if !wanted && err == nil {
		conn.Close()
	}
}

// joinLocked gives a line its connection.
func (c *contest) joinLocked(l *line, conn *quicConn) {
	l.conn, l.h3 = conn, c.clientOf(conn)
	c.alive[l] = struct{}{}
	c.running.Go(func() { c.watch(l) })
}

func (c *contest) clientOf(conn *quicConn) *http3.ClientConn {
	h3 := http3.Transport{DisableCompression: true, MaxResponseHeaderBytes: maxHeader}
	return h3.NewClientConn(conn.Conn)
}

// watch waits for the end of a connection and frees what it held.
func (c *contest) watch(l *line) {
	<-l.conn.Context().Done()
	c.mu.Lock()
	if l.busy > 0 && !l.retired && !c.closed && died(context.Cause(l.conn.Context())) {
		if o := c.origins[l.key.origin]; o != nil {
			o.fail(time.Now())
		}
	}
	c.dropLocked(l)
	delete(c.alive, l)
	c.mu.Unlock()
	l.conn.Close()
}

// died tells a path that carries no datagrams any more from a server that says goodbye.
func died(err error) bool {
	silence := new(quic.IdleTimeoutError)
	return errors.As(err, &silence)
}

// takeLocked begins a request; giveBack ends it.
func (c *contest) takeLocked(l *line) {
	l.busy++
	if l.idle != nil {
		l.idle.Stop()
		l.idle = nil
	}
}

func (c *contest) giveBack(l *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.busy--; l.busy == 0 {
		c.restLocked(l)
	}
}

// restLocked lets a line go that nobody uses: at once if it is retired.
func (c *contest) restLocked(l *line) {
	if l.conn == nil || c.closed {
		return
	}
	if l.retired {
		hangUp(l.conn)
		return
	}
	l.idle = time.AfterFunc(idleTime, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if l.busy == 0 {
			c.retireLocked(l)
		}
	})
}

// closeIdle lets go of the lines that nobody uses now: their sockets are closed when it returns.
func (c *contest) closeIdle() {
	var idle []*line
	c.mu.Lock()
	for l := range c.alive {
		if l.busy == 0 {
			c.dropLocked(l)
			idle = append(idle, l)
		}
	}
	c.mu.Unlock()
	for _, l := range idle {
		l.conn.Close()
	}
}

// retireLocked gives a line nothing new.
func (c *contest) retireLocked(l *line) {
	c.dropLocked(l)
	if l.busy == 0 && l.conn != nil {
		hangUp(l.conn)
	}
}

func (c *contest) dropLocked(l *line) {
	l.retired = true
	if c.lines[l.key] == l {
		delete(c.lines, l.key)
	}
	if l.idle != nil {
		l.idle.Stop()
		l.idle = nil
	}
}

// doubtLocked drops a line whose path may be dead: no other request shall speak first to somebody who may not be there.
func (c *contest) doubtLocked(l *line) {
	if o := c.origins[l.key.origin]; o != nil && !l.retired {
		o.last = netip.AddrPort{}
	}
	c.dropLocked(l)
}

// hangUp says goodbye; watch frees the rest. quic-go's own goroutines, for which it waits, never wait for a contest.
func hangUp(conn *quicConn) {
	_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
}

// early begins a connection that takes the request with its first packet. Others use it once the server has answered.
func (c *contest) early(req *http.Request, l *line, host string, to netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(c.root, dial.Patience)
	defer cancel()
	stop := context.AfterFunc(req.Context(), cancel)
	defer stop()
	candidates, err := c.config.Datagrams(ctx, net.JoinHostPort(host, strconv.Itoa(int(to.Port()))))
	if err != nil {
		return err
	}
	if !slices.Contains(candidates, to) {
		return errMoved
	}
	conn, err := shakeHands(ctx, to, c.secureFor(host), c.quicConfig(l.key.lane), true)
	if err != nil {
		return err
	}
	c.mu.Lock()
	wanted := !c.closed && !l.retired
	if wanted {
		c.joinLocked(l, conn)
		c.running.Go(func() { c.settle(l) })
	}
	c.mu.Unlock()
	if !wanted {
		conn.Close()
		return errMoved
	}
	return nil
}

// settle waits until an early connection is a whole one, or is none.
func (c *contest) settle(l *line) {
	select {
	case <-l.conn.HandshakeComplete():
	case <-l.conn.Context().Done():
	}
	state := l.conn.ConnectionState()
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.origins[l.key.origin]
	switch {
	case l.conn.Context().Err() != nil:
		if o != nil && !c.closed && !l.retired && silent(context.Cause(l.conn.Context())) {
			o.fail(time.Now())
		}
		c.dropLocked(l)
	case !state.Used0RTT: // the server would not; the streams that were opened are void
		c.retireLocked(l)
		if o != nil {
			c.resume.Put(o.host, nil)
			c.dialLocked(l.key, o)
		}
	default:
		l.ready = !l.retired
		if o != nil && l.ready {
			o.arrived(l.conn)
		}
	}
}
