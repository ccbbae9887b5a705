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
	for _, arg := range npmrc.ParseArgs(args) {
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
