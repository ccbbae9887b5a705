package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"time"

	"hither/cmd/hither/child"
	"hither/cmd/hither/control"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/logbook"
	"hither/cmd/hither/port"
	"hither/cmd/hither/projects"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/terminal"

	"github.com/spf13/cobra"
)

// Exit statuses of `hither run` when the command has none, as env(1) has them.
const (
	exitHither    = 125
	exitCannotRun = 126
	exitNoCommand = 127
)

const (
	// joinWait bounds the wait for a Hither that is about to end or is just starting.
	joinWait = 20 * time.Second
	// startWait bounds our own start: after a crash the cache is repaired first.
	startWait = time.Minute
	// drainQuiet is how long we wait for other commands without a word.
	drainQuiet = time.Second
)

func (a *app) runCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARGUMENT…]",
		Short: "Run one command behind Hither, without any change to the machine",
		Long: "Run one command with the environment that sends it through Hither: the one that is up, else one that is started for\n" +
			"it and ends with it. The exit status is the command's; 128+N if a signal N ended it; 125 if Hither failed or was called\n" +
			"wrongly, 126 if the command could not be run, 127 if there is none.",
		Example: "  hither run -- npm ci\n  hither run -- go test ./...\n  hither run -- sh -c 'pip install -r requirements.txt'",
		Args: func(c *cobra.Command, args []string) error {
			return orStatus(exitHither, arguments(1, anyNumber)(c, args))
		},
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			return orStatus(exitHither, a.load(c.Flags()))
		},
		RunE: func(c *cobra.Command, args []string) error { return a.runBehind(c.Context(), args) },
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return orStatus(exitHither, flagError(c, err)) })
	c.Flags().SetInterspersed(false) // the command's flags are its own, with and without the two dashes
	addFlags(c.Flags(), func(k settings.Key) bool { return !k.Wide })
	return c
}

// orStatus gives an error an exit status.
func orStatus(status int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{Status: status, Err: err}
}

// runBehind runs the command between a session's begin and end. Signals are caught from the first moment, so that none
// ends us while the command lives.
func (a *app) runBehind(ctx context.Context, args []string) error {
	log, file, err := logbook.Open(a.settings, a.err)
	if err != nil {
		return orStatus(exitHither, err)
	}
	defer file.Close()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedSignals()...)
	defer signal.Stop(signals)
	s, err := a.join(ctx, log, signals)
	if err != nil {
		return orStatus(exitHither, err)
	}
	err = a.runIn(s, args, signals)
	if err2 := s.end(signals); err2 != nil {
		log.Warn(err2.Error()) // the command's status is what the caller waits for
	}
	return err
}

// session is a Hither that stays while a command needs it.
type session struct {
	control.Ready
	gone <-chan struct{}              // closed when it ended too early
	end  func(<-chan os.Signal) error // gives it back; a signal ends the wait for others that use it
}

// join uses the Hither of the state directory, else starts one. Between two commands that run at the same time either
// may come first, and either may end first.
func (a *app) join(ctx context.Context, log *slog.Logger, signals <-chan os.Signal) (session, error) {
	deadline := time.Now().Add(joinWait)
	for {
		ready, gone, stop, err := control.NewClient(a.settings.State).Lease(ctx)
		if err == nil {
			return session{ready, gone, func(<-chan os.Signal) error { stop(); return nil }}, nil
		}
		if errors.Is(err, control.ErrNotRunning) {
			var s session
			var other *control.RunningError
			if s, err = a.startOwn(ctx, log, signals); !errors.As(err, &other) {
				return s, err
			}
		} else if !errors.Is(err, control.ErrEnding) {
			return session{}, err
		}
		if time.Now().After(deadline) {
			return session{}, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case sig := <-signals:
			return session{}, stoppedBefore(sig)
		}
	}
}

// startOwn starts a Hither in this process. If the usual port has an owner, any free one will do: only the command
// will know it.
func (a *app) startOwn(ctx context.Context, log *slog.Logger, signals <-chan os.Signal) (session, error) {
	own := a.settings
	own.Runner = os.Getpid()
	s, err := a.startWith(ctx, own, log, signals)
	var taken *port.Taken
	if !errors.As(err, &taken) || a.settings.From["listen"] != "default" {
		return s, err
	}
	log.Info("the usual port is taken, using any other", "by", taken.Who())
	own.Listen = []string{"127.0.0.1:0"}
	return a.startWith(ctx, own, log, signals)
}

func (a *app) startWith(ctx context.Context, s settings.Settings, log *slog.Logger, signals <-chan os.Signal) (session, error) {
	ctx, cancel := context.WithCancel(ctx)
	ready := make(chan control.Ready, 1)
	own := a.start(ctx, s, log, func(r control.Ready) { ready <- r })
	stop := func() error {
		cancel()
		return own.wait(stopWait)
	}
	late := time.NewTimer(startWait)
	defer late.Stop()
	select {
	case r := <-ready:
		return session{r, own.done, func(signals <-chan os.Signal) error {
			a.drain(ctx, s.State, signals)
			return stop()
		}}, nil
	case <-own.done:
		return session{}, stop()
	case sig := <-signals:
		return session{}, errors.Join(stoppedBefore(sig), stop())
	case <-late.C:
		return session{}, errors.Join(fmt.Errorf("Hither was not ready within %v: see why with --log debug", startWait), stop())
	}
}

// stoppedBefore is a signal that came while we joined.
func stoppedBefore(sig os.Signal) error {
	end := &stopped{sig}
	return orStatus(end.status(), fmt.Errorf("%w before the command began", end))
}

// drain waits for other commands that use our Hither; a signal ends the wait.
func (a *app) drain(ctx context.Context, state string, signals <-chan os.Signal) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = control.NewClient(state).Drain(ctx) // it ends when nobody uses us, or when we are gone
	}()
	quiet := time.NewTimer(drainQuiet)
	defer quiet.Stop()
	for {
		select {
		case <-done:
			return
		case <-signals:
			return
		case <-quiet.C:
			fmt.Fprintln(a.err, "hither: the command has ended, but another `hither run` uses this Hither: waiting for it (Ctrl-C ends both)")
		}
	}
}

// runIn runs the command and returns its status as an error.
func (a *app) runIn(s session, args []string, signals <-chan os.Signal) error {
	environ, err := a.environBehind(s.Ready, args)
	if err != nil {
		return orStatus(exitHither, err)
	}
	command, err := child.Command(args)
	if err != nil {
		return orStatus(exitCannotRun, fmt.Errorf("%s: %w", args[0], err))
	}
	command.Stdin, command.Stdout, command.Stderr, command.Env = a.in, terminal.Beneath(a.out), a.err, environ
	if err := command.Start(); err != nil {
		return cannotRun(args[0], err)
	}
	told := a.tellBegun(command.Process.Pid, args)
	ended := make(chan struct{})
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		a.accompany(command.Process, s.gone, signals, ended)
	}()
	err = command.Wait()
	close(ended)
	told()
	<-passed
	if command.ProcessState == nil {
		return orStatus(exitHither, err)
	}
	if status := child.Status(command.ProcessState); status != 0 {
		return &exitError{Status: status}
	}
	return nil
}

// tellBegun has Hither look at the command at once: npm takes a second until it asks for the first thing. The returned
// function ends it.
func (a *app) tellBegun(pid int, args []string) (end func()) {
	ctx, cancel := context.WithTimeout(context.Background(), control.DialWait) // the command goes on whatever comes of it
	var work sync.WaitGroup
	work.Go(func() {
		_ = control.NewClient(a.settings.State).Begun(ctx, pid, args) // without it, what can be foretold comes a little later
	})
	return func() {
		cancel()
		work.Wait()
	}
}

// accompany passes signals on, and tells if Hither goes away, until the command has ended.
func (a *app) accompany(p *os.Process, gone <-chan struct{}, signals <-chan os.Signal, ended <-chan struct{}) {
	for {
		select {
		case sig := <-signals:
			if !fromKeyboard(sig) {
				_ = p.Signal(sig) // it has just ended, then
			}
		case <-gone:
			fmt.Fprintln(a.err, "hither: Hither ended while the command runs, so its downloads may fail now: run it again")
			gone = nil
		case <-ended:
			return
		}
	}
}

// cannotRun tells a command that is not there from one that cannot be run.
func cannotRun(name string, err error) error {
	if name == "" {
		return orStatus(exitNoCommand, errors.New("the command's name is empty: write the command behind --"))
	}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return orStatus(exitNoCommand, fmt.Errorf("%s: there is no such command: is it installed, and in PATH?", name))
	}
	return orStatus(exitCannotRun, fmt.Errorf("%w: is it a program, and may you run it?", err))
}

// environBehind is the environment of the command. The project it runs in may tell npm whom to believe, as it may without
// us; if the command goes on to another project, npm believes them there, too.
func (a *app) environBehind(ready control.Ready, args []string) (environ.List, error) {
	p, err := a.plan(ready, !projects.IsGlobalNpm(args, a.before))
	if err != nil {
		return nil, err
	}
	return a.before.With(a.before.Saving(p.Changes())), nil
}
