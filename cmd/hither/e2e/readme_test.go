package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestREADME runs what README.md tells people to type, in its order and with its words; only the port is another. The
// info string of a block says what it is: "sh run" is run in a project, "sh top" at the top of this tree, "sh serve" is
// left running there, and anything else is only to be read. Nothing of it leaves the machine: the rule files of the false world stand in the user's directory.
func TestREADME(t *testing.T) {
	w := newWorld(t)
	gos, npm, oci := w.goWorld(), w.npmWorld(), w.ociWorld()
	w.goRule(gos)
	w.npmRule(npm)
	w.yarnRule(npm)
	w.ociRule(oci)
	r := w.readme(gos, npm)
	blocks := r.blocks(w.read("..", "..", "..", "README.md"))
	if len(blocks) < 4 {
		t.Fatalf("README.md has %d blocks to run; their info strings are lost", len(blocks))
	}
	for _, b := range blocks {
		switch b.kind {
		case "serve":
			r.serve(b.text)
		case "top":
			path := filepath.Join(w.dir, "path")
			w.shell(r.top(), append(r.builder(), "PATH_FILE="+path), "bash", "-euo", "pipefail", "-c", b.text+"\nprintf %s \"$PATH\" >\"$PATH_FILE\"")
			r.env = append(r.env, "PATH="+w.read(path)) // it lasts as long as the shell
		case "run":
			w.shell(r.project, r.env, "bash", "-euo", "pipefail", "-c", b.text)
		}
	}
}

// readme is a person's shell while reading README.md.
type readme struct {
	*world
	env     []string
	project string // a directory with go.mod, package.json and package-lock.json
	addr    string // in place of 127.0.0.1:7890, which may be taken
}

type block struct{ kind, text string }

func (w *world) readme(gos *goOrigin, npm *npmOrigin) *readme {
	w.t.Helper()
	r := &readme{world: w, addr: freeAddr(w)}
	r.project = w.goProject(gos, "project")
	w.npmProject(npm, "project")
	w.shell(r.project, w.clientEnv("lock", proxied(w.relay().addr, w.roots)...), "npm", "install", "--package-lock-only")
	r.env = w.clientEnv("reader", "GOSUMDB="+gos.sumKey,
		"HITHER_STATE="+w.mkdir("state"), "HITHER_RULES="+w.rules, "HITHER_LISTEN="+r.addr)
	return r
}

// blocks finds the fenced blocks that are to be run.
func (r *readme) blocks(text string) []block {
	var found []block
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		kind, ok := strings.CutPrefix(lines[i], "```sh ")
		if !ok {
			continue
		}
		from := i + 1
		for i++; i < len(lines) && lines[i] != "```"; i++ {
			continue
		}
		body := strings.Join(lines[from:i], "\n")
		found = append(found, block{kind, strings.ReplaceAll(body, "127.0.0.1:7890", r.addr)})
	}
	return found
}

// serve starts a block that does not end and waits until Hither answers.
func (r *readme) serve(text string) {
	r.t.Helper()
	log, err := os.Create(filepath.Join(r.dir, "serve.log"))
	r.must(err)
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", text)
	cmd.Dir, cmd.Env = r.top(), r.builder()
	cmd.Stdout, cmd.Stderr = log, log
	r.must(cmd.Start())
	r.t.Cleanup(func() {
		r.end(cmd)
		_ = log.Close()
		if r.t.Failed() {
			r.t.Logf("what %q said:\n%s", text, tail(r.read(r.dir, "serve.log"), 60))
		}
	})
	r.awaitFor(5*time.Minute, "hither of README.md", func() bool {
		_, err := os.Stat(filepath.Join(r.dir, "state", "hither.json"))
		return err == nil
	})
}

// end stops the Hither that a block started; what started it, ends with it.
func (r *readme) end(cmd *exec.Cmd) {
	timer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	var up ready
	data, err := os.ReadFile(filepath.Join(r.dir, "state", "hither.json"))
	if err == nil && json.Unmarshal(data, &up) == nil {
		if process, err := os.FindProcess(up.PID); err == nil {
			_ = process.Signal(os.Interrupt)
		}
	}
	_ = cmd.Wait()
}

// top is the top of the tree.
func (r *readme) top() string { return filepath.Join("..", "..", "..") }

// builder is the reader with the module and build caches of the test, so that building Hither downloads nothing.
func (r *readme) builder() []string {
	r.t.Helper()
	out, err := exec.Command("go", "env", "GOMODCACHE", "GOCACHE", "GOFLAGS").Output()
	r.must(err)
	values := strings.Split(string(out), "\n")
	return append(slices.Clone(r.env), "GOMODCACHE="+values[0], "GOCACHE="+values[1], "GOFLAGS="+values[2])
}
