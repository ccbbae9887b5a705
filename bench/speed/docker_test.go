//go:build linux

package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hither/bench/lab"
)

func TestDockerIsToldOfHitherByItsMirrorAlone(t *testing.T) {
	w := &world{World: &lab.World{Links: []lab.Link{{Name: farLink}}}}
	for _, c := range []struct {
		how  way
		want []string
	}{
		{direct, nil},
		{level1, []string{"http://" + lab.ProxyAddr}},
		{warm, []string{"http://" + lab.ProxyAddr}},
	} {
		dir := filepath.Join(t.TempDir(), "etc")
		if err := w.writeEtc(dir, c.how); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, "docker", "daemon.json"))
		if err != nil {
			t.Fatal(err)
		}
		var settings struct {
			Mirrors []string `json:"registry-mirrors"`
		}
		if err := json.Unmarshal(data, &settings); err != nil || !slices.Equal(settings.Mirrors, c.want) {
			t.Errorf("mirrors, %s\ngot  %v, %v\nwant %v", c.how, settings.Mirrors, err, c.want)
		}
		hosts, err := os.ReadFile(filepath.Join(dir, "hosts"))
		same(t, "Docker Hub is known, at the far end, "+string(c.how), strings.Contains(string(hosts), lab.ServerAddr(0)+" "+ociHost), c.how == direct)
		same(t, "a hosts file", err == nil && len(hosts) > 0, true)
	}
	if err := w.writeEtc(t.TempDir(), level2); err == nil {
		t.Error("dockerd by `hither run`\ngot  no error\nwant one")
	}
}

func TestAPullThatWentAnotherWayDoesNotCount(t *testing.T) {
	const started = `time="2026-11-21T23:46:19Z" level=info msg="API listen on /run/docker.sock"` + "\n"
	const left = `time="2026-11-21T23:47:01Z" level=info msg="Attempting next endpoint for pull after error: unexpected EOF"` + "\n"
	if err := passedOver([]byte(started)); err != nil {
		t.Errorf("all went as told\ngot  %v\nwant no error", err)
	}
	if err := passedOver([]byte(started + left + started)); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("the mirror failed\ngot  %v\nwant the reason", err)
	}
}

func TestAnotherImageDoesNotCount(t *testing.T) {
	docker := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/images/app:latest/json" {
			http.Error(w, `{"message":"no such image"}`, http.StatusNotFound)
			return
		}
		w.Write([]byte(`{"Id":"sha256:1234"}`))
	}))
	socket := filepath.Join(t.TempDir(), dockerSocket)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	docker.Listener = listener
	docker.Start()
	defer docker.Close()
	e := &engine{api: overSocket(socket)}
	if err := e.verify(t.Context(), "app", "sha256:5678"); err == nil || !strings.Contains(err.Error(), "sha256:1234 instead of sha256:5678") {
		t.Errorf("another image\ngot  %v\nwant an error with both ids", err)
	}
	if err := e.verify(t.Context(), "other", "sha256:5678"); err == nil || !strings.Contains(err.Error(), "no such image") {
		t.Errorf("no image\ngot  %v\nwant what dockerd says", err)
	}
}
