package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"hither/cmd/hither/control"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/warm"
)

func TestWarmSaysHowItEnded(t *testing.T) {
	w := newWorld(t)
	w.up()
	same(t, "a wrong argument", w.hither("warm", "./nowhere"), exitUsage)
	same(t, "a wrong platform", w.hither("warm", "--platform", "arm", "nginx"), exitUsage)
	same(t, "an empty directory", w.hither("warm"), exitUsage)
	contains(t, w.err.String(), "go where there is go.mod")
	write(t, filepath.Join(w.home, "Dockerfile"), []byte("FROM scratch\n"))
	same(t, "nothing to fetch", w.hither("warm"), 0)
	contains(t, w.out.String(), "There is nothing to fetch")
	same(t, "quiet", w.hither("warm", "--quiet"), 0)
	same(t, "words", w.out.String()+w.err.String(), "")
	same(t, "json", w.hither("warm", "--json"), 0)
	var r map[string]any
	if err := json.Unmarshal(w.out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"schema", "objects", "already", "fetched", "skipped", "failed", "bytes", "fetched_bytes", "sources", "took_ms", "interrupted"} {
		if value, ok := r[key]; !ok || value == nil {
			t.Errorf("--json has no %s", key)
		}
		contains(t, warmHelp(), key)
	}
}

func TestAWarmerKeepsWhatEitherSideCallsPrivate(t *testing.T) {
	a := &app{settings: settings.Settings{Private: []string{"a.test"}}}
	w := a.newWarmer(session{Ready: control.Ready{Proxy: []string{"x"}}}, warmFlags{}, warm.NewTally(nil, 0), []string{"@corp"})
	same(t, "patterns", join(w.Private), "a.test, @corp")
}

func TestWarmNeedsACacheThatStays(t *testing.T) {
	w := newWorld(t)
	same(t, "status", w.hither("warm", "--cache", "off", "--listen", "127.0.0.1:0", "nginx"), exitUsage)
	contains(t, w.err.String(), "--cache", "nothing would stay")
	same(t, "a full disk is a failure", w.fake.lasting.Load(), true)
}
