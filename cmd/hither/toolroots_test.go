package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hither/cmd/hither/environ"
)

// A variable goes before the tool's own settings: what these name is in the file that the variable names, or it is not set.
func TestToolsKeepTheRootsOfTheirOwnSettings(t *testing.T) {
	skipElsewhere(t)
	home, dir := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(home, name) }
	for _, name := range []string{"git", "gitHost", "pip", "xdg", "cargo"} {
		write(t, at(name+".pem"), newRoot(t, name))
	}
	write(t, at("ours"), newRoot(t, "ours"))
	write(t, at(".gitconfig"), []byte("[include]\n path = more\n[http \"https://git.corp/\"]\n sslCAInfo = ~/gitHost.pem\n"))
	write(t, at("more"), []byte("[http]\n sslCAInfo = ~/git.pem\n"))
	write(t, at(".config/pip/pip.conf"), []byte("[global]\ncert: ~/pip.pem\nclient-cert = ~/none.pem\n"))
	elsewhere := t.TempDir()
	write(t, filepath.Join(elsewhere, "pip/pip.conf"), []byte("[global]\ncert = ~/xdg.pem\n"))
	write(t, at(".cargo/config.toml"), []byte("\ufeff[http]\ncainfo = \"cargo.pem\"\n"))
	env := environ.List{"HOME=" + home, "PATH=/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM=1"}
	roots := func(env environ.List) string {
		b := bundler{Env: env, Tools: findToolRoots(env, dir, true).Files, CA: at("ours"), Dir: at("bundle"), System: func(*roots) {}}
		got, err := b.write()
		same(t, "error", err, nil)
		var known []string // this machine's own settings may name more
		for name := range strings.SplitSeq(rootNames(t, got.Path), ", ") {
			if slices.Contains([]string{"git", "gitHost", "pip", "xdg", "cargo", "ours"}, name) {
				known = append(known, name)
			}
		}
		return strings.Join(known, ", ")
	}
	same(t, "what the user's own settings name", roots(env), "git, gitHost, pip, cargo, ours")
	same(t, "a variable goes before them, as without us", roots(append(env, "GIT_SSL_CAINFO="+at("git.pem"), "PIP_CERT="+at("pip.pem"))), "pip, git, cargo, ours")
	same(t, "they are kept elsewhere, also root's", roots(append(env, "XDG_CONFIG_HOME="+elsewhere)), "git, gitHost, xdg, cargo, ours")
	same(t, "pip is told to read nothing", roots(append(env, "PIP_CONFIG_FILE=/dev/null")), "git, gitHost, cargo, ours")
}

// A project says whom its tools believe, and none but them.
func TestAProjectsRootsAreForItsOwnTools(t *testing.T) {
	skipElsewhere(t)
	home, dir := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, ".git/config"), []byte("[http]\n sslCAInfo = /project.pem\n"))
	write(t, filepath.Join(dir, ".git/HEAD"), []byte("ref: refs/heads/main\n"))
	write(t, filepath.Join(dir, ".git/objects/x"), nil)
	write(t, filepath.Join(dir, ".git/refs/x"), nil)
	write(t, filepath.Join(dir, ".cargo/config.toml"), []byte("[http]\ncainfo = \"/project.pem\"\n"))
	env := environ.List{"HOME=" + home, "PATH=/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM=1"}
	in := findToolRoots(env, filepath.Join(dir, ".git"), true)
	same(t, "below it, too", strings.Join(in.Own, " "), "GIT_SSL_CAINFO CARGO_HTTP_CAINFO")
	write(t, filepath.Join(dir, "deep/down/x"), nil)
	in = findToolRoots(env, filepath.Join(dir, "deep/down"), true)
	same(t, "deep in it", strings.Join(in.Own, " "), "GIT_SSL_CAINFO CARGO_HTTP_CAINFO")
	in = findToolRoots(env, dir, true)
	same(t, "left alone", strings.Join(in.Own, " "), "GIT_SSL_CAINFO CARGO_HTTP_CAINFO")
	same(t, "files for others", slices.ContainsFunc(in.Files, func(f namedRoots) bool { return f.path == "/project.pem" }), false)
	p := newPlan(env)
	p.OwnRoots = in.Own
	_, set := p.changes()["GIT_SSL_CAINFO"]
	same(t, "git's variable is set", set, false)
	_, set = p.changes()["SSL_CERT_FILE"]
	same(t, "that of all others is", set, true)
	same(t, "a shell may leave the project", len(findToolRoots(env, dir, false).Own), 0)
}
