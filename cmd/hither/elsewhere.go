package main

import (
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"hither/forward/peer"
	"hither/forward/project"
)

// elsewhere are patterns of what a client gets from others than the public registries, by its environment and the files of
// its user and its project: those must not hear the names because of a guess. Hither's own environment says nothing of it.
func (p *projects) elsewhere(process peer.Process, env environment) []string {
	home := env.Get("HOME")
	if home == "" {
		home, _ = os.UserHomeDir() // the client's, too: it is the same user
	}
	env = append(environment{"PREFIX=" + os.Getenv("PREFIX")}, env...)
	registries := warmRegistries{Env: env, Home: home, Own: p.Own}.npm(process.Dir)
	if registries.Default == npmRegistry {
		p.addOthers(&registries, npmrcFiles(env, home, process.Dir), env)
	}
	private := append(privateModules(env), registries.Private()...)
	if registries.Default != npmRegistry {
		private = append(private, strings.TrimPrefix(npmRegistry, "https://")+"/*")
	}
	return private
}

// addOthers takes any line of npm's files for the one that counts that names another registry than npm's: which does is up
// to the program, and to how it was called.
func (p *projects) addOthers(to *project.Registries, files []string, env environment) {
	chosen := lookupNpm(env, "registry") != "" // it goes before all files
	for _, file := range files {
		data, err := readSettingsFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			key, value, _ := strings.Cut(line, "=")
			name := unquoteINI(key)
			scope, scoped := strings.CutSuffix(name, ":registry")
			if name != "registry" && !scoped {
				continue
			}
			value = strings.TrimRight(unquoteINI(value), "/") // of a variable nobody here knows what it says
			u, err := url.Parse(value)
			switch {
			case value == "" || value == npmRegistry || err == nil && slices.Contains(p.Own, u.Host):
			case scoped:
				to.Scopes[scope] = value
			case !chosen:
				to.Default = value
			}
		}
	}
}

// privateModules are those that the go command does not ask the public proxy for. What its environment itself says of them
// peer.Process.Private has.
func privateModules(env environment) (private []string) {
	settings := goEnv{Env: env, ReadFile: readSettingsFile}
	for _, name := range []string{"GOPRIVATE", "GONOPROXY"} {
		if value := settings.Get(name); value != "" {
			private = append(private, value)
		}
	}
	if goesElsewhere(settings.Get("GOPROXY")) {
		private = append(private, strings.TrimPrefix(publicGoProxy, "https://")+"/*")
	}
	return private
}

// goesElsewhere says that a GOPROXY list begins neither with the public proxy, nor with one of this machine, which may be we.
func goesElsewhere(list string) bool {
	first := list
	if i := strings.IndexAny(list, ",|"); i >= 0 {
		first = list[:i]
	}
	u, err := url.Parse(strings.TrimRight(strings.TrimSpace(first), "/"))
	if first == "" || err == nil && u.String() == publicGoProxy {
		return false
	}
	if err != nil {
		return true
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	return !ip.IsLoopback() && u.Hostname() != "localhost"
}

// npmSpellings writes the names of npm's variables small: npm reads them in any letters, and of several the last.
func npmSpellings(env environment) environment {
	out := make(environment, 0, len(env))
	for _, line := range env {
		name, value, _ := strings.Cut(line, "=")
		if small := strings.ToLower(name); strings.HasPrefix(small, "npm_config_") {
			line = small + "=" + value
		}
		out = append(out, line)
	}
	return out
}
