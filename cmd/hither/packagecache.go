package main

import (
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"hither/forward/peer"
	"hither/forward/project"
)

// keeps tells what a client will not ask for, because it has it already; nil: nobody knows.
func keeps(p peer.Process, env environment) func(project.Want) bool {
	if isNpm(p.Args) {
		return hasPackage(env, p.Dir, readSettingsFile)
	}
	return hasModule(env)
}

// isNpm knows npm by its arguments as it was started, `node /usr/bin/npm ci`, and as it writes them then, in one word. What
// only has npm among its arguments, a shell or git, works elsewhere or on something else.
func isNpm(args []string) bool {
	if len(args) > 0 && baseName(args[0]) == "node" {
		args = args[1:]
		for len(args) > 0 && strings.HasPrefix(args[0], "-") {
			args = args[1:]
		}
	}
	if len(args) == 0 {
		return false
	}
	name := baseName(args[0])
	return name == "npm" || name == "npm-cli.js" || strings.HasPrefix(args[0], "npm ")
}

// baseName is a program's, without what Windows ends it with.
func baseName(program string) string {
	name := path.Base(strings.ReplaceAll(program, `\`, "/"))
	return strings.TrimSuffix(strings.TrimSuffix(name, ".exe"), ".cmd")
}

// hasPackage tells which tarballs npm has in its own cache, where they stand by their digests (cacache, content-v2); nil:
// nobody knows where that is, or settings have npm leave out some of what a lock file names. Only names are looked at.
func hasPackage(env environment, dir string, readFile func(string) ([]byte, error)) func(project.Want) bool {
	settings, ok := readNpmCaching(env, dir, readFile)
	if !ok {
		return nil
	}
	if settings.offline {
		return func(project.Want) bool { return true }
	}
	if !filepath.IsAbs(settings.cache) {
		return nil
	}
	content := filepath.Join(settings.cache, "_cacache", "content-v2")
	return func(w project.Want) bool {
		sum := w.Digest.Sum()
		if !w.Bulk || !w.Digest.Pins() || len(sum) < 5 {
			return false
		}
		_, err := os.Lstat(filepath.Join(content, string(w.Digest.Algorithm()), sum[:2], sum[2:4], sum[4:]))
		return err == nil
	}
}

// npmCaching is where npm keeps what it fetched, and whether it fetches anything.
type npmCaching struct {
	cache   string
	offline bool
}

// readNpmCaching reads npm's settings: its environment beats its files, and of those the nearest counts. False: not all that
// a lock file names will be installed, or a setting is not understood here.
func readNpmCaching(env environment, dir string, readFile func(string) ([]byte, error)) (npmCaching, bool) {
	found := map[string]string{}
	for _, line := range env {
		name, value, _ := strings.Cut(line, "=")
		if name, ok := strings.CutPrefix(strings.ToLower(name), "npm_config_"); ok {
			found[strings.ReplaceAll(name, "_", "-")] = value
		}
	}
	for _, file := range npmrcFiles(env, env.Get("HOME"), dir) {
		data, err := readFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			name, value, _ := strings.Cut(line, "=")
			name, _, _ = strings.Cut(strings.TrimSpace(name), "[")
			if _, before := found[name]; !before {
				found[name] = strings.Trim(strings.TrimSpace(value), `"'`)
			}
		}
	}
	for _, name := range []string{"omit", "only", "also", "include", "production", "optional", "workspace", "workspaces", "dry-run", "package-lock"} {
		if _, said := found[name]; said {
			return npmCaching{}, false
		}
	}
	out := npmCaching{cache: found["cache"], offline: found["offline"] != "" && found["offline"] != "false"}
	if out.cache == "" {
		out.cache = usualNpmCache(env)
	}
	return out, env.Get("NODE_ENV") != "production" && !strings.Contains(out.cache, "${")
}

// usualNpmCache is npm's default (npm's config documentation, "cache").
func usualNpmCache(env environment) string {
	if local := env.Get("LOCALAPPDATA"); runtime.GOOS == "windows" && local != "" {
		return filepath.Join(local, "npm-cache")
	}
	if home := env.Get("HOME"); home != "" {
		return filepath.Join(home, ".npm")
	}
	return ""
}
