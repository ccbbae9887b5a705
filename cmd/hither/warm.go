package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"hither/cmd/hither/amount"
	"hither/cmd/hither/control"
	"hither/cmd/hither/logbook"
	"hither/cmd/hither/projects"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/terminal"
	"hither/cmd/hither/warm"
	"hither/forward/project"
)

// warmFlags are what the command line says of a warming.
type warmFlags struct {
	platforms        []string
	dry, json, quiet bool
}

func (a *app) warm() *cobra.Command {
	var f warmFlags
	c := &cobra.Command{
		Use:   "warm [flags] [FILE|DIR|IMAGE]…",
		Short: "Fetch ahead all that a project's lock files, go.mod and Dockerfiles name",
		Long: "Fetch into the cache what a build will ask for: the modules of go.mod and go.sum, and the later go command that they\n" +
			"want; the packages of a lock file of npm, pnpm, yarn or bun; the images of a Dockerfile's FROM lines, each for the\n" +
			"platform that stands there; and images by name. A directory stands for all of these in it; without an argument it is\n" +
			"the current one. The files are only read, and nothing of them is run.\n\n" +
			"The Hither that is up does the work, else one that is started for it and ends with it. Everything comes in parallel and\n" +
			"is verified like what any client asks for. What is here already is not fetched again, so a command that was stopped\n" +
			"goes on where it was when it is given again. What is private, or of a host in no rule, is left out and counted.\n\n" +
			"Modules are asked of the first proxy that GOPROXY names, packages of the registry that npmrc files, .yarnrc.yml or\n" +
			"npm_config_registry name, public ones unless these say otherwise. Scopes with a registry of their own are private.\n\n" +
			warmHelp(),
		Example: "  hither warm\n  hither warm package-lock.json\n  hither warm --platform linux/amd64 --platform linux/arm64 nginx:1.27\n" +
			"  hither warm --dry-run ../service Dockerfile",
		RunE: func(c *cobra.Command, args []string) error {
			return a.runWarm(c, f, args)
		},
	}
	c.Flags().StringSliceVar(&f.platforms, "platform", []string{project.BuildPlatform}, "of images, OS/ARCH or OS/ARCH/VARIANT; may be given several times")
	c.Flags().BoolVar(&f.dry, "dry-run", false, "fetch nothing: list what is not here yet")
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no progress and no summary, only what failed")
	addJSONFlag(c, &f.json)
	addFlags(c.Flags(), func(k settings.Key) bool { return !k.Wide }) // for a Hither that is started for it
	return c
}

// warmHelp documents what programs rely on.
func warmHelp() string {
	return "--json prints one object when all is done: schema (1), objects, already, fetched, skipped, failed, bytes,\n" +
		"fetched_bytes, sources, took_ms, interrupted; with --dry-run also missing. Objects, already and fetched are counts, bytes\n" +
		"is what is here of these objects, skipped has counts by reason, sources has bytes by who sent them, and each of failed\n" +
		"has url (or the file that could not be read), error and next. Fields may be added; one that comes to mean\n" +
		"something else raises schema.\n\n" +
		"Exit status: 0 nothing failed, 1 something did, 2 wrong command line, 130 stopped by Ctrl-C."
}

// runWarm reads the arguments before anything is started, so that a wrong one costs no time.
func (a *app) runWarm(c *cobra.Command, f warmFlags, args []string) error {
	chosen, err := warm.ParsePlatforms(f.platforms)
	if err != nil {
		return usageError(c, err)
	}
	files := &warm.Reader{Dir: a.dir, Platforms: chosen, Registries: projects.FindRegistries(a.before, a.settings.Listen).ForWarm()}
	wants, err := files.Read(args)
	if err != nil {
		return usageError(c, err)
	}
	tally := warm.NewTally(files.Unread, files.Unnamed)
	if len(wants) == 0 {
		return a.reportWarm(tally.Report(), f, nil)
	}
	screen := &warm.Screen{Out: a.err}
	log, file, err := logbook.Open(a.settings, screen)
	if err != nil {
		return err
	}
	defer file.Close()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, stopSignals()...)
	defer signal.Stop(signals)
	a.settings.Lasting = !f.dry
	s, err := a.join(c.Context(), log, signals)
	if err != nil {
		return err
	}
	err = a.warmThrough(c.Context(), s, a.newWarmer(s, f, tally, files.Private), wants, f, a.newProgressOf(screen, f), signals)
	if err2 := s.end(signals); err2 != nil {
		log.Warn(err2.Error())
	}
	return err
}

// newWarmer speaks to the Hither of a session.
func (a *app) newWarmer(s session, f warmFlags, tally *warm.Tally, private []string) *warm.Warmer {
	daemon := control.NewClient(a.settings.State)
	if t, ok := daemon.HTTP.Transport.(*http.Transport); ok { // thousands of questions
		t.DisableKeepAlives, t.MaxIdleConnsPerHost = false, warm.AtOnce
	}
	return &warm.Warmer{
		Proxy: s.Proxy[0], Agent: "hither-warm/" + version(), Why: daemon.Why, Dry: f.dry,
		Private: slices.Concat(a.settings.Private, private), Tally: tally, Pauses: []time.Duration{time.Second, 4 * time.Second},
	}
}

// newProgressOf has colours on a terminal whose user did not refuse them.
func (a *app) newProgressOf(s *warm.Screen, f warmFlags) *warm.Progress {
	width := func() (int, bool) {
		columns, _, shown := terminal.Size(a.err)
		return columns, shown && a.env.Get("TERM") != "dumb"
	}
	_, shown := width()
	refused, _ := a.env.Lookup("NO_COLOR")
	return warm.NewProgress(s, f.quiet, width, terminal.Ink{On: shown && refused == ""})
}

// warmThrough has a Hither fetch the wants, and says what came of it.
func (a *app) warmThrough(
	ctx context.Context, s session, w *warm.Warmer, wants []warm.Want, f warmFlags, show *warm.Progress, signals <-chan os.Signal,
) error {
	if s.PID == os.Getpid() && a.settings.Cache == "off" && !f.dry {
		return a.settings.Wrong("cache", errors.New("with off, nothing would stay when this command ends: leave it out, or warm a Hither that is up"))
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var watching sync.WaitGroup
	ended := make(chan struct{})
	watching.Go(func() { stopEarly(s.gone, signals, ended, stop) })
	defer w.Close()
	watching.Go(func() { show.Run(w.Tally.Stand, ended) })
	w.Run(ctx, wants)
	close(ended)
	watching.Wait()
	return a.reportWarm(w.Tally.Report(), f, context.Cause(ctx))
}

// stopped is the cause of an end that the user wants.
type stopped struct{ signal os.Signal }

// Error names the signal.
func (s *stopped) Error() string { return "stopped by a signal (" + s.signal.String() + ")" }

// status is 128 and the signal, as shells have it.
func (s *stopped) status() int {
	if n, ok := s.signal.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 128 + int(syscall.SIGINT)
}

var errGone = errors.New("Hither ended meanwhile")

// stopEarly ends the work at the first signal, or when Hither goes away.
func stopEarly(gone <-chan struct{}, signals <-chan os.Signal, ended <-chan struct{}, stop context.CancelCauseFunc) {
	select {
	case sig := <-signals:
		stop(&stopped{sig})
	case <-gone:
		stop(errGone)
	case <-ended:
	}
}

// reportWarm prints the outcome and turns it into an exit status.
func (a *app) reportWarm(r warm.Report, f warmFlags, cause error) error {
	r.Interrupted = cause != nil
	for i := range r.Failed {
		r.Failed[i].Next = a.advice(r.Failed[i].Next)
	}
	switch {
	case f.json:
		if err := a.printJSON(r); err != nil {
			return err
		}
	case f.dry:
		r.PrintMissing(a.out, a.err)
	case !f.quiet:
		fmt.Fprintln(a.out, strings.Join(r.Sentences(), "\n"))
	}
	if !f.json {
		warm.PrintFailures(a.err, r)
	}
	var end *stopped
	switch {
	case errors.As(cause, &end):
		return &exitError{Status: end.status(), Err: fmt.Errorf("%w: %s, and the same command goes on from there", cause, r.HereInWords())}
	case cause != nil:
		return fmt.Errorf("%w: %s; look at its log, then give the same command again", cause, r.HereInWords())
	case len(r.Failed) > 0 && f.json:
		return &exitError{Status: exitFailed}
	case len(r.Failed) > 0:
		return fmt.Errorf("%d of %s failed: give the same command again, it fetches only what is missing", len(r.Failed), amount.Count(int64(r.Objects), "object"))
	}
	return nil
}
