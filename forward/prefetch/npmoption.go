package prefetch

import (
	"slices"
	"strings"
)

// option notes what an option means. npm takes one for what it begins like, with one dash or two.
func (c *npmCommand) option(word string) {
	dashed, value, given := strings.Cut(word, "=")
	name := strings.TrimLeft(dashed, "-")
	switch name {
	case "g", "global":
		c.apart = true
	case "location":
		c.apart = c.apart || value == "global"
	case "dry-run", "package-lock-only", "lockfile-only":
		c.bare = true
	case "offline":
		c.offline = true
	}
	c.astray = c.astray || leadsAstray(name)
	c.fewer = c.fewer || name != "" && !slices.Contains(harmlessOptions(), name)
	c.valued = !given && takesValue(dashed, name)
}

// leadsAstray says that an option names another registry, or a place where another may be named: npm reads the npmrc there.
// --@SCOPE:registry and --//HOST/:_authToken are options, too.
func leadsAstray(name string) bool {
	if strings.HasPrefix(name, "@") || strings.HasPrefix(name, "//") || name == "C" {
		return true
	}
	return len(name) >= len("reg") && name != "global" &&
		slices.ContainsFunc([]string{"registry", "userconfig", "globalconfig", "prefix", "cwd", "dir"}, func(long string) bool { return strings.HasPrefix(long, name) })
}

// harmlessOptions change nothing of what npm ci asks for. Any other may leave something out, or have npm keep it elsewhere.
func harmlessOptions() []string {
	return []string{
		"audit", "no-audit", "fund", "no-fund", "progress", "no-progress", "color", "no-color", "update-notifier", "no-update-notifier",
		"ignore-scripts", "foreground-scripts", "prefer-offline", "prefer-online", "legacy-peer-deps", "force", "f", "timing",
		"loglevel", "silent", "s", "quiet", "q", "verbose", "d", "dd", "ddd",
	}
}

// takesValue says that the word behind an option may be its value. That is no package, and may be a password.
func takesValue(dashed, name string) bool {
	if !strings.HasPrefix(dashed, "--") {
		return slices.Contains([]string{"w", "C", "c"}, name)
	}
	if name == "" || strings.HasPrefix(name, "no-") || name != "loglevel" && slices.Contains(harmlessOptions(), name) {
		return false
	}
	return !slices.Contains([]string{
		"save", "save-dev", "save-prod", "save-optional", "save-peer", "save-bundle", "save-exact", "dev", "exact", "peer", "optional", "tilde",
		"global", "dry-run", "package-lock-only", "lockfile-only", "offline", "production", "prod", "yes", "workspaces",
		"include-workspace-root", "workspace-root", "package", // of npx: that one is a package
	}, name)
}
