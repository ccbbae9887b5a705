// Package child is a command that somebody wants run, and what it is given so that it and its children come through Hither, and
// believe it.
//
//	changes := child.Plan{Env: env, Proxy: proxy, Bundle: bundle}.Changes()
//	command, err := child.Command(args)
package child

import (
	"slices"
	"strings"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/goenv"
	"hither/cmd/hither/roots"
	"hither/forward/npmrc"
)

// Plan is what is known when an environment is made.
type Plan struct {
	Env     environ.List // the user's, before Hither changed it
	Proxy   string       // HOST:PORT of the running Hither
	Bundle  roots.Bundle
	Npm     npmrc.Trust
	GoProxy string // GOPROXY as the go command sees it; empty: its default

	OwnRoots []string // variables that are left alone: the project names a file of roots for their tool
}

// Changes are the variables that send the tools of a shell through Hither. Nothing is ever unset.
//
// Left out on purpose: JAVA_TOOL_OPTIONS, because a JVM reads no PEM file, a trust store made for it would replace the
// user's own, and each JVM would print a line about it; AWS_CA_BUNDLE and the like, because hosts in no rule are
// tunnelled unseen and keep their own certificates; everything that weakens TLS.
func (p Plan) Changes() map[string]*string {
	set := map[string]*string{}
	p.addProxy(set)
	p.addRoots(set)
	if list, ok := goenv.ThroughGateway(p.GoProxy, "http://"+p.Proxy+"/go"); ok {
		put(set, "GOPROXY", list)
	}
	return set
}

// addProxy sets both spellings: curl reads http_proxy in small letters only, others the large ones.
func (p Plan) addProxy(set map[string]*string) {
	address, direct := "http://"+p.Proxy, p.noProxy()
	for name, value := range map[string]string{"HTTP_PROXY": address, "HTTPS_PROXY": address, "NO_PROXY": direct} {
		put(set, name, value)
		if !environ.FoldsCase {
			put(set, strings.ToLower(name), value)
		}
	}
	put(set, "NODE_USE_ENV_PROXY", "1") // Node's own http and fetch, from 22.21 and 24.5
	// Yarn from version 2 on looks at these alone. YARN_NO_PROXY must not be set: Yarn stops at settings it does not know.
	put(set, "YARN_HTTP_PROXY", address)
	put(set, "YARN_HTTPS_PROXY", address)
	if p.Npm.Proxy {
		put(set, "npm_config_proxy", address)
		put(set, "npm_config_https_proxy", address)
	}
}

// noProxy keeps the user's list. Where Go programs do not read our roots from a file, the two hosts that the go command
// asks are added: it reaches them by the gateway or by itself, and never meets a certificate it cannot check.
func (p Plan) noProxy() string {
	list := environ.SplitList([]string{p.Env.Get("NO_PROXY"), p.Env.Get("no_proxy")})
	list = append(list, "localhost", "127.0.0.1", "::1")
	if !roots.GoReadsBundle {
		list = append(list, "proxy.golang.org", "sum.golang.org")
	}
	var out []string
	for _, item := range list {
		if !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return strings.Join(out, ",")
}

// addRoots points tools at the bundle. Where it is not complete, only those get it whose roots the user had replaced by a
// file that is in it. Those that add to roots of their own get what they lack.
func (p Plan) addRoots(set map[string]*string) {
	for _, name := range roots.AddingVariables() {
		put(set, name, p.Bundle.Added)
	}
	for _, name := range []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO"} {
		if (p.Bundle.Complete || p.Env.Get(name) != "") && !slices.Contains(p.OwnRoots, name) {
			put(set, name, p.Bundle.Path)
		}
	}
	if p.Env.Get("YARN_HTTPS_CA_FILE_PATH") != "" {
		put(set, "YARN_HTTPS_CA_FILE_PATH", p.Bundle.Path)
	}
	if p.Bundle.Npm != "" {
		p.addNpmRoots(set)
	}
}

// addNpmRoots goes before whatever else says whom npm believes. The name counts in any case of letters, and of cafile and
// ca, which npm passes over when it is empty, the later one in the environment.
func (p Plan) addNpmRoots(set map[string]*string) {
	put(set, "npm_config_cafile", p.Bundle.Npm)
	for _, line := range p.Env {
		switch name, _, _ := strings.Cut(line, "="); {
		case environ.Has(set, name):
		case strings.EqualFold(name, "npm_config_cafile"):
			put(set, name, p.Bundle.Npm)
		case strings.EqualFold(name, "npm_config_ca"):
			put(set, name, "")
		}
	}
}

// Warnings are what the user should know about this environment.
func (p Plan) Warnings() []string {
	out := p.Bundle.Warnings
	if slices.Contains(environ.SplitList([]string{p.Env.Get("NO_PROXY"), p.Env.Get("no_proxy")}), "*") {
		out = append(out, "NO_PROXY is *, so most tools will go past Hither: unset it, or name single hosts in it")
	}
	return out
}

func put(set map[string]*string, name, value string) { set[name] = &value }
