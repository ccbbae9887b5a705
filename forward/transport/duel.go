package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"hither/cache/wholefile"
)

const (
	// An answer over HTTP/3 that takes lateTimes as long as usual is asked for over TCP too: at once when it must be lost,
	// and not so soon that a slow answer costs the server two requests each time.
	lateTimes           = 3
	lateLeast, lateMost = 100 * time.Millisecond, 5 * time.Second
	lateUnknown         = 600 * time.Millisecond // while nothing is known
	// Where TCP is the chosen way it is asked too once HTTP/3 takes longer than trialTimes its usual wait.
	trialTimes, trialLeast = 1, 10 * time.Millisecond
	// standstill is how long a body that is given up stood still if its path may be dead.
	standstill           = time.Second
	statusMustNotBeEarly = http.StatusTooEarly // RFC 8470, 5.2
)

// errElsewhere says that a server answers this only over another connection: 421, 101, or 425 to an early request.
var errElsewhere = errors.New("the server wants this request over another connection")

// goodbye ends the error of a request that comes after the server's GOAWAY: quic-go gives it no name (http3, errGoAway).
const goodbye = "connection in graceful shutdown"

// answer is what came by one of two ways.
type answer struct {
	resp *http.Response
	err  error
	h3   bool
	wait time.Duration // for the first byte
}

// duel is a request over HTTP/3 that TCP joins when there is no answer in time, or a failure. The first answer wins.
type duel struct {
	c       *contest
	w       *way
	tcp     *gated
	answers chan answer                // one for each way; never blocks
	cancel  [2]context.CancelCauseFunc // of TCP and of HTTP/3; nil: not asked
	waiting int
	began   time.Time
}

// race carries a request that has a line.
func (c *contest) race(w *way, tcp *gated) (*http.Response, error) {
	d := &duel{c: c, w: w, tcp: tcp, answers: make(chan answer, 2), began: time.Now()}
	late := make(chan struct{}, 1)
	timer := time.AfterFunc(w.late, func() { late <- struct{}{} })
	defer timer.Stop()
	d.start(true)
	tooLate := fmt.Errorf("no answer in %s: %w", c.config.HeaderTimeout, os.ErrDeadlineExceeded)
	end := time.AfterFunc(c.config.HeaderTimeout, func() { d.cancelOf(true)(tooLate) })
	defer end.Stop()
	var failed error
	for {
		select {
		case <-late:
			if !w.trial {
				c.late(w)
			}
			d.start(false)
		case a := <-d.answers:
			d.waiting--
			if a.err == nil {
				return d.won(a), nil
			}
			d.cancelOf(a.h3)(nil)
			if failed == nil || !a.h3 {
				failed = a.err // what TCP says is what everybody knows
			}
			if w.req.Context().Err() == nil && d.cancelOf(false) == nil {
				d.start(false)
			}
			if d.waiting == 0 {
				return nil, failed
			}
		}
	}
}

func (d *duel) cancelOf(h3 bool) context.CancelCauseFunc {
	if h3 {
		return d.cancel[1]
	}
	return d.cancel[0]
}

// start sends the request by one way. A second time does nothing.
func (d *duel) start(h3 bool) {
	if d.cancelOf(h3) != nil {
		return
	}
	ctx, cancel := context.WithCancelCause(d.w.req.Context())
	if h3 {
		d.cancel[1] = cancel
	} else {
		d.cancel[0] = cancel
	}
	d.waiting++
	req := d.w.req.WithContext(ctx)
	go func() {
		if h3 {
			d.answers <- d.c.overQUIC(d.w, req)
		} else {
			d.answers <- overTCP(req, d.tcp)
		}
	}()
}

// won hands the first answer on and ends the other way.
func (d *duel) won(a answer) *http.Response {
	if d.waiting > 0 {
		if d.w.trial && !a.h3 {
			d.c.outrun(d.w, time.Since(d.began))
		}
		d.cancelOf(!a.h3)(nil)
		go d.bury()
	}
	end := func() {}
	if a.h3 {
		end = func() { d.c.giveBack(d.w.line) }
	}
	cancel := d.cancelOf(a.h3)
	return d.c.measured(d.w, a, func() { cancel(nil); end() })
}

// bury waits for the loser, which was cancelled, and closes what it brought.
func (d *duel) bury() {
	a := <-d.answers
	if a.err != nil {
		return
	}
	a.resp.Body.Close()
	if a.h3 {
		d.c.giveBack(d.w.line)
	}
}

// overQUIC sends a request over its line, and gives the line back if there is no answer.
func (c *contest) overQUIC(w *way, req *http.Request) answer {
	began := time.Now()
	resp, err := c.ask(w, req)
	if err != nil {
		c.lost(w, req, err)
		if cause := context.Cause(req.Context()); cause != nil {
			err = cause
		}
		c.giveBack(w.line)
		return answer{err: err, h3: true}
	}
	return answer{resp, nil, true, time.Since(began)}
}

func (c *contest) ask(w *way, req *http.Request) (*http.Response, error) {
	if w.early.IsValid() {
		if err := c.early(req, w.line, w.host, w.early); err != nil {
			return nil, err
		}
		early := *req
		early.Method = http3.MethodGet0RTT
		req = &early
	}
	traceOf(req.Context()).gotConn(w.line.conn.socket, !w.early.IsValid())
	resp, err := w.line.h3.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Request = w.req
	switched := resp.StatusCode == http.StatusSwitchingProtocols // HTTP/3 has no such answer; httputil.ReverseProxy would not close it
	if switched || resp.StatusCode == http.StatusMisdirectedRequest || w.early.IsValid() && resp.StatusCode == statusMustNotBeEarly {
		resp.Body.Close()
		return nil, errElsewhere
	}
	return resp, nil
}

// lost judges a failure over HTTP/3.
func (c *contest) lost(w *way, req *http.Request, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, first := c.aboutLocked(w), !w.line.retired // others on the same line fail too
	if w.line.conn == nil || errors.Is(err, errMoved) {
		c.doubtLocked(w.line)
	}
	if req.Context().Err() != nil { // TCP was first, or the client left
		return
	}
	rejected := errors.Is(err, quic.Err0RTTRejected) // settle connects anew
	if !rejected {
		c.retireLocked(w.line)
	}
	switch {
	case o == nil, !first, rejected, errors.Is(err, errMoved), wholefile.OutOfFiles(err):
	case errors.Is(err, errElsewhere):
		o.answers, o.record = offer{}, offer{} // RFC 7838, 6
		o.fail(time.Now())
	default:
		if !orderly(err) {
			o.fail(time.Now())
		}
	}
}

// orderly says that a server ended a connection or a stream as it may: it restarts, or it has enough.
func orderly(err error) bool {
	done := new(http3.Error)
	app := new(quic.ApplicationError)
	switch {
	case strings.HasSuffix(err.Error(), goodbye):
		return true
	case errors.As(err, &done):
		return done.ErrorCode == http3.ErrCodeNoError || done.ErrorCode == http3.ErrCodeRequestRejected
	case errors.As(err, &app):
		return app.ErrorCode == quic.ApplicationErrorCode(http3.ErrCodeNoError)
	}
	return false
}

// late stops giving requests to a line that does not answer in time. If the path carries no datagrams any more, only those
// that are under way pay for that; the next handshake will tell.
func (c *contest) late(w *way) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubtLocked(w.line)
	if o := c.aboutLocked(w); o != nil {
		o.sawWait(true, w.late)
	}
}

// outrun notes that a trial of HTTP/3 lasted longer than that; how long, nobody waited to see.
func (c *contest) outrun(w *way, waited time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.aboutLocked(w); o != nil && !w.early.IsValid() {
		o.sawWait(true, waited)
	}
}

// broke judges a body over HTTP/3 that ended too early, after it stood still so long. What is asked for again shall not meet
// the same line.
func (c *contest) broke(w *way, err error, stood time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := w.req.Context().Err() != nil // whoever read it
	if left && stood < standstill {
		return
	}
	first := !w.line.retired
	c.doubtLocked(w.line)
	o := c.aboutLocked(w)
	switch {
	case o == nil || !first:
	case left:
		o.stall(time.Now())
	case !orderly(err):
		o.fail(time.Now())
	}
}

// overTCP measures a request that could have gone over HTTP/3.
func (c *contest) overTCP(w *way, tcp *gated) (*http.Response, error) {
	a := overTCP(w.req, tcp)
	if a.err != nil {
		return nil, a.err
	}
	return c.measured(w, a, func() {}), nil
}

// overTCP counts from when there is a connection: HTTP/3 is measured on connections that stand.
func overTCP(req *http.Request, tcp *gated) answer {
	began := time.Now()
	var got atomic.Int64
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { got.Store(int64(time.Since(began))) },
	})
	resp, err := tcp.RoundTrip(req.WithContext(ctx))
	return answer{resp, err, false, time.Since(began) - time.Duration(got.Load())}
}

// measured takes the figures of an answer: its wait now, its rate when the body came whole. end is called once.
func (c *contest) measured(w *way, a answer, end func()) *http.Response {
	c.mu.Lock()
	if o := c.aboutLocked(w); o != nil {
		before := o.chosen
		if !w.early.IsValid() || !a.h3 { // an early one has its handshake in it
			o.sawWait(a.h3, a.wait)
		}
		if a.h3 {
			o.answered(time.Now())
		}
		if o.chosen != before {
			c.resume.changed() // the verdict is kept beside the sessions
		}
	}
	c.mu.Unlock()
	a.resp.Request = w.req
	began := time.Now()
	body := &paced{ReadCloser: a.resp.Body, whole: func(size int64) { c.carried(w, a.h3, size, time.Since(began)) }, end: sync.OnceFunc(end)}
	if a.h3 {
		body.broke = func(err error, stood time.Duration) { c.broke(w, err, stood) }
	}
	a.resp.Body = body
	return a.resp
}

func (c *contest) carried(w *way, h3 bool, size int64, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.aboutLocked(w); o != nil {
		o.sawBody(w.kind, h3, size, took)
		if h3 && size >= rateBytes {
			o.stalls = 0
		}
	}
}
