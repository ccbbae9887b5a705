package roots

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/install/stage"
)

// A variable goes before the tool's own settings: what these name is in the file that the variable names, or it is not set.
func TestToolsKeepTheRootsOfTheirOwnSettings(t *testing.T) {
	hithertest.SkipElsewhere(t)
	home, dir := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(home, name) }
	for _, name := range []string{"git", "gitHost", "pip", "xdg", "cargo"} {
		hithertest.Write(t, at(name+".pem"), stage.RootPEM(name))
	}
	hithertest.Write(t, at("ours"), stage.RootPEM("ours"))
	hithertest.Write(t, at(".gitconfig"), []byte("[include]\n path = more\n[http \"https://git.corp/\"]\n sslCAInfo = ~/gitHost.pem\n"))
	hithertest.Write(t, at("more"), []byte("[http]\n sslCAInfo = ~/git.pem\n"))
	hithertest.Write(t, at(".config/pip/pip.conf"), []byte("[global]\ncert: ~/pip.pem\nclient-cert = ~/none.pem\n"))
	elsewhere := t.TempDir()
	hithertest.Write(t, filepath.Join(elsewhere, "pip/pip.conf"), []byte("[global]\ncert = ~/xdg.pem\n"))
	hithertest.Write(t, at(".cargo/config.toml"), []byte("\ufeff[http]\ncainfo = \"cargo.pem\"\n"))
	env := environ.List{"HOME=" + home, "PATH=/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM=1"}
	roots := func(env environ.List) string {
		b := Bundler{Env: env, Tools: FindTools(env, dir, true).Files, CA: at("ours"), Dir: at("bundle"), System: func(*Set) {}}
		got, err := b.Write()
		hithertest.Same(t, "error", err, nil)
		var known []string // this machine's own settings may name more
		for name := range strings.SplitSeq(hithertest.RootNames(t, got.Path), ", ") {
			if slices.Contains([]string{"git", "gitHost", "pip", "xdg", "cargo", "ours"}, name) {
				known = append(known, name)
			}
		}
		return strings.Join(known, ", ")
	}
	hithertest.Same(t, "what the user's own settings name", roots(env), "git, gitHost, pip, cargo, ours")
	hithertest.Same(t, "a variable goes before them, as without us", roots(append(env, "GIT_SSL_CAINFO="+at("git.pem"), "PIP_CERT="+at("pip.pem"))), "pip, git, cargo, ours")
	hithertest.Same(t, "they are kept elsewhere, also root's", roots(append(env, "XDG_CONFIG_HOME="+elsewhere)), "git, gitHost, xdg, cargo, ours")
	hithertest.Same(t, "pip is told to read nothing", roots(append(env, "PIP_CONFIG_FILE=/dev/null")), "git, gitHost, cargo, ours")
}
