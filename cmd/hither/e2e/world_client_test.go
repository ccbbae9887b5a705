package e2e_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clientEnv is the environment of a client that never ran before: a home of its own, empty caches, and nothing of this
// machine's proxies or certificates. What is given comes on top; NAME= unsets.
func (w *world) clientEnv(name string, extra ...string) []string {
	w.t.Helper()
	home := w.mkdir(filepath.Join("home", name))
	w.write(filepath.Join("home", name, ".config/go/telemetry/mode"), []byte("off")) // else go counts in there when the test has ended
	env := []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "TMPDIR=" + w.mkdir("tmp"), "XDG_RUNTIME_DIR=" + home,
		"SSL_CERT_FILE=" + w.roots, "SSL_CERT_DIR=" + w.mkdir("none"),
		"GOPATH=" + filepath.Join(home, "go"), "GOMODCACHE=" + filepath.Join(home, "gomod"), "GOCACHE=" + filepath.Join(home, "gocache"),
		"GORACE=atexit_sleep_ms=0", // a child with the race detector else takes a second to end
		"GOFLAGS=-modcacherw", "GOTOOLCHAIN=local", "GOENV=off", "GOWORK=off",
		"npm_config_cache=" + filepath.Join(home, "npm"), "npm_config_userconfig=" + filepath.Join(home, "npmrc"),
		"npm_config_globalconfig=" + filepath.Join(home, "npmrc.global"),
		"npm_config_audit=false", "npm_config_fund=false", "npm_config_update_notifier=false",
	}
	return append(env, extra...)
}

// proxied is what sends a client through a CONNECT proxy, and makes it believe one more file of certificates.
func proxied(addr, roots string) []string {
	env := []string{"SSL_CERT_FILE=" + roots, "NODE_EXTRA_CA_CERTS=" + roots, "CURL_CA_BUNDLE=" + roots, "GIT_SSL_CAINFO=" + roots}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		env = append(env, name+"=http://"+addr)
	}
	return append(env, "NO_PROXY=", "no_proxy=")
}

// shell runs a client, which must succeed, and returns what it said.
func (w *world) shell(dir string, env []string, name string, args ...string) string {
	w.t.Helper()
	out, err := w.try(dir, env, name, args...)
	if err != nil {
		w.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// try runs a client, which may fail. Four minutes are more than any of them needs.
func (w *world) try(dir string, env []string, name string, args ...string) (string, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// await waits until ready is true; a minute is too long for anything on this machine.
func (w *world) await(what string, ready func() bool) {
	w.t.Helper()
	w.awaitFor(time.Minute, what, ready)
}

// awaitFor is await for what a compiler has a part in.
func (w *world) awaitFor(most time.Duration, what string, ready func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(most); !ready(); pause() {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: still not so after %v", what, most)
		}
	}
}

// pause is for waiting on another process, where no event can be waited for.
func pause() { <-time.After(20 * time.Millisecond) }

// read returns a file of the world.
func (w *world) read(parts ...string) string {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	w.must(err)
	return string(data)
}

// copyTo copies files of the repository into a new directory of the world.
func (w *world) copyTo(name, from string, files ...string) string {
	w.t.Helper()
	for _, file := range files {
		w.write(filepath.Join(name, file), []byte(w.read(from, file)))
	}
	return filepath.Join(w.dir, name)
}

// count counts the files below dir whose name ends with suffix.
func (w *world) count(dir, suffix string) int {
	w.t.Helper()
	n := 0
	w.must(filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, suffix) {
			n++
		}
		return err
	}))
	return n
}

// same reports two texts that should be one, without printing thousands of lines.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		g, w := lineAt(gotLines, i), lineAt(wantLines, i)
		if g != w {
			t.Fatalf("%s: line %d\n got %s\nwant %s", what, i+1, g, w)
		}
	}
}

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(no such line)"
}

// has reports a text that does not hold all it should.
func has(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s\n got %s\nwant something with %q", what, text, part)
		}
	}
}

func gunzip(t *testing.T, data []byte) []byte {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(zipped)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// live skips a test that uses the real registries where the machine cannot reach them.
func live(t *testing.T) {
	t.Helper()
	if os.Getenv("HITHER_LIVE") == "0" {
		t.Skip("HITHER_LIVE=0: the real registries are not to be used here")
	}
}
