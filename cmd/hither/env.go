package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"hither/cmd/hither/child"
	"hither/cmd/hither/control"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/goenv"
	"hither/cmd/hither/paths"
	"hither/cmd/hither/projects"
	"hither/cmd/hither/redact"
	"hither/cmd/hither/roots"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/shell"
	"hither/cmd/hither/terminal"
	"hither/forward/npmrc"
)

// environmentChange is what `hither env --json` prints.
type environmentChange struct {
	Set   map[string]string `json:"set"`
	Unset []string          `json:"unset,omitempty"`
}

func (a *app) envCommand() *cobra.Command {
	var named string
	var undo, asJSON bool
	c := &cobra.Command{
		Use:   "env",
		Short: "Print the variables that put this shell behind the Hither that is up",
		Long: "Print the variables that put this shell behind the Hither that is up, in the words of the shell. --unset prints what\n" +
			"brings back the values of before.",
		Example: "  eval \"$(hither env)\"\n  eval \"$(hither env --unset)\"\n  hither env | source                                 # fish\n" +
			"  hither env | Out-String | Invoke-Expression         # PowerShell",
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			sh, err := shell.Find(named, shell.Parent(), a.env)
			if err != nil {
				return usageError(c, err)
			}
			changes, err := a.shellChanges(c, undo)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(listChanges(changes))
			}
			return a.printChanges(sh, changes)
		},
	}
	c.Flags().StringVar(&named, "shell", "", "bash, zsh, sh, fish, powershell or cmd; empty: the one that calls")
	c.Flags().BoolVar(&undo, "unset", false, "print what brings back the environment of before")
	addJSONFlag(c, &asJSON)
	_ = c.RegisterFlagCompletionFunc("shell", cobra.FixedCompletions(shell.Names(), cobra.ShellCompDirectiveNoFileComp)) // fails only for an unknown flag
	return c
}

func (a *app) shellChanges(c *cobra.Command, undo bool) (map[string]*string, error) {
	if !undo {
		return a.enter(c)
	}
	_, back, err := a.env.Original()
	if err == nil && back == nil {
		fmt.Fprintln(a.err, "hither: this shell is not behind Hither; there is nothing to undo")
	}
	return back, err
}

// enter changes a shell; one that was changed before is changed from its first state, so that nothing doubles.
func (a *app) enter(c *cobra.Command) (map[string]*string, error) {
	ready, err := a.ready(c.Context())
	if err != nil {
		if _, back, _ := a.env.Original(); back != nil {
			return nil, fmt.Errorf("%w; to take this shell back meanwhile, use env --unset", err)
		}
		return nil, err
	}
	p, err := a.plan(ready, false) // the shell may leave the project
	if err != nil {
		return nil, err
	}
	if p.Npm.LeftOut != "" {
		fmt.Fprintf(a.err, "hither: npm believes roots of the project's own choice in %s (ca or cafile), which no shell gets, for it may leave the "+
			"project: to use npm there, call it by %s\n", p.Npm.LeftOut, a.advice("`hither run`"))
	}
	changes := a.before.Saving(p.Changes())
	a.restoreOlder(changes)
	return changes, nil
}

// restoreOlder adds what an earlier `hither env` set and this one does not.
func (a *app) restoreOlder(changes map[string]*string) {
	_, back, _ := a.env.Original() // load has read it without an error
	for name, value := range back {
		if !environ.Has(changes, name) {
			changes[name] = value
		}
	}
}

// plan finds out what the tools of this environment need, makes the bundles for them, and warns on stderr. Only with project
// may the project of the working directory say whom npm, git and cargo believe.
func (a *app) plan(ready control.Ready, project bool) (child.Plan, error) {
	home, _ := paths.Find(a.before) // without a home, npm has no file of the user's own
	if len(ready.Proxy) == 0 {
		return child.Plan{}, fmt.Errorf("the running Hither (pid %d) has no proxy address: is it another version?", ready.PID)
	}
	npm := projects.NpmSettings(a.before, home.Home, a.dir)
	npm.Project = project
	p := child.Plan{Env: a.before, Proxy: ready.Proxy[0], Npm: npm.Trust()}
	tools := roots.FindTools(a.before, a.dir, project)
	p.OwnRoots = tools.Own
	p.GoProxy = goenv.Settings{Env: a.before, ReadFile: npmrc.ReadFile, Root: goenv.FindRoot(a.before)}.Get("GOPROXY")
	b := roots.Bundler{Env: a.before, Npm: p.Npm, Tools: tools.Files, CA: ready.CA, Extra: a.settings.CAFiles, Dir: filepath.Join(ready.State, paths.BundleName)}
	b.System = func(r *roots.Set) { r.AddSystem(a.before) }
	var err error
	if p.Bundle, err = b.Write(); err != nil {
		return child.Plan{}, err
	}
	for _, warning := range append(p.Warnings(), a.upstreamWarning(ready)...) {
		fmt.Fprintln(a.err, "hither:", redact.Text(warning))
	}
	return p, nil
}

// upstreamWarning finds a proxy that we are about to replace and that the running Hither does not know of.
func (a *app) upstreamWarning(ready control.Ready) []string {
	name := a.settings.From["upstream-proxy"]
	u, err := url.Parse(a.settings.UpstreamProxy)
	if ready.Upstream != "" || err != nil || !slices.Contains(settings.ProxyVariables(), name) || slices.Contains(ready.Proxy, u.Host) {
		return nil
	}
	return []string{fmt.Sprintf("%s names a proxy, but the running Hither (pid %d) goes out without one: start it again from this shell if it must use it", name, ready.PID)}
}

func (a *app) printChanges(sh shell.Language, changes map[string]*string) error {
	var lines []string
	for _, name := range environ.Names(changes) {
		if changes[name] == nil {
			lines = append(lines, sh.Unset(name))
			continue
		}
		line, err := sh.Set(name, *changes[name])
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	for _, line := range lines {
		fmt.Fprintln(a.out, line)
	}
	if out, ok := terminal.Beneath(a.out).(*os.File); ok && terminal.Is(out) {
		fmt.Fprintf(a.err, "\nhither: these lines have no effect yet; use: %s\n", sh.Use(a.command(sh, "env")))
	}
	return nil
}

func listChanges(changes map[string]*string) environmentChange {
	out := environmentChange{Set: map[string]string{}}
	for _, name := range environ.Names(changes) {
		if value := changes[name]; value != nil {
			out.Set[name] = *value
		} else {
			out.Unset = append(out.Unset, name)
		}
	}
	return out
}
