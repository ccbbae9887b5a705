package e2e_test

import (
	"net/http"
	"strings"
	"testing"
)

// serveAt puts a handler on a plain wire at another loopback address: what shares one is of one operator.
func (w *world) serveAt(host string, handler http.Handler) *wire {
	wire := &wire{t: w.t, handler: handler, addr: host + ":0"}
	wire.Mend()
	w.t.Cleanup(wire.Cut)
	w.wires = append(w.wires, wire)
	return wire
}

// A tag while Docker Hub does not answer: two mirrors of different operators must agree on the digest, and it is said so.
func TestTwoMirrorsSpeakForASilentOrigin(t *testing.T) {
	w := newWorld(t)
	o := w.ociWorld()
	one, two := w.serveAt("127.0.0.2", o.handler), w.serveAt("127.0.0.3", o.handler)
	w.ociRule(o, one, two)
	h := w.hither()
	o.Cut()
	h.pull(o, "gateway", "client")
	quorum := "quorum of " + one.addr + " and " + two.addr
	same(t, "Cache-Status of the tag", h.cacheStatus("/v2/library/alpine/manifests/latest"), `Hither; hit; detail="`+quorum+`"`)
	has(t, "why", h.Why("https://"+ociHost+"/v2/library/alpine/manifests/latest"), quorum)
	has(t, "the log", w.read(h.log()), quorum)
	if n := one.Asked(gotten("/manifests/latest")) + two.Asked(gotten("/manifests/latest")); n != 0 {
		t.Errorf("GETs of the tag at mirrors\n got %d\nwant 0: the bytes are asked for by their digest", n)
	}
}

func TestOneMirrorDoesNotSpeakForTheOrigin(t *testing.T) {
	for name, c := range map[string]struct {
		second func(w *world, o *ociOrigin) *wire
		args   []string
		want   string // of the status
	}{
		"the other one says something else": {func(w *world, o *ociOrigin) *wire {
			liar := w.serveAt("127.0.0.3", o.handler)
			liar.Bend(only(heads("/manifests/latest"), namesAnother))
			return liar
		}, nil, "502"},
		"the other one is the same one": {func(w *world, o *ociOrigin) *wire { return w.serveAt("127.0.0.2", o.handler) }, nil, "502"},
		"the other one only redirects to it": {func(w *world, o *ociOrigin) *wire {
			echo := w.serveAt("127.0.0.3", o.handler)
			echo.Bend(redirects(w.wires[len(w.wires)-2], http.StatusTemporaryRedirect))
			return echo
		}, nil, "502"},
		"but the user said that it may": {func(w *world, o *ociOrigin) *wire { return w.serveAt("127.0.0.2", o.handler) },
			[]string{"--trust-one-mirror", "docker"}, "200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o := w.ociWorld()
			one := w.serveAt("127.0.0.2", o.handler)
			w.ociRule(o, one, c.second(w, o))
			h := w.hither(c.args...)
			o.Cut()
			status, _, err := h.ask(t, "https://"+ociHost+"/v2/library/alpine/manifests/latest", "Accept", ociManifest)
			w.must(err)
			same(t, "status", strings.TrimSpace(http.StatusText(status)), http.StatusText(map[string]int{"200": 200, "502": 502}[c.want]))
		})
	}
}

// heads is true for HEAD requests of a path.
func heads(suffix string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, suffix)
	}
}

// namesAnother says that the tag means another manifest.
func namesAnother(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", ociManifest)
	w.Header().Set("Docker-Content-Digest", sha256Of([]byte("another")))
}

// cacheStatus asks the gateway and returns what it says of the cache.
func (h *hither) cacheStatus(path string) string {
	h.w.t.Helper()
	req, err := http.NewRequestWithContext(h.w.t.Context(), http.MethodGet, "http://"+h.addr+path, nil)
	h.w.must(err)
	req.Header.Set("Accept", ociManifest)
	answer, err := h.Client().Do(req)
	h.w.must(err)
	defer func() { _ = answer.Body.Close() }()
	status := answer.Header.Get("Cache-Status")
	state, detail, _ := strings.Cut(status, "; detail=")
	state, _, _ = strings.Cut(state, "; ttl=")
	return state + "; detail=" + detail
}
