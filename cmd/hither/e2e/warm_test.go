package e2e_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// warmed is what the tests need of `hither warm --json`.
type warmed struct {
	Schema      int              `json:"schema"`
	Objects     int              `json:"objects"`
	Already     int              `json:"already"`
	Fetched     int              `json:"fetched"`
	Skipped     map[string]int   `json:"skipped"`
	Failed      []warmFailed     `json:"failed"`
	Missing     []string         `json:"missing"`
	Bytes       int64            `json:"bytes"`
	Sources     map[string]int64 `json:"sources"`
	Interrupted bool             `json:"interrupted"`
}

func (r warmed) here() int { return r.Already + r.Fetched }

type warmFailed struct {
	URL  string `json:"url"`
	Err  string `json:"error"`
	Next string `json:"next"`
}

// warm runs `hither warm` beside the running child and returns its words and its exit status.
func (h *hither) warm(dir string, args ...string) (warmed, string, int) {
	h.w.t.Helper()
	cmd := h.warmCommand(dir, args...)
	out, err := cmd.Output()
	var report warmed
	if len(out) > 0 && out[0] == '{' {
		h.w.must(json.Unmarshal(out, &report))
	}
	text := string(out)
	if exit := (*exec.ExitError)(nil); err != nil && errors.As(err, &exit) {
		text += string(exit.Stderr)
	}
	return report, text, cmd.ProcessState.ExitCode()
}

func (h *hither) warmCommand(dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(h.w.t.Context(), h.bin, append([]string{"warm"}, args...)...)
	cmd.Dir = dir
	cmd.Env = slices.Concat(h.env, []string{"HITHER_STATE=" + h.state, "HITHER_RULES=" + h.w.rules})
	return cmd
}

// warmWhole is warm for what must come whole.
func (h *hither) warmWhole(dir string, args ...string) warmed {
	h.w.t.Helper()
	report, text, status := h.warm(dir, append([]string{"--json"}, args...)...)
	if status != 0 || report.Already+report.Fetched != report.Objects || report.Objects == 0 {
		h.w.t.Fatalf("hither warm %s: exit status %d\n%s", strings.Join(args, " "), status, text)
	}
	return report
}

// A warmed project builds with the upstreams off, and to warm it again costs nothing.
func TestWarmModulesNeedNoUpstream(t *testing.T) {
	w := newWorld(t)
	o := w.goWorld()
	w.goRule(o)
	dir := w.goProject(o, "direct")
	w.shell(dir, w.goDirect(o, "direct"), "go", "mod", "tidy")
	h := w.hither()
	first := h.warmWhole(dir)
	if first.Fetched == 0 || first.Sources[o.URL] == 0 { // some of it Hither may have fetched ahead by itself
		t.Errorf("the first time\n got %+v\nwant it fetched from %s", first, o.URL)
	}
	asked := o.Asked(nil)
	second := h.warmWhole(dir)
	if second.Already != second.Objects || o.Asked(nil) != asked {
		t.Errorf("the second time\n got %+v with %d requests\nwant all of it there before", second, o.Asked(nil)-asked)
	}
	w.Dark()
	fresh := w.copyTo("fresh", dir, "go.mod", "go.sum", "main.go")
	w.shell(fresh, h.goGateway(o, "fresh"), "go", "mod", "download")
	w.shell(fresh, h.goProxied(o, "fresh"), "go", "list", "-deps", "-test", "./...") // all that a build reads, without its work
	same(t, "go.sum", w.read(fresh, "go.sum"), w.read(dir, "go.sum"))
}

// npmLocked is npmProject with the lock file that npm would write, which takes npm seconds.
func (w *world) npmLocked(o *npmOrigin, name string) string {
	w.t.Helper()
	packages := map[string]any{"": map[string]any{"name": "project", "version": "1.0.0"}}
	for _, p := range o.packages {
		dist := npmDist(npmTarball(p), o.tarballs[npmTarball(p)])
		packages["node_modules/"+p.name] = map[string]any{"version": p.version, "resolved": dist["tarball"], "integrity": dist["integrity"]}
	}
	dir := w.npmProject(o, name)
	w.write(filepath.Join(name, "package-lock.json"), asJSON(map[string]any{"lockfileVersion": 3, "packages": packages}))
	return dir
}

// Without a Hither that is up, one is started for the time, and what it fetched is there for the next.
func TestWarmStartsItsOwnHither(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	w.npmRule(o)
	dir := w.npmProject(o, "direct")
	w.shell(dir, w.clientEnv("direct", proxied(w.relay().addr, w.roots)...), "npm", "install", "--package-lock-only")
	h := w.newHither(racingHither, []string{"HITHER_LISTEN=127.0.0.1:0"})
	before := h.warmWhole(dir, "package-lock.json")
	if before.Objects != len(o.packages) {
		t.Errorf("packages\n got %d\nwant %d", before.Objects, len(o.packages))
	}
	h.Start()
	w.Dark()
	h.npmCI(o, dir, "warm")
	_, text, status := h.warm(dir)
	if status != 0 {
		t.Errorf("with everything here\n got exit status %d\nwant 0\n%s", status, text)
	}
	has(t, "the summary", text, "220 of 220 objects are here", "220 from before, and 0 that came")
}

// An image by name and a Dockerfile: the tag, the platform's manifest, and all it consists of.
func TestWarmImagesNeedNoUpstream(t *testing.T) {
	w := newWorld(t)
	o := w.ociWorld()
	w.ociRule(o)
	h := w.hither()
	dir := w.mkdir("project")
	w.write("project/Dockerfile", []byte("ARG OF=alpine\nFROM docker.io/library/${OF} AS build\nFROM registry.unknown.test/a:1\nCOPY --from=build / /\n"))
	report, text, status := h.warm(dir, "--json", "--platform", "linux/amd64")
	if status != 0 || report.here() != 8 || report.Skipped["no_rule"] != 1 {
		t.Fatalf("hither warm\n got exit status %d, %s\nwant 8 objects (a manifest, a configuration, six layers) and one left out", status, text)
	}
	h.warmWhole(dir, "alpine", "docker.io/library/alpine:latest")
	_, text, status = h.warm(dir, "alpine", "registry.unknown.test/a:1")
	if status != 1 {
		t.Errorf("an image of no rule, by name\n got exit status %d\nwant 1", status)
	}
	has(t, "what failed", text, "https://registry.unknown.test/v2/a/manifests/1: no rule speaks of it; ")
	w.Dark()
	h.pull(o, "gateway", "warm")
}

// What fails does not keep the rest from coming, and is told with its reason; later only that is fetched.
func TestWarmTellsWhatFailed(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	w.npmRule(o)
	dir := w.npmLocked(o, "direct")
	bad := npmTarball(o.packages[7])
	o.Bend(only(gets(bad), flips))
	h := w.hither()
	report, text, status := h.warm(dir, "--json")
	if status != 1 || len(report.Failed) != 1 || report.here() != len(o.packages)-1 {
		t.Fatalf("with one bad tarball\n got exit status %d, %s\nwant 1, and all the others", status, text)
	}
	has(t, "the failure", report.Failed[0].URL+" "+report.Failed[0].Err, bad, "other bytes than the lock file expects")
	_, text, status = h.warm(dir, "--dry-run")
	if status != 0 || strings.TrimSpace(strings.SplitN(text, "\n", 2)[0]) != "https://"+npmHost+bad {
		t.Errorf("--dry-run\n got %d %s\nwant the one that is missing", status, text)
	}
	o.Bend(only(gets(bad), answers(http.StatusNotFound)))
	_, text, status = h.warm(dir)
	if status != 1 {
		t.Errorf("with one that is gone\n got exit status %d\nwant 1", status)
	}
	has(t, "the failure", text, "hither: https://"+npmHost+bad+": the registry does not have it (404); ", "1 of 220 objects failed")
	o.Bend(nil)
	h.Stop() // or its absence would be remembered for a while
	h.Start()
	report = h.warmWhole(dir)
	if report.Fetched != 1 || report.Already != len(o.packages)-1 {
		t.Errorf("afterwards\n got %+v\nwant one fetched", report)
	}
}

// Ctrl-C ends it at once, and the same command goes on from there.
func TestWarmGoesOnWhereItWasStopped(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	w.npmRule(o)
	dir := w.npmLocked(o, "direct")
	h := w.hither()
	o.Bend(only(gets(".tgz"), hangsAfter(100)))
	cmd := h.warmCommand(dir, "--json")
	file, err := os.Create(filepath.Join(w.dir, "stopped.json"))
	w.must(err)
	cmd.Stdout = file
	w.must(cmd.Start())
	w.await("the requests that hang", func() bool { return o.Asked(gotten(".tgz")) >= 104 })
	w.must(cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	w.must(file.Close())
	if got := cmd.ProcessState.ExitCode(); got != 130 {
		t.Errorf("exit status after Ctrl-C\n got %d\nwant 130", got)
	}
	var stopped warmed
	w.must(json.Unmarshal([]byte(w.read(file.Name())), &stopped))
	if !stopped.Interrupted || stopped.here() < 1 || stopped.here() > 100 {
		t.Errorf("what was here after Ctrl-C\n got %+v\nwant no more than 100 objects", stopped)
	}
	o.Bend(nil)
	o.Cut() // what hangs would be waited for
	o.Mend()
	asked := o.Asked(gotten(".tgz"))
	report := h.warmWhole(dir)
	if report.Already < stopped.here() || report.Fetched > len(o.packages)-stopped.here() {
		t.Errorf("the second run\n got %+v\nwant the rest fetched", report)
	}
	if again := o.Asked(gotten(".tgz")) - asked; again > len(o.packages)-stopped.here() {
		t.Errorf("tarballs asked for in the second run\n got %d\nwant at most %d", again, len(o.packages)-stopped.here())
	}
}

// hangsAfter answers n requests and never the others.
func hangsAfter(n int64) fault {
	var served atomic.Int64
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if served.Add(1) > n {
			hangs(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}
