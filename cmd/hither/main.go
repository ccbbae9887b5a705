// Hither brings what a build asks for from the nearest place that has it, and proves that it is the right thing.
//
//	hither run -- npm ci     one command behind Hither, without any change to the machine
//	hither up                Hither for all, until Ctrl-C
//	eval "$(hither env)"     this shell behind the Hither that is up
//
// This package is the command line. One file holds one command, and what a large one does is a package below; serve.go puts
// the parts of Hither together. The commands speak with a running Hither through the control socket in the state directory
// (package control).
//
// Exit status: 0 done; 1 it failed; 2 the command line was wrong; 3 Hither does not run; 4 `hither mirrors` found
// a rule without a source that works; 5 `hither doctor` found something broken. `hither run` has its command's:
// 128+N if a signal N ended it, and 125 if Hither failed or its command line was wrong, 126 if the command could not be
// run, 127 if there is none, as env(1) and docker have it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strings"

	"hither/cmd/hither/control"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/logbook"
	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/redact"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/terminal"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit statuses; see the package comment.
const (
	exitFailed     = 1
	exitUsage      = 2
	exitNotRunning = 3
	exitNoSource   = 4
	exitUnwell     = 5
)

func main() {
	// net/http tells there what servers sent unasked, which is bytes of answers.
	log.SetOutput(io.Discard)
	dir, _ := os.Getwd() // empty only if it was deleted; then relative paths fail where they are used
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Environ(), dir: dir, serve: serve}
	os.Exit(a.run(context.Background(), os.Args[1:]))
}

// app is one call of the program, with the world it sees.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      environ.List // as the process was started
	dir      string       // the working directory
	serve    func(ctx context.Context, s settings.Settings, log *slog.Logger, ready func(control.Ready)) error

	before   environ.List // env without what Hither itself put there
	sources  settings.Sources
	settings settings.Settings // of the sources
}

// exitError carries a status that is not 1. Without Err there is nothing to say.
type exitError struct {
	Status int
	Err    error
}

// Error is empty if the status says all.
func (e *exitError) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap is for errors.Is.
func (e *exitError) Unwrap() error { return e.Err }

// run does what the arguments say and returns the exit status.
func (a *app) run(ctx context.Context, args []string) int {
	out := &terminal.Output{Writer: terminal.Beneath(a.out)}
	a.out = out
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	addHelpers(root)
	err := root.ExecuteContext(ctx)
	if lost := out.Lost(); err == nil || errors.Is(err, errors.Unwrap(lost)) {
		err = lost
	}
	if err == nil {
		return 0
	}
	if text := redact.Text(err.Error()); text != "" {
		fmt.Fprintln(a.err, logbook.AsError(a.err, "hither: "+a.advice(text)))
	}
	return exitStatus(err)
}

func exitStatus(err error) int {
	var exit *exitError
	var flag *settings.FlagError
	switch {
	case errors.As(err, &exit):
		return exit.Status
	case errors.As(err, &flag):
		return exitUsage
	case errors.Is(err, control.ErrNotRunning):
		return exitNotRunning
	case mirrors.IsUnknown(err):
		return exitUsage
	}
	return exitFailed
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "hither",
		Short: "Bring what a build asks for from the nearest place that has it, and prove that it is the right thing",
		Long: "Hither is a proxy on this machine for package registries. It answers from a verified cache, or fetches from the\n" +
			"fastest mirror, and lets nothing through that the registry itself has not named.\n\n" +
			"  hither run -- npm ci     one command behind Hither, without any change to the machine\n" +
			"  hither up                Hither for all, until Ctrl-C\n" +
			"  eval \"$(hither env)\"     this shell behind the Hither that is up\n\n" +
			"Exit status: 0 done, 1 failed, 2 wrong command line, 3 Hither does not run,\n" +
			"4 a rule has no source that works (mirrors), 5 something is broken (doctor); run has its command's.",
		Version:       readVersion().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          arguments(0, 0),
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			if !c.HasParent() || c.Name() == cobra.ShellCompRequestCmd { // it only prints this help, or the words that fit
				return nil
			}
			return a.load(c.Flags())
		},
	}
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("{{.Version}}\n")
	root.PersistentFlags().String("config", "", "configuration file, instead of HITHER_CONFIG or your own config.toml")
	addFlags(root.PersistentFlags(), func(k settings.Key) bool { return k.Wide })
	root.AddCommand(a.up(), a.runCommand(), a.envCommand(), a.status(), a.why(), a.mirrors(), a.cache(), a.warm(), a.config(), a.version(),
		a.installCommand(), a.uninstall(), a.restoreCommand(), a.doctor(), a.guard(), a.dns())
	return root
}

// load reads the settings before any command begins.
func (a *app) load(flags *pflag.FlagSet) error {
	before, _, err := a.env.Original()
	if err != nil {
		return err
	}
	a.before = before
	config, _ := flags.GetString("config")
	a.sources = settings.Sources{Flags: givenFlags(flags), Config: config, Env: before, Dir: a.dir, ReadFile: os.ReadFile}
	a.settings, err = settings.Load(a.sources)
	return err
}

// addFlags adds the keys that want says.
func addFlags(flags *pflag.FlagSet, want func(settings.Key) bool) {
	for _, k := range settings.Keys() {
		k.Doc = strings.ReplaceAll(k.Doc, "`", "'") // pflag takes what stands in backquotes for the name of the value
		switch {
		case !want(k):
		case k.IsList():
			flags.StringArray(k.Name, nil, k.Doc+k.DefaultDoc())
		case k.Name == "verbose":
			flags.BoolP(k.Name, "v", false, k.Doc)
		case k.IsBool():
			flags.Bool(k.Name, false, k.Doc)
		default:
			flags.String(k.Name, "", k.Doc+k.DefaultDoc())
		}
		if f := flags.Lookup(k.Name); f != nil {
			f.Annotations = map[string][]string{settingFlag: nil}
		}
	}
}

// settingFlag marks flags that are settings: a command may have one of its own by the same name.
const settingFlag = "hither-setting"

// givenFlags returns the keys that stand on the command line.
func givenFlags(flags *pflag.FlagSet) map[string][]string {
	given := map[string][]string{}
	flags.Visit(func(f *pflag.Flag) {
		if _, ok := f.Annotations[settingFlag]; !ok {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			given[f.Name] = list.GetSlice()
		} else {
			given[f.Name] = []string{f.Value.String()}
		}
	})
	return given
}
