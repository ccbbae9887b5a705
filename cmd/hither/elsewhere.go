package main

import (
	"net/netip"
	"net/url"
	"os"
	"strings"

	"hither/forward/peer"
)

// elsewhere are patterns of what a client gets from others than the public registries, by its environment and the files of
// its user and its project: those must not hear the names because of a guess. Hither's own environment says nothing of it.
func (p *projects) elsewhere(process peer.Process, env environment) []string {
	home := env.Get("HOME")
	if home == "" {
		home, _ = os.UserHomeDir() // the client's, too: it is the same user
	}
	registries := warmRegistries{Env: append(environment{"PREFIX=" + os.Getenv("PREFIX")}, env...), Home: home, Own: p.Own}.npm(process.Dir)
	private := append(privateModules(env), registries.Private()...)
	if registries.Default != npmRegistry {
		private = append(private, strings.TrimPrefix(npmRegistry, "https://")+"/*")
	}
	return private
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
