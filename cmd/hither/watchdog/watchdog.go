// Package watchdog sees whether Hither answers itself: by its own doors, over the kernel, once a second. While it does not, nobody
// is led to it; and a process whose DNS is mute for long is ended, so that it is started anew.
//
//	err := (&watchdog.Watch{Resolve: watchdog.Ask(server), Sick: sick, Log: log}).Run(ctx)
package watchdog

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// watchEvery is how often the watchdog asks, and how long an answer may take: over loopback it takes microseconds.
	watchEvery = time.Second
	// sickAfter failures in a row empty the intercept table, so many successes fill it again.
	sickAfter = 2
	// muteAfter failures of the DNS socket in a row end the process: a closed port costs each look-up of the machine a
	// millisecond, a mute one five seconds.
	muteAfter = 3
	// jumpGap is how much longer than planned a round may take, by either clock, and still count. More, and the machine
	// slept or the process was stopped: that is nobody's fault here.
	jumpGap = 750 * time.Millisecond
	// stackSize bounds the stacks that are logged before the end.
	stackSize = 1 << 20
)

// errMute ends the process; systemd, launchd or the service manager starts another.
var errMute = errors.New("our own resolver does not answer us: ending, so that the system asks others; please report this with the stacks in the log")

// Watch asks our own doors, over the kernel as everybody else does, whether they answer. Fields are set before Run.
type Watch struct {
	// Resolve asks our DNS sockets for what they answer without upstreams. nil: there are none.
	Resolve func(ctx context.Context) error
	// Shake makes a whole TLS connection to our own door. nil: there is none.
	Shake func(ctx context.Context) error
	// Sick empties the intercept table (true) or fills it again (false). It is called when that changes.
	Sick func(sick bool)
	// Well is called after each look at which every door answered: who watches us from outside may be told. nil: nobody is.
	Well func()
	// Exit ends the process at once, after its stacks were logged. nil: Run returns errMute and leaves it to the caller,
	// who must not wait for anything then.
	Exit func(error)
	Log  *slog.Logger
	Wall func() time.Time // nil: the system's clock, which goes on while the machine sleeps

	resolveFailed, shakeFailed, well int // in a row
	sick                             bool
}

// round is what one look found.
type round struct {
	resolve, shake error
	jumped         bool // it took longer than it can have, so it says nothing
}

// Run watches until ctx ends (nil), or our DNS socket is mute (errMute).
func (w *Watch) Run(ctx context.Context) error {
	if w.Wall == nil {
		w.Wall = func() time.Time { return time.Now().Round(0) } // without the monotonic part
	}
	pace := time.NewTicker(watchEvery)
	defer pace.Stop()
	for {
		wall, inner := w.Wall(), time.Now()
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		r := w.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		r.jumped = jumped(w.Wall().Sub(wall)) || jumped(time.Since(inner))
		if err := w.judge(ctx, r); err != nil {
			return err
		}
	}
}

// jumped says that a wait of at most one pace and a look of at most as long took too long. A wall clock that was put back
// says nothing about the process, and nor does one that somebody put right by a second.
func jumped(took time.Duration) bool { return took > 2*watchEvery+jumpGap || took < 0 }

// look asks both doors at once.
func (w *Watch) look(ctx context.Context) (r round) {
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	var both sync.WaitGroup
	if w.Resolve != nil {
		both.Go(func() { r.resolve = w.Resolve(ctx) })
	}
	if w.Shake != nil {
		both.Go(func() { r.shake = w.Shake(ctx) })
	}
	both.Wait()
	return r
}

// judge counts what was found and acts on it.
func (w *Watch) judge(ctx context.Context, r round) error {
	if r.jumped {
		w.resolveFailed, w.shakeFailed = 0, 0
		return nil
	}
	w.resolveFailed = counted(w.resolveFailed, r.resolve)
	w.shakeFailed = counted(w.shakeFailed, r.shake)
	w.well++
	if err := errors.Join(r.resolve, r.shake); err == nil {
		if w.Well != nil {
			w.Well()
		}
	} else {
		w.well = 0
		w.Log.WarnContext(ctx, "Hither does not answer itself", "dns", w.resolveFailed, "tls", w.shakeFailed, "reason", err)
	}
	switch {
	case !w.sick && max(w.resolveFailed, w.shakeFailed) >= sickAfter:
		w.setSick(ctx, true)
	case w.sick && w.well >= sickAfter:
		w.setSick(ctx, false)
	}
	if w.resolveFailed < muteAfter {
		return nil
	}
	w.Log.ErrorContext(ctx, errMute.Error(), "reason", r.resolve, "stacks", stacks())
	if w.Exit != nil {
		w.Exit(errMute)
	}
	return errMute
}

func counted(failures int, err error) int {
	if err == nil {
		return 0
	}
	return failures + 1
}

func (w *Watch) setSick(ctx context.Context, sick bool) {
	w.sick = sick
	if sick {
		w.Log.WarnContext(ctx, "names are no longer led to Hither until it answers itself again")
	} else {
		w.Log.InfoContext(ctx, "Hither answers itself; names are led to it again")
	}
	if w.Sick != nil {
		w.Sick(sick)
	}
}

// stacks are those of all goroutines, as much as fits.
func stacks() string {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 2); err != nil {
		return err.Error()
	}
	return string(all.Bytes()[:min(all.Len(), stackSize)])
}

// localName is answered by every resolver from itself (RFC 6761 section 6.3).
const localName = "hither-watchdog.localhost."

// Ask is a watchdog's Resolve: a question over UDP to our socket, for a name that needs no upstream, or a lost network
// would look like a mute socket. A reply with any content will do.
func Ask(server netip.AddrPort) func(context.Context) error {
	client := &dns.Client{Net: "udp", Timeout: watchEvery}
	return func(ctx context.Context) error {
		question := new(dns.Msg).SetQuestion(localName, dns.TypeA)
		if _, _, err := client.ExchangeContext(ctx, question, server.String()); err != nil {
			return fmt.Errorf("ask our resolver at %s for %s: %w", server, localName, err)
		}
		return nil
	}
}

// ShakeHands is a watchdog's Shake: a whole TLS handshake with our door, in which it proves to be an intercepted name.
func ShakeHands(door netip.AddrPort, name string, roots *x509.CertPool) func(context.Context) error {
	dialer := &tls.Dialer{
		NetDialer: &net.Dialer{Timeout: watchEvery},
		Config:    &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}},
	}
	return func(ctx context.Context) error {
		conn, err := dialer.DialContext(ctx, "tcp", door.String())
		if err != nil {
			return fmt.Errorf("shake hands with our door at %s as %s: %w", door, name, err)
		}
		return conn.Close()
	}
}
