package e2e_test

import (
	"net/http"
	"strings"
	"testing"
)

// Done when 1, 2: a multi-layer image from a registry with a token server, by both doors, then from Hither's cache alone.
func TestImagesComeThroughAndStay(t *testing.T) {
	w := newWorld(t)
	o := w.ociWorld()
	w.ociRule(o)
	h := w.hither()
	for _, door := range []string{"gateway", "proxy"} {
		h.pull(o, door, "cold-"+door)
	}
	w.Dark()
	for _, door := range []string{"gateway", "proxy"} {
		h.pull(o, door, "warm-"+door)
	}
	has(t, "why", h.Why("https://"+ociHost+"/v2/library/alpine/blobs/"+o.image.layers[1]), "docker", o.URL)
}

// pull copies the image to a directory of that name and compares every layer. It returns the directory.
func (h *hither) pull(o *ociOrigin, door, name string) string {
	h.w.t.Helper()
	dir := h.w.mkdir(name)
	from, env := "docker://"+h.addr+"/library/alpine:latest", h.w.clientEnv(name)
	if door == "proxy" {
		from, env = "docker://docker.io/library/alpine:latest", h.w.clientEnv(name, proxied(h.addr, h.Trust())...)
	}
	h.w.shell(h.w.dir, env, "skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify="+map[bool]string{true: "true", false: "false"}[door == "proxy"], from, "oci:"+dir+":latest")
	for _, layer := range o.image.layers {
		same(h.w.t, "layer by the "+door, sha256Of([]byte(h.w.read(dir, "blobs", strings.ReplaceAll(layer, ":", "/")))), layer)
	}
	return dir
}

// A pull of an image that nobody has asked for: the token is there before the registry asks for one, so that nothing is
// refused, and what is counted as a pull is the client's own.
func TestAColdPullIsNeverRefused(t *testing.T) {
	w := newWorld(t)
	o := w.ociWorld()
	bare := func(a asked) bool {
		return strings.Contains(a.Path, "/library/") && a.Header.Get("Authorization") == ""
	}
	refused, manifests, tokens := o.Asked(bare), o.Asked(gotten("/manifests/")), o.tokens.Asked(gotten("/token"))
	w.rule("docker", []map[string]any{{"name": ociHost, "origin": []string{o.URL}, "realm": o.tokens.URL + "/token", "service": "world"}})
	w.hither().pull(o, "gateway", "cold")
	for _, c := range []struct {
		what      string
		got, want int
	}{
		{"tokens that were asked for", o.tokens.Asked(gotten("/token")) - tokens, 1},
		{"requests to the registry without one", o.Asked(bare) - refused, 0},
		{"manifests that were got", o.Asked(gotten("/manifests/")) - manifests, 1},
	} {
		if c.got != c.want {
			t.Errorf("%s\n got %d\nwant %d", c.what, c.got, c.want)
		}
	}
}

// Trap 6: a registry sends its blobs from elsewhere, by a redirect that is signed and short-lived. It is followed inside,
// and what is kept is the body.
func TestTrap6RedirectsAreFollowedInside(t *testing.T) {
	w := newWorld(t)
	o := w.ociWorld()
	w.ociRule(o)
	cdn := w.serveTLS("cdn.world.test", withoutToken(o))
	o.Bend(only(gets("/blobs/"), redirects(cdn, http.StatusTemporaryRedirect)))
	h := w.hither()
	h.pull(o, "gateway", "cold")
	if cdn.Asked(gotten("/blobs/")) == 0 {
		t.Error("the redirect was not followed")
	}
	if n := cdn.Asked(func(a asked) bool { return a.Header.Get("Authorization") != "" }); n != 0 {
		t.Errorf("requests that carried the registry's token to another host\n got %d\nwant 0", n)
	}
	cdn.Cut()
	h.pull(o, "gateway", "warm")
}

// withoutToken is a server for those whom the registry sent: it serves the image's blobs to everybody.
func withoutToken(o *ociOrigin) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		digest := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeFile(w, r, o.image.dir+"/blobs/"+strings.ReplaceAll(digest, ":", "/"))
	})
}

// Trap 12: pulls are counted by GETs of manifests at the origin. A tag is asked by HEAD, and a manifest fetched once.
func TestTrap12ATagIsNoPull(t *testing.T) {
	w := newWorld(t)
	o := w.ociWorld()
	w.ociRule(o)
	h := w.hither()
	pushed := o.Asked(gotten("/manifests/"))
	h.pull(o, "gateway", "first")
	h.pull(o, "gateway", "second")
	if got := o.Asked(gotten("/manifests/latest")); got != 0 {
		t.Errorf("GETs of the tag at the origin\n got %d\nwant 0", got)
	}
	if got := o.Asked(gotten("/manifests/")) - pushed; got > 2 {
		t.Errorf("GETs of manifests at the origin for two pulls\n got %d\nwant at most 2 (one without and one with a token)", got)
	}
}
