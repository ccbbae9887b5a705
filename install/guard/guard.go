// Package guard gives the machine back when a daemon dies or hangs. The daemon holds a Lease and renews it; a Guard, in a
// process that does nothing else, hears by a pipe that it lives, and undoes the changes when it does not.
package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	// guardPace is how often the guard looks at the clock.
	guardPace = 250 * time.Millisecond
	// stallAfter is how long a daemon may be silent. Names must resolve again 5 s after it was stopped.
	stallAfter = 3 * time.Second
	// successorTime is how long a guard waits for a new daemon after the old one is gone. systemd starts one in 0.2 s.
	successorTime = 2 * time.Second
	// restoreTime is how long a guard tries to restore, and restorePause lies between two tries.
	restoreTime  = 59*time.Second + restorePause/2
	restorePause = time.Second
	// leaseTime is how long a guard waits for the lease. Whoever locks it longer was stopped while it did.
	leaseTime = time.Second
)

// Guard watches one daemon, from a process that does nothing else, and undoes its changes when it dies or hangs. Fields
// are set before Run.
type Guard struct {
	Lease  string    // file of the lease
	Holder string    // the daemon's name in it
	In     io.Reader // the pipe from the daemon
	Out    io.Writer // the daemon is told here that the guard has begun

	// Restore undoes the changes. It is called again after an error, until a minute has gone.
	Restore func(ctx context.Context) error
	Hurry   <-chan struct{} // closed: wait for no new daemon, somebody wants this process to end. nil: never
	Log     *slog.Logger    // nil: nothing is said
}

// Why a guard has ended to watch.
var (
	errGoodbye   = errors.New("the daemon said goodbye")
	errDied      = errors.New("Hither died")
	errStalled   = errors.New("Hither did not answer for some seconds")
	errSuccessor = errors.New("another Hither has taken over")
)

// Run watches until the daemon says goodbye or another daemon has taken over (nil), or until it has restored (nil, or why
// it could not). The end of ctx is taken for an order to leave everything as it is. From then on the process ignores SIGPIPE.
func (g *Guard) Run(ctx context.Context) error {
	if g.Log == nil {
		g.Log = slog.New(slog.DiscardHandler)
	}
	// A daemon that dies now takes the other ends of our pipes along, and Go ends a process that writes to such a one.
	signal.Ignore(syscall.SIGPIPE)
	if _, err := fmt.Fprintln(g.Out, watching); err != nil && g.Out != io.Discard {
		g.Log.WarnContext(ctx, "the daemon does not listen to its guard", "reason", err) // it may be dead already
	}
	why := g.watch(ctx, g.listen(ctx))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(why, errGoodbye), errors.Is(why, errSuccessor):
		return nil
	case errors.Is(why, errDied) && g.succeeded(ctx):
		return nil
	}
	return g.restoreInTurn(ctx, why)
}

// listen hands on what the daemon says, and closes the channel when it can say no more.
func (g *Guard) listen(ctx context.Context) <-chan byte {
	said := make(chan byte)
	go func() {
		defer close(said)
		buf := make([]byte, 64)
		for {
			n, err := g.In.Read(buf)
			for _, b := range buf[:n] {
				select {
				case said <- b:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return said
}

// watch returns why there is nothing more to watch.
func (g *Guard) watch(ctx context.Context, said <-chan byte) error {
	pace := time.NewTicker(guardPace)
	defer pace.Stop()
	p := pulse{heard: time.Now(), looked: time.Now()}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b, ok := <-said:
			switch {
			case !ok:
				return errDied
			case b == goodbye:
				return errGoodbye
			}
			p.heard = time.Now()
		case <-pace.C:
			if p.stalled(time.Now()) {
				return errStalled
			}
		}
	}
}

// pulse is what a guard knows of its daemon's life.
type pulse struct {
	heard  time.Time // the last beat
	looked time.Time // when the guard last looked at the clock
}

// stalled says that the daemon has been silent for too long. If the guard did not run itself meanwhile (the machine slept
// or hung, or somebody stopped both), then the daemon could not either, and has its time from now on.
func (p *pulse) stalled(now time.Time) bool {
	if now.Sub(p.looked) > 4*guardPace {
		p.heard = now
	}
	p.looked = now
	return now.Sub(p.heard) > stallAfter
}

// succeeded waits a little for a new daemon to take the lease.
func (g *Guard) succeeded(ctx context.Context) bool {
	end := time.Now().Add(successorTime)
	for {
		if holder, err := readLease(g.Lease); err == nil && holder != g.Holder && holder != "" {
			return true
		}
		select {
		case <-ctx.Done():
			return true
		case <-g.Hurry:
			return false
		case <-time.After(guardPace):
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// restoreInTurn restores if the lease is still the daemon's, and then says that nobody holds it. Daemons and other guards
// wait meanwhile, so that nothing is changed and undone at once.
func (g *Guard) restoreInTurn(ctx context.Context, why error) error {
	var failed error
	lapse := func(holder string) (string, error) {
		if holder != g.Holder {
			return holder, errSuccessor
		}
		g.Log.WarnContext(ctx, "giving the machine's settings back", "reason", why)
		failed = g.restore(ctx) // what was given back must be made again by a daemon that wakes up, in either case
		return "", nil
	}
	locked := false
	short, cancel := context.WithTimeout(ctx, leaseTime)
	defer cancel()
	err := holdLease(short, g.Lease, func(holder string) (string, error) { locked = true; return lapse(holder) })
	if err != nil && !locked {
		// A daemon that was stopped with the lock in its hand must not keep the settings from being given back.
		err = changeLease(g.Lease, lapse)
	}
	if errors.Is(err, errSuccessor) {
		return nil
	}
	if err = errors.Join(failed, err); err != nil {
		return fmt.Errorf("the machine's settings are not all given back: %w: run `hither restore`", err)
	}
	g.Log.InfoContext(ctx, "the machine's settings are given back", "pid", os.Getpid())
	return nil
}

// restore tries until it has succeeded or restoreTime is over. A full disk or a busy registry may need a while.
func (g *Guard) restore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restoreTime)
	defer cancel()
	for {
		err := g.Restore(ctx)
		if err == nil {
			return nil
		}
		g.Log.ErrorContext(ctx, "something could not be given back", "reason", err)
		if !wait(ctx, restorePause) {
			return err
		}
	}
}
