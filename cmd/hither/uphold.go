package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"hither/cmd/hither/control"
	"hither/cmd/hither/led"
	"hither/cmd/hither/network"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/roots"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/shell"
	"hither/cmd/hither/trust"
	"hither/cmd/hither/upkeep"
	"hither/cmd/hither/watchdog"
	"hither/install/guard"
	"hither/install/service"
	"hither/install/sysdns"
)

const (
	// leaseName is the file of the state directory that says who keeps the machine's changes in force; see guard.Lease.
	leaseName = "lease"
	// releasing is how long it may take to put the machine back when Hither ends. Clients are answered meanwhile, and have
	// stopping afterwards; both together end before stopWait.
	releasing = 1500 * time.Millisecond
)

// keeper keeps in force what upkeep says, and sees to it that Hither answers itself. Fields are set before run.
type keeper struct {
	settings settings.Settings
	upkeep   upkeep.Upkeep
	way      *led.Way
	ca       *trust.Authority
	restored func() // called when nobody is sent to us any more by what we changed; perhaps more than once
	letGo    *control.LetGo
	removed  bool // our program is gone, which is why letGo was demanded
	log      *slog.Logger
}

// run ends with ctx, when it has taken back what was changed. The watchdog begins at once: what keeps the changes may have to
// wait for the guard of a Hither before.
func (k *keeper) run(ctx context.Context) error {
	defer k.restored()
	ctx, stop := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	if k.upkeep.Any() {
		keeping.Go(func() {
			defer close(k.letGo.Over)
			k.letGo.Err = k.keep(ctx)
		})
	} else {
		close(k.letGo.Over)
	}
	err := watching(k.way, k.ca, k.settings.Runner == 0, k.log).Run(ctx)
	stop()
	if !k.upkeep.Any() {
		k.restored()
	}
	keeping.Wait()
	return err
}

// keep changes the machine until whole ends or it is asked to let go, and puts it back; the error is of that. A guard takes
// back what this cannot, because it died or hangs; without a guard nothing is changed, and the proxy serves those who know of
// it.
func (k *keeper) keep(whole context.Context) error {
	ctx, stop := k.letGo.Until(whole)
	defer stop()
	dns, doors := k.way.Addresses()
	if _, ok := led.SealedDoor(doors); !ok && k.upkeep.DNS == sysdns.Scoped {
		dns = nil // nobody would come in
	}
	h := upkeep.NewHeld(k.upkeep, k.settings, k.way.Rules, dns, os.Environ(), k.log)
	h.Trusted = func() error { return trustedHere(k.ca) }
	h.Troubled = func(trouble string) { k.way.Tell("upkeep", trouble) }
	lease := k.takeLease(ctx, func(ctx context.Context) {
		if u, err := upkeep.Of(k.settings); err == nil && !u.Any() { // uninstalled while we were stopped
			k.letGo.Demand()
			return
		}
		h.Hold(ctx)
	})
	if lease == nil {
		return nil
	}
	k.way.OnNames(func() { h.SetNames(ctx) })
	h.Hold(ctx)
	var looking sync.WaitGroup
	looking.Go(func() {
		pace := time.NewTicker(upkeep.TryAgain)
		defer pace.Stop()
		if k.removed = isRemoved(ctx, lease, pace.C); k.removed {
			k.letGo.Demand()
		}
	})
	h.Watch(ctx)
	looking.Wait()
	if err := k.release(whole, h); err != nil {
		return err // without a goodbye
	}
	if whole.Err() != nil {
		k.restored()
	} else {
		why := "`hither restore` or `hither uninstall` asked for it"
		if k.removed {
			why = lease.Guard[0] + " was removed, and without it nobody could do so after a power cut"
			k.log.Warn("this machine was put back as it was; put the program back, and start it again", "reason", why)
		}
		k.way.Tell("upkeep", "this machine was put back as it was, because "+why+"; the next Hither changes it again if it should")
	}
	if err := lease.Close(); err != nil {
		k.log.Warn("the guard was not told that all is well; it will look by itself", "error", err)
	}
	return nil
}

// release puts back what h changed. If that fails, the guard tries when we have ended, and who asked us to let go does so himself; where
// our program was removed we live on, and nobody else would.
func (k *keeper) release(whole context.Context, h *upkeep.Held) error {
	for told := ""; ; {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(whole), releasing)
		err := h.Release(ctx)
		cancel()
		if err == nil {
			return nil
		}
		next := "call `" + shell.Calling(shell.System, "restore", k.settings.State, os.Environ()) + "`"
		switch {
		case whole.Err() != nil:
			next = "the guard goes on trying for a minute, and then " + next
		case k.removed:
			next = "trying again now and then; if that is in vain, put the program back and " + next
		}
		if told != err.Error()+next {
			told = err.Error() + next
			k.log.Error("this machine could not be put back as it was; "+next, "error", err)
			k.way.Tell("upkeep", fmt.Sprintf("this machine could not be put back as it was (%v); %s", err, next))
		}
		if whole.Err() != nil || !k.removed {
			return err
		}
		select {
		case <-whole.Done():
		case <-time.After(upkeep.TryAgain):
		}
	}
}

// isRemoved waits until the guard's program is missing twice in a row, as one that is being replaced may be missing once; false: ctx
// has ended.
func isRemoved(ctx context.Context, lease *guard.Lease, pace <-chan time.Time) bool {
	for missed := 0; missed < 2; {
		select {
		case <-ctx.Done():
			return false
		case <-pace:
		}
		missed++
		if _, err := os.Stat(lease.Guard[0]); !errors.Is(err, fs.ErrNotExist) {
			missed = 0
		}
	}
	return true
}

// takeLease starts the guard, and tries until it has; nil: ctx has ended. again is called when the guard has taken everything
// back although we live.
func (k *keeper) takeLease(ctx context.Context, again func(context.Context)) *guard.Lease {
	for told := ""; ; {
		lease, err := k.newLease(again)
		if err == nil {
			err = lease.Take(ctx)
		}
		if err == nil {
			k.way.Tell("guard", "")
			return lease
		}
		if why := err.Error(); why != told && ctx.Err() == nil {
			told = why
			k.way.Tell("guard", "nothing of this machine is changed, because no guard would undo it: "+why)
			k.log.ErrorContext(ctx, "nothing of this machine is changed, because no guard would undo it; trying again now and then", "reason", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(upkeep.TryAgain):
		}
	}
}

func (k *keeper) newLease(again func(context.Context)) (*guard.Lease, error) {
	exe, err := ownProgram()
	if err != nil {
		return nil, err
	}
	link := ""
	if k.upkeep.DNS != "" {
		link = sysdns.ScopedLink
	}
	state := k.settings.State
	file := filepath.Join(state, leaseName)
	return &guard.Lease{
		File: file, Guard: guardCommand(exe, filepath.Join(state, paths.JournalName), file, link), Log: k.log, Err: os.Stderr, Lapsed: again,
	}, nil
}

// watching asks our own doors, those that there are. mayExit lets it end the process, where nobody but us lives in it.
func watching(l *led.Way, ca *trust.Authority, mayExit bool, log *slog.Logger) *watchdog.Watch {
	w := &watchdog.Watch{Sick: l.SetSick, Log: log}
	if mayExit {
		w.Exit = exitNow
	}
	if service.WatchdogInterval(os.Getenv) > 0 { // systemd starts us anew if it hears nothing; we look each second, which is often enough
		w.Well = func() { _ = service.Notify(os.Getenv, service.NotifyWatchdog) }
	}
	dns, doors := l.Addresses()
	if len(dns) > 0 {
		w.Resolve = func(ctx context.Context) error { return askAll(ctx, dns) }
	}
	if door, ok := led.SealedDoor(doors); ok {
		w.Shake = func(ctx context.Context) error {
			names := upkeep.DNSNames(l.Rules()) // a change of the rules brings others, and another root
			if len(names) == 0 {
				return nil
			}
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(ca.PEM())
			return watchdog.ShakeHands(door, names[0], roots)(ctx)
		}
	}
	return w
}

// askAll asks each of our DNS sockets.
func askAll(ctx context.Context, servers []netip.AddrPort) error {
	errs := make([]error, len(servers))
	var asking sync.WaitGroup
	for i, server := range servers {
		asking.Go(func() { errs[i] = watchdog.Ask(server)(ctx) })
	}
	asking.Wait()
	return errors.Join(errs...)
}

// notifying tells systemd that we are ready when ready is called.
func notifying(ready func(control.Ready), log *slog.Logger) func(control.Ready) {
	return func(r control.Ready) {
		if err := service.Notify(os.Getenv, service.NotifyReady); err != nil {
			log.Warn("systemd does not hear that Hither is ready", "error", err)
		}
		ready(r)
	}
}

// newReady tells where everything is.
func newReady(s settings.Settings, proxy network.Self, way *led.Way, keep upkeep.Upkeep, ca *trust.Authority) control.Ready {
	r := control.Ready{
		PID: os.Getpid(), Version: version(), Since: time.Now(), Proxy: proxy.Addresses(), CA: ca.File(), Upstream: s.UpstreamProxy, Run: s.Runner != 0, DNSMode: keep.DNS,
	}
	dns, doors := way.Addresses()
	r.DNS, r.Transparent = network.Self(dns).Addresses(), network.Self(doors).Addresses()
	return r
}

// exitNow is a watchdog's Exit: no deferred function is waited for, since one of them may be what hangs.
func exitNow(error) { os.Exit(exitFailed) }

// trustedHere says why this machine's programs would refuse what our authority signs; nil: they would not.
func trustedHere(ca *trust.Authority) error {
	if roots.SystemTrusts(ca.PEM()) {
		return nil
	}
	return fmt.Errorf("this machine does not trust Hither's certificates, which may be new because a rule has a new host: call `hither install --trust`, or trust %s by hand", ca.File())
}
