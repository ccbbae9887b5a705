package npm

import (
	"slices"
	"strings"

	"hither/forward/npmrc"
)

// take notes what the arguments behind the program's name mean, and returns the words that are no option. What stands behind an
// option that npm does not know may be its value, for pnpm, yarn and bun have others: that is no package, and may be a password.
func (c *command) take(args []string) (words []string) {
	doubtful := false
	c.omit = npmrc.OmittedBy(args)
	for _, arg := range npmrc.ParseArgs(c.ofNpm(args)) {
		switch {
		case arg.Option != "":
			c.option(arg)
			doubtful = !arg.Known && !isSwitch(arg)
		case doubtful && len(words) > 0:
			doubtful = false
		default:
			words = append(words, arg.Word)
		}
	}
	return words
}

// ofNpm leaves out of the arguments the options that npm does not have, or has for something else, so that what stands behind them
// is read for what it is: `pnpm -w add react`, `pnpm --filter web add react`.
func (c *command) ofNpm(args []string) (rest []string) {
	if c.program == "npm" {
		return args
	}
	for len(args) > 0 && args[0] != "--" {
		name, _, given := strings.Cut(args[0], "=")
		took := 1
		switch {
		case slices.Contains(elsewhere(), name):
			c.astray = true // npmrc and the project are those of another directory
			fallthrough
		case slices.Contains(valued(), name):
			if c.fewer = true; !given {
				took = 2
			}
		case name == "--workspace-root", name == "--recursive", name == "--bun", name == "--ignore-workspace-root-check":
		default:
			if arg := withoutPlace(c.program, args[0]); arg != "-" {
				rest = append(rest, arg)
			}
		}
		args = args[min(took, len(args)):]
	}
	return append(rest, args...)
}

// elsewhere are options of pnpm, yarn and bun for the directory that they work in.
func elsewhere() []string { return []string{"--dir", "--cwd"} }

// valued are others that have a value: which workspaces are meant.
func valued() []string {
	return []string{"--filter", "-F", "--filter-prod", "--include", "--exclude", "--from"}
}

// withoutPlace takes out of short options those that say where: w, r and others, of each its own.
func withoutPlace(program, arg string) string {
	letters := map[string]string{"pnpm": "wr", "yarn": "WAR", "bun": "b"}[program]
	if len(arg) < 2 || arg[0] != '-' || strings.Trim(arg[1:], letters+"DOPELg") != "" { // -reg is --registry
		return arg
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(letters, r) {
			return -1
		}
		return r
	}, arg)
}

// option notes what an option means.
func (c *command) option(arg npmrc.Arg) {
	on := arg.Value != "false"
	switch arg.Option {
	case "global":
		c.apart = on
	case "location":
		c.apart = c.apart || arg.Value == "global"
	case "dry-run", "package-lock-only", "lockfile-only":
		c.bare = c.bare || on
	case "offline":
		c.offline = on
	case "prefer-online":
		c.online = on
	case "legacy-peer-deps":
		c.peerless = on
	case "package":
		c.packages = append(c.packages, arg.Value)
	}
	c.astray = c.astray || leadsAstray(arg)
	c.fewer = c.fewer || !slices.Contains(harmlessOptions(), arg.Option)
}

// leadsAstray says that an option names another registry, or a place where another may be named: npm reads the npmrc there; or
// that npm will not ask through us. --@SCOPE:registry and --//HOST/:_authToken are options, too.
func leadsAstray(arg npmrc.Arg) bool {
	switch arg.Option {
	case "registry", "userconfig", "globalconfig", "prefix", "scope", "noproxy":
		return true
	}
	if strings.HasPrefix(arg.Option, "@") || strings.HasPrefix(arg.Option, "//") {
		return true
	}
	return !arg.Known && len(arg.Option) >= len("reg") && slices.ContainsFunc([]string{"registry", "userconfig", "globalconfig", "prefix", "cwd", "dir", "config"},
		func(long string) bool { return strings.HasPrefix(long, arg.Option) })
}

// harmlessOptions change nothing of what npm ci asks for, or what is known here. Any other may leave something out, or have npm keep it elsewhere.
func harmlessOptions() []string {
	return []string{
		"audit", "fund", "progress", "color", "update-notifier", "ignore-scripts", "foreground-scripts", "prefer-offline", "prefer-online",
		"legacy-peer-deps", "force", "timing", "loglevel", "omit", "include", "only", "also", "production", "dev", "optional",
	}
}

// isSwitch says that an option of pnpm, yarn or bun that npm does not know has no value, or has it already.
func isSwitch(arg npmrc.Arg) bool {
	return arg.Given || slices.Contains([]string{"exact", "peer", "tilde", "lockfile-only", "prod", "workspace-root", "frozen-lockfile", "immutable"}, arg.Option)
}
