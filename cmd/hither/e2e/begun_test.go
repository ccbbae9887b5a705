package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// What `go mod download` needs comes while it starts, and it asks for none of it a second time. This one starts late: it
// waits, as the same process, until all of it is here.
func TestWhatGoNeedsComesWhileItStarts(t *testing.T) {
	w := newWorld(t)
	o := w.goWorld()
	w.goRule(o)
	direct := w.goProject(o, "direct")
	w.shell(direct, w.goDirect(o, "direct"), "go", "mod", "tidy")
	h := w.hither()
	dir := w.copyTo("project", direct, "go.mod", "go.sum", "main.go")
	program, err := exec.LookPath("go")
	w.must(err)
	here := filepath.Join(dir, "here")
	late := w.write("bin/go", []byte("#!/bin/sh\nwhile ! [ -e '"+here+"' ]; do sleep 0.02; done\nexec '"+program+"' \"$@\"\n"))
	w.must(os.Chmod(late, 0o700))
	zips := func() int { return o.Asked(func(a asked) bool { return strings.HasSuffix(a.Path, ".zip") }) }
	before, begun := zips(), 0
	var work sync.WaitGroup
	work.Go(func() {
		for deadline := time.Now().Add(time.Minute); begun < len(o.modules) && time.Now().Before(deadline); pause() {
			begun = zips() - before
		}
		_ = os.WriteFile(here, nil, 0o600)
	})
	h.Run(dir, append(w.clientEnv("client", "GOSUMDB="+o.sumKey), "GOWORK="), late, "-C", dir, "mod", "download")
	work.Wait()
	if begun != len(o.modules) {
		t.Errorf("zips that came before it asked\n got %d\nwant %d", begun, len(o.modules))
	}
	if got := zips() - before; got != len(o.modules) {
		t.Errorf("zips that came\n got %d\nwant %d", got, len(o.modules))
	}
	same(t, "go.sum", w.read(dir, "go.sum"), w.read(direct, "go.sum"))
	has(t, "status", h.CLI("status", "--json"), `"why": "the zip of a direct requirement"`)
}
