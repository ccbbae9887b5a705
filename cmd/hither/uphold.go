package main

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"hither/install"
	"hither/rules"
)

// leaseName is the file of the state directory that says who keeps the machine's changes in force; see install.Lease.
const leaseName = "lease"

// scopedLink is the link by which systemd-resolved is led to us, as install.HoldScoped calls it.
const scopedLink = "hither0"

// upkeep is what to keep in force. A Hither for one command keeps nothing.
func (s Settings) upkeep() (upkeep, error) {
	if s.Runner != 0 {
		return upkeep{UID: -1, GID: -1}, nil
	}
	return readUpkeep(s.State)
}

// any says that there is something to keep in force.
func (u upkeep) any() bool { return u.DNS != "" || u.Proxy || len(u.Tools) > 0 }

// uphold keeps in force what upkeep says, and sees to it that Hither answers itself, until ctx ends. A guard takes back what
// this cannot, because it died or hangs.
func uphold(ctx context.Context, s Settings, keep upkeep, way *led, set func() *rules.Set, ca *trust, log *slog.Logger) error {
	dog := way.watchdog(set, ca, log)
	if !keep.any() {
		return dog.Run(ctx)
	}
	lease, err := takeLease(ctx, s, keep, log)
	if err != nil {
		return err
	}
	defer func() {
		if err := lease.Close(); err != nil {
			log.Warn("the guard was not told that all is well; it will look by itself", "error", err)
		}
	}()
	dns, _ := way.addresses()
	h, err := hold(ctx, s, set(), dns, os.Environ(), log)
	if err != nil {
		return err
	}
	lapse := func(ctx context.Context) { h.again(ctx, s, set(), dns) }
	lease.onLapse(lapse)
	follow := func(set *rules.Set) { _ = h.setNames(ctx, set) } // the keeper of the link goes on trying
	way.named.Store(&follow)
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { h.watch(watching) })
	defer func() {
		stop()
		watch.Wait()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopping)
		defer cancel()
		if err := h.release(ctx); err != nil {
			log.Error("this machine could not be put back as it was; call `hither restore`", "error", err)
		}
	}()
	return dog.Run(ctx)
}

// heldLease is a lease whose changes may have to be made again.
type heldLease struct {
	install.Lease
	lapsed chan func(context.Context)
}

// takeLease starts the guard.
func takeLease(ctx context.Context, s Settings, keep upkeep, log *slog.Logger) (*heldLease, error) {
	exe, err := ownProgram()
	if err != nil {
		return nil, err
	}
	link := ""
	if keep.DNS != "" {
		link = scopedLink
	}
	file := filepath.Join(s.State, leaseName)
	l := &heldLease{lapsed: make(chan func(context.Context), 1)}
	l.Lease = install.Lease{
		File: file, Guard: guardCommand(exe, filepath.Join(s.State, journalName), file, link), Log: log, Err: os.Stderr,
		Lapsed: func(ctx context.Context) {
			select {
			case again := <-l.lapsed:
				l.lapsed <- again
				again(ctx)
			case <-ctx.Done():
			}
		},
	}
	return l, l.Take(ctx)
}

// onLapse says what to do when the guard has taken everything back although we live. It is called once.
func (l *heldLease) onLapse(again func(context.Context)) { l.lapsed <- again }

// watchdog asks our own doors, those that there are.
func (l *led) watchdog(set func() *rules.Set, ca *trust, log *slog.Logger) *watchdog {
	w := &watchdog{Sick: l.setSick, Exit: exitNow, Log: log}
	if install.WatchdogInterval(os.Getenv) > 0 { // systemd starts us anew if it hears nothing; we look each second, which is often enough
		w.Well = func() { _ = install.Notify(os.Getenv, install.NotifyWatchdog) }
	}
	names := dnsNames(set())
	dns, doors := l.addresses()
	if len(dns) > 0 {
		w.Resolve = askOurselves(dns[0], func() string {
			if names := dnsNames(set()); len(names) > 0 && l.now.Load().Len() > 0 {
				return names[0]
			}
			return ""
		})
	}
	sealed := slices.IndexFunc(doors, func(d netip.AddrPort) bool { return d.Port() == 443 })
	if sealed >= 0 && len(names) > 0 {
		w.Shake = func(ctx context.Context) error { // a rule that adds a host brings another root
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(ca.ca.Load().PEM())
			return shakeHands(doors[sealed], names[0], roots)(ctx)
		}
	}
	return w
}

// notifying tells systemd that we are ready when ready is called.
func notifying(ready func(Ready), log *slog.Logger) func(Ready) {
	return func(r Ready) {
		if err := install.Notify(os.Getenv, install.NotifyReady); err != nil {
			log.Warn("systemd does not hear that Hither is ready", "error", err)
		}
		ready(r)
	}
}

// newReady tells where everything is.
func newReady(s Settings, proxy self, way *led, keep upkeep, ca *trust) Ready {
	r := Ready{
		PID: os.Getpid(), Version: version(), Since: time.Now(), Proxy: proxy.addresses(), CA: ca.File(), Upstream: s.UpstreamProxy, DNSMode: keep.DNS,
	}
	dns, doors := way.addresses()
	r.DNS, r.Transparent = self(dns).addresses(), self(doors).addresses()
	return r
}
