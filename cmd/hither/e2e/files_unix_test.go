//go:build unix

package e2e_test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestNewClientsComeInWhereConnectionsAreKeptForLater lets Hither open 64 files, of which it needs some twenty for itself. A crowd leaves
// one connection each to the registry, and its own. Who comes later needs those of the first kind, which nobody uses.
func TestNewClientsComeInWhereConnectionsAreKeptForLater(t *testing.T) {
	const crowd, later = 18, 16
	w := newWorld(t)
	var all sync.WaitGroup
	all.Add(crowd)
	registry := w.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/crowd") {
			all.Done()
			all.Wait()
		}
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	h := w.hitherOfFewFiles(registry)
	clients := &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: crowd + later}}
	t.Cleanup(clients.CloseIdleConnections)
	var came sync.WaitGroup
	for range crowd {
		came.Go(func() { h.asks(clients, "/crowd") })
	}
	came.Wait()
	for range later {
		one := &http.Client{Timeout: 40 * time.Second, Transport: new(http.Transport)}
		t.Cleanup(one.CloseIdleConnections)
		h.asks(one, "/later")
	}
}

// TestMoreClientsThanFilesAreServedInTurn has more clients come at once than Hither may have files open: it must not take so many in
// that none is left to ask the registry for them.
func TestMoreClientsThanFilesAreServedInTurn(t *testing.T) {
	w := newWorld(t)
	h := w.hitherOfFewFiles(w.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })))
	clients := &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	t.Cleanup(clients.CloseIdleConnections)
	var came sync.WaitGroup
	for range 100 {
		came.Go(func() { h.asks(clients, "/many") })
	}
	came.Wait()
}

// TestClientsOfWhatLiesReadyMakeRoomForOthers has each of a crowd get the same, which lies ready for it, and keep its connection.
func TestClientsOfWhatLiesReadyMakeRoomForOthers(t *testing.T) {
	w := newWorld(t)
	h := w.hitherOfFewFiles(w.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })))
	var came sync.WaitGroup
	for i := range 100 {
		one := &http.Client{Timeout: 40 * time.Second, Transport: new(http.Transport)}
		t.Cleanup(one.CloseIdleConnections)
		if i < 3 { // so that it lies ready
			h.asks(one, "/kept/one")
			continue
		}
		came.Go(func() { h.asks(one, "/kept/one") })
	}
	came.Wait()
}

// hitherOfFewFiles lets Hither open 64 files, and passes everything under /here to a registry.
func (w *world) hitherOfFewFiles(registry *wire) *hither {
	w.t.Helper()
	w.write("rules.d/crowd.toml", []byte(`name = "crowd"
home = "https://world.test"
gateway = "/here"
[[host]]
name = "registry.world.test"
origin = ["`+registry.URL+`"]
[[path]]
match = "/kept/{all...}"
keep = "forever"
[[path]]
match = "/{all...}"
keep = "never"
`))
	h := w.newHither(plainHither, nil)
	h.bin = w.write("few.sh", []byte("#!/bin/sh\nulimit -n 64\nexec "+h.bin+` "$@"`+"\n"))
	w.must(os.Chmod(h.bin, 0o700))
	h.Start()
	return h
}

// asks wants 200 and the path of the rule's gateway.
func (h *hither) asks(c *http.Client, path string) {
	h.w.t.Helper()
	began := time.Now()
	answer, err := c.Get("http://" + h.addr + "/here" + path)
	if err != nil {
		h.w.t.Errorf("%s after %v\n got %v\nwant %q", path, time.Since(began).Round(time.Second), err, path)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if string(body) != path || err != nil {
		h.w.t.Errorf("%s\n got %s %q %v\nwant %q", path, answer.Status, body, err, path)
	}
}
