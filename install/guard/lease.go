package guard

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	// beatEvery is how often a daemon tells its guard that it runs.
	beatEvery = time.Second
	// guardStart is how long a guard may take to say that it watches. A loaded machine needs a second.
	guardStart = 10 * time.Second
	// guardPause lies between two guards of one daemon, so that one which cannot live does not cost a processor.
	guardPause = 5 * time.Second
	// goodbyeTime is how long a guard may take to go.
	goodbyeTime = 2 * time.Second
	// takeTime is how long a new daemon waits for the guard of the last one, which may be restoring.
	takeTime = 15 * time.Second
)

// What a daemon writes to its guard, a byte each.
const (
	beat    = 'r' // I run
	goodbye = 'b' // I have undone what was to be undone, or mean it to stay
)

// watching is the line by which a guard says that it has begun.
const watching = "watching"

// Lease is a daemon's promise that it answers what the machine was changed to ask it. As long as the daemon renews the
// lease, each second, changes stay; when it dies or hangs, the guard undoes them: a process of its own, in a session of
// its own, that does nothing but wait. The guard hears by a pipe, which the kernel closes with the daemon; so a renewal
// costs no disk and nothing that is stale can be taken for a daemon.
//
// Fields are set before Take; the methods are not to be called at once with each other.
type Lease struct {
	File  string       // says who holds the lease; guards and daemons of one machine share it
	Guard []string     // the guard's command line; " --holder ID" is added. It runs Guard.Run with its standard input
	Log   *slog.Logger // nil: nothing is said
	Err   *os.File     // standard error of the guard; nil: nowhere

	// Lapsed is called when the guard had taken this process for dead (it was stopped, or the machine hung) and undid the
	// changes. The lease is held again by then: apply them again. It has a goroutine of its own, since the lease must be
	// renewed meanwhile; ctx ends with Close, which waits for it. nil: nobody is told.
	Lapsed func(ctx context.Context)
	// Taken is called once when another Hither holds the lease now. This one is no longer renewed. nil: nobody is told.
	Taken func()

	holder string
	stop   context.CancelFunc
	done   chan struct{}
	guard  *guardProcess  // owned by keep once Take has returned
	told   sync.WaitGroup // Lapsed
	turn   sync.Mutex     // held by Lapsed
}

// Take starts a guard and then takes the lease, from whoever holds it; the guard of a daemon before goes, and if it is
// restoring, Take waits until it has. Make changes that need a guard after Take, and none if it fails.
func (l *Lease) Take(ctx context.Context) error {
	if l.Log == nil {
		l.Log = slog.New(slog.DiscardHandler)
	}
	l.holder = rand.Text()
	if err := l.take(ctx, false); err != nil {
		return err
	}
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop, l.done = stop, make(chan struct{})
	go l.keep(keep)
	return nil
}

// take leaves no moment in which nobody watches: the new guard reads the pipe before the old one loses its charge. Taking
// it again is only taking it from nobody.
func (l *Lease) take(ctx context.Context, again bool) error {
	guard, err := l.startGuard(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, takeTime)
	defer cancel()
	err = holdLease(ctx, l.File, func(now string) (string, error) {
		if again && now != "" && now != l.holder {
			return now, errSuccessor
		}
		return l.holder, nil
	})
	if err != nil {
		guard.dismiss()
		return err
	}
	l.guard = guard
	return nil
}

// Close tells the guard that all is well, and waits until it has gone. Undo first what must not outlive this process.
func (l *Lease) Close() error {
	if l.stop == nil {
		return nil
	}
	l.stop()
	<-l.done
	l.told.Wait()
	l.guard.dismiss()
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime) //nolint:forbidigo // it ends at goodbyeTime, and outlives whoever called Take
	defer cancel()
	return holdLease(ctx, l.File, func(holder string) (string, error) {
		if holder == l.holder {
			return "", nil
		}
		return holder, nil
	})
}

// keep renews until ctx ends or another daemon has taken the lease.
func (l *Lease) keep(ctx context.Context) {
	defer close(l.done)
	pace := time.NewTicker(beatEvery)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		switch holder, err := readLease(l.File); {
		case err != nil:
			l.Log.WarnContext(ctx, "the lease cannot be read", "reason", err)
		case holder == "":
			l.again(ctx)
			continue
		case holder != l.holder:
			l.Log.WarnContext(ctx, "another Hither has taken over the changes to this machine")
			if l.Taken != nil {
				l.Taken()
			}
			return
		}
		l.renew(ctx)
	}
}

// renew sends a beat, to a new guard if the old one is gone.
func (l *Lease) renew(ctx context.Context) {
	err := l.guard.send(beat)
	if err == nil || ctx.Err() != nil {
		return
	}
	l.Log.WarnContext(ctx, "the guard is gone; starting another", "reason", err)
	l.guard.dismiss()
	guard, err := l.startGuard(ctx)
	if err == nil {
		l.guard = guard
		return
	}
	l.Log.ErrorContext(ctx, "no guard undoes the changes to this machine if Hither dies", "reason", err)
	wait(ctx, guardPause)
}

// again takes the lease back after the guard has let it lapse.
func (l *Lease) again(ctx context.Context) {
	if holder, err := l.askLease(ctx); err != nil || holder != "" {
		return // it was being written when we looked, and the next beat will see
	}
	l.Log.WarnContext(ctx, "Hither did not run for a while, and its guard gave the machine's settings back; making them again")
	l.guard.dismiss()
	if err := l.take(ctx, true); err != nil {
		l.Log.ErrorContext(ctx, "the settings stay given back", "reason", err)
		wait(ctx, guardPause)
		return
	}
	if l.Lapsed != nil {
		l.told.Go(func() {
			l.turn.Lock() // not twice at once
			defer l.turn.Unlock()
			l.Lapsed(ctx)
		})
	}
}

// askLease tells who holds the lease while nobody changes it.
func (l *Lease) askLease(ctx context.Context) (holder string, err error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTime)
	defer cancel()
	err = holdLease(ctx, l.File, func(now string) (string, error) { holder = now; return now, nil })
	return holder, err
}

// wait returns false if ctx ended before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// guardProcess is a guard that was started.
type guardProcess struct {
	pipe   *os.File
	exited chan struct{}
	once   sync.Once
}

var errGuardGone = errors.New("it has ended")

// startGuard returns when the guard watches.
func (l *Lease) startGuard(ctx context.Context) (*guardProcess, error) {
	if len(l.Guard) == 0 {
		return nil, errors.New("a lease without a guard: this is a fault in Hither, please report it")
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the guard: %w: raise the limit of open files (`ulimit -n`)", err)
	}
	cmd := exec.Command(l.Guard[0], append(l.Guard[1:len(l.Guard):len(l.Guard)], "--holder", l.holder)...)
	cmd.Stdin, cmd.SysProcAttr, cmd.Dir = read, apart(), os.TempDir() // a guard must not keep a disk from being unmounted
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOTRACEBACK=single")
	if l.Err != nil {
		cmd.Stderr = l.Err
	}
	said, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	_ = read.Close() // the guard has its own
	if err != nil {
		_ = write.Close() // nobody reads it
		return nil, fmt.Errorf("start the guard %s: %w: check that the program is still there and may be run", l.Guard[0], err)
	}
	g := &guardProcess{pipe: write, exited: make(chan struct{})}
	begun := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(said, 256)).ReadString('\n')
		if err == nil && strings.TrimSpace(line) != watching {
			err = fmt.Errorf("it said %q", line)
		}
		begun <- err
		_ = cmd.Wait() // it tells by what it restored, not by its status
		close(g.exited)
	}()
	select {
	case err = <-begun:
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(guardStart):
		err = fmt.Errorf("it did not begin within %s", guardStart)
	}
	if err != nil {
		_ = cmd.Process.Kill() // it may be gone already
		_ = write.Close()
		return nil, fmt.Errorf("the guard %s does not watch: %w: run `%s --help`, and see Hither's log", l.Guard[0], err, strings.Join(l.Guard, " "))
	}
	return g, nil
}

func (g *guardProcess) send(what byte) error {
	select {
	case <-g.exited:
		return errGuardGone
	default:
	}
	_ = g.pipe.SetWriteDeadline(time.Now().Add(beatEvery)) // Windows has none; there a full pipe takes 4096 beats
	_, err := g.pipe.Write([]byte{what})
	return err
}

// dismiss says goodbye and waits a little.
func (g *guardProcess) dismiss() {
	g.once.Do(func() {
		_ = g.send(goodbye) // if it is gone, all the better
		_ = g.pipe.Close()
		select {
		case <-g.exited:
		case <-time.After(goodbyeTime):
		}
	})
}
