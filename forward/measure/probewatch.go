package measure

import (
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"
)

// stopwatch listens to a request and tells where its time went. Redirects make it run through the phases again.
type stopwatch struct {
	now func() time.Time

	mu      sync.Mutex // http.Transport tells some things from goroutines of its own, even after the end
	stopped bool
	sum     Phases
	addr    string
	begun   [phaseKinds]time.Time // when a phase that is under way began; zero: it is not
}

// The phases that begin and end by events.
const (
	inDNS = iota
	inConnect
	inTLS
	inWait
	inBody
	phaseKinds
)

func (w *stopwatch) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart:     func(httptrace.DNSStartInfo) { w.begin(inDNS) },
		DNSDone:      func(httptrace.DNSDoneInfo) { w.end(inDNS) },
		ConnectStart: func(string, string) { w.begin(inConnect) },
		ConnectDone: func(_, _ string, err error) {
			if err == nil { // one of several attempts was enough
				w.end(inConnect)
			}
		},
		TLSHandshakeStart:    func() { w.begin(inTLS) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { w.end(inTLS) },
		GotConn:              w.reached,
		WroteRequest:         func(httptrace.WroteRequestInfo) { w.sent() },
		GotFirstResponseByte: w.answered,
	}
}

// begin starts a phase, unless it is under way already: attempts to connect race.
func (w *stopwatch) begin(phase int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun[phase].IsZero() {
		w.begun[phase] = w.now()
	}
}

func (w *stopwatch) end(phase int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endLocked(phase, w.now())
}

// endLocked adds a phase up. What happened counts for a nanosecond at least, for zero says that it did not.
func (w *stopwatch) endLocked(phase int, now time.Time) {
	if w.stopped || w.begun[phase].IsZero() {
		return
	}
	sum := [...]*time.Duration{&w.sum.DNS, &w.sum.Connect, &w.sum.TLS, &w.sum.Wait, &w.sum.Body}[phase]
	*sum += max(now.Sub(w.begun[phase]), 1)
	w.begun[phase] = time.Time{}
}

// reached is when a connection is there. A redirect's body, which nobody waited for, is over then.
func (w *stopwatch) reached(info httptrace.GotConnInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	w.addr = info.Conn.RemoteAddr().String()
	w.begun[inBody], w.begun[inWait] = time.Time{}, w.now()
}

// sent moves the beginning of the wait. It may be told after the answer to what was sent already came.
func (w *stopwatch) sent() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.begun[inWait].IsZero() {
		w.begun[inWait] = w.now()
	}
}

func (w *stopwatch) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	w.endLocked(inWait, now)
	w.begun[inBody] = now
}

// stop ends what is under way, and tells the address that was asked last; empty: none was reached.
func (w *stopwatch) stop(began time.Time) (Phases, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	for phase := range phaseKinds {
		w.endLocked(phase, now)
	}
	w.sum.Total = max(now.Sub(began), 1)
	w.stopped = true
	return w.sum, w.addr
}
