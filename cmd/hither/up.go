package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"hither/cmd/hither/control"
	"hither/cmd/hither/goenv"
	"hither/cmd/hither/logbook"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/shell"
	"hither/install/service"
)

// stopWait is how long a stop may take. Then the process ends with what is under way; the cache survives that.
const stopWait = 5 * time.Second

func (a *app) up() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "up",
		Short: "Run Hither until Ctrl-C",
		Long: "Run Hither until Ctrl-C. A second Ctrl-C ends it at once. It listens on loopback only, and changes nothing on the machine but\n" +
			"what `hither install` was told to have changed while Hither runs.",
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			show := a.printReady
			if asJSON {
				show = func(r control.Ready) { _ = a.printJSON(r) } // nobody reads it: that is no reason to stop
			}
			if ran, err := service.Run(c.Context(), func(ctx context.Context) error { return a.keepUp(ctx, show) }); ran {
				return err
			}
			return a.keepUp(c.Context(), show)
		},
	}
	addJSONFlag(c, &asJSON)
	addFlags(c.Flags(), func(k settings.Key) bool { return !k.Wide })
	return c
}

// keepUp serves until a signal that ends it, or until serve fails.
func (a *app) keepUp(ctx context.Context, ready func(control.Ready)) error {
	log, file, err := logbook.Open(a.settings, a.err)
	if err != nil {
		return err
	}
	defer file.Close()
	ctx, stop := signal.NotifyContext(ctx, stopSignals()...)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal meets the system's own handling, which ends the process at once
	hangups, stopHearing := hearHangups()
	defer stopHearing()
	running := a.start(ctx, a.settings, log, ready)
	for {
		select {
		case <-hangups:
			a.hangup(log, file)
			continue
		case <-running.done:
		case <-ctx.Done():
			_ = service.Notify(os.Getenv, service.NotifyStopping) // systemd sees it anyway, a little later
			log.Info("stopping")
		}
		return running.wait(stopWait)
	}
}

// running is a serve under way.
type running struct {
	done chan struct{} // closed when serve returned
	err  error         // what it returned; set before done is closed
}

func (a *app) start(ctx context.Context, s settings.Settings, log *slog.Logger, ready func(control.Ready)) *running {
	r := &running{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = a.serve(ctx, s, log, ready)
		if errors.Is(r.err, context.Canceled) && ctx.Err() != nil {
			r.err = nil
		}
	}()
	return r
}

// wait returns what serve returned.
func (r *running) wait(limit time.Duration) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-r.done:
		return r.err
	case <-late.C:
		return fmt.Errorf("Hither did not stop within %v, so it was cut off; what was not yet verified will be fetched again", limit)
	}
}

// printReady tells where Hither is, and how to use it.
func (a *app) printReady(r control.Ready) {
	fmt.Fprintf(a.out, "Hither is up on %s (pid %d).\n", join(r.Proxy), r.PID)
	fmt.Fprintf(a.out, "  certificate     %s\n  state           %s\n", r.CA, r.State)
	if len(r.DNS) > 0 {
		fmt.Fprintf(a.out, "  DNS             %s\n", join(r.DNS))
	}
	if len(r.Transparent) > 0 {
		fmt.Fprintf(a.out, "  doors           %s\n", join(r.Transparent))
	}
	if r.Upstream != "" {
		fmt.Fprintf(a.out, "  upstream proxy  %s\n", r.Upstream)
	}
	sh, _ := shell.Find("", shell.Parent(), a.env) // fails only for a name
	fmt.Fprintf(a.out, "\nOne command:  %s -- npm ci\n", a.command(sh, "run"))
	fmt.Fprintf(a.out, "This shell:   %s\n", sh.Use(a.command(sh, "env")))
	list, ok := goenv.ThroughGateway(goenv.Settings{Env: a.before, ReadFile: os.ReadFile, Root: goenv.FindRoot(a.before)}.Get("GOPROXY"), "http://"+r.Proxy[0]+"/go")
	if line, err := sh.Set("GOPROXY", list); ok && err == nil {
		fmt.Fprintf(a.out, "Go alone:     %s\n", line)
	}
}

// command is a call of this program that finds the same state directory.
func (a *app) command(sh shell.Language, name string) string {
	return shell.Calling(sh, name, a.settings.State, a.before)
}

// advice is a text in which each call of this program, which stands between backquotes, finds the same state directory.
func (a *app) advice(text string) string {
	if a.settings.State == "" { // the settings were not read
		return text
	}
	sh, _ := shell.Find("", shell.Parent(), a.env) // fails only for a name
	return shell.Advise(text, sh, a.settings.State, a.before)
}
