package e2e_test

import (
	"crypto/tls"
	"path/filepath"
	"strings"
	"testing"
)

// A project's .npmrc says whom npm believes there. Whom git, curl and Node believe, and npm in another project, it must not
// say; nor may npm lose sight of Hither's own root by it.
func TestAProjectsRootIsForNPMAlone(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	w.npmRule(o)
	root := newRoot(t)
	own := w.listen(o.handler, &tls.Config{Certificates: []tls.Certificate{newLeaf(t, root, "localhost")}})
	url := strings.Replace(own.URL, "127.0.0.1", "localhost", 1)
	h := w.hither()
	w.write("project/evil.pem", pemOf(root.Certificate[0]))
	dir := filepath.Dir(w.write("project/.npmrc", []byte("cafile=evil.pem")))
	env := w.clientEnv("client")

	has(t, "npm at a registry that the project vouches for", h.Run(dir, env, "npm", "view", "--registry", url, "pkg-001", "version"), "1.1.0")
	has(t, "npm at the public registry", h.Run(dir, env, "npm", "view", "pkg-001", "version"), "1.1.0")
	strangers := [][]string{
		{"git", "ls-remote", url + "/x.git"},
		{"curl", "-sS", url + "/pkg-001"},
		{"node", "-e", "require('https').get('" + url + "/pkg-001').on('error', e => { console.error(e.message, 'certificate'); process.exit(1) })"},
		{"npm", "view", "--global", "--registry", url, "pkg-002"},
	}
	env = append(env, "HITHER_STATE="+h.state, "HITHER_RULES="+w.rules, "HITHER_CONFIG="+h.state+".toml", "npm_config_fetch_retries=0")
	for _, command := range strangers {
		out, err := w.try(dir, env, h.bin, append([]string{"run", "--"}, command...)...)
		if err == nil {
			t.Errorf("%v believed the project's root:\n%s", command, out)
		}
		has(t, command[0], out, "certificate")
	}
	if asked := own.Asked(func(a asked) bool {
		return !strings.HasPrefix(a.Path, "/pkg-001") || !strings.Contains(a.Header.Get("User-Agent"), "npm/")
	}); asked != 0 {
		t.Errorf("requests of others at the project's registry\n got %d\nwant 0", asked)
	}
}
