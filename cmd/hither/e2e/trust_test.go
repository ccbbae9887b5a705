package e2e_test

import (
	"net/http"
	"testing"
)

// Trap 5: a mirror carries bytes that somebody else has named. What a tag, a version or a name means, no mirror is asked
// while the origin answers.
func TestTrap5NoMirrorResolves(t *testing.T) {
	w := newWorld(t)
	gos, npm, oci := w.goWorld(), w.npmWorld(), w.ociWorld()
	goMirror, npmMirror, ociMirror := w.serve(gos.handler), w.serve(npm.handler), w.serve(oci.handler)
	w.goRule(gos, goMirror)
	w.npmRule(npm, npmMirror)
	w.ociRule(oci, ociMirror)
	h := w.hither()
	h.get(t, "https://proxy.golang.org/world.test/m001/@v/list")
	h.get(t, "https://proxy.golang.org/world.test/m001/@latest")
	h.get(t, "https://proxy.golang.org/sumdb/"+sumName+"/lookup/world.test/m001@v1.2.3")
	h.get(t, "https://"+npmHost+"/pkg-001")
	h.pull(oci, "gateway", "pulled")
	for name, mirror := range map[string]*wire{"go": goMirror, "npm": npmMirror} {
		if got := mirror.Asked(nil); got != 0 {
			t.Errorf("requests at the %s mirror\n got %d\nwant 0", name, got)
		}
	}
	if got := ociMirror.Asked(func(a asked) bool { return fits(a.Path, []string{"/manifests/latest", "/tags/"}) }); got != 0 {
		t.Errorf("tags asked of a mirror\n got %d\nwant 0", got)
	}
}

// Trap 4: what a client shows to prove who it is goes to the origin and nowhere else, and what came back for it is not
// given to those who did not show it.
func TestTrap4CredentialsGoToTheOriginAlone(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	mirror := w.serve(o.handler)
	w.npmRule(o, mirror)
	private := npmTarball(o.packages[5])
	o.Bend(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path == private && r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
	mirror.Bend(only(gets(private), answers(http.StatusNotFound)))
	h := w.hither()
	url := "https://" + npmHost + private
	same(t, "the tarball for who may have it", string(h.get(t, url, "Authorization", "Bearer secret")), string(o.tarballs[private]))
	if got := mirror.Asked(nil); got != 0 {
		t.Errorf("requests with credentials that a mirror heard of\n got %d\nwant 0", got)
	}
	if status, _, err := h.ask(t, url); err == nil && status == http.StatusOK {
		t.Error("what came for a credential was given to somebody without one")
	}
	if got := mirror.Asked(func(a asked) bool { return a.Header.Get("Authorization") != "" }); got != 0 {
		t.Errorf("requests that carried the credentials to a mirror\n got %d\nwant 0", got)
	}
}

// Names that the user calls private are not told to mirrors, even if nobody else has them now.
func TestMistake7PrivateNamesReachNoMirror(t *testing.T) {
	w := newWorld(t)
	o := w.goWorld()
	mirror := w.serve(o.handler)
	w.goRule(o, mirror)
	o.Bend(only(gets(".zip"), answers(http.StatusServiceUnavailable)))
	h := w.hither("--private", "world.test/burntsushi/*")
	if status, _, err := h.ask(t, "https://proxy.golang.org/world.test/!burnt!sushi/m003/@v/v1.2.3.zip"); err == nil && status == http.StatusOK {
		t.Error("a private module came from somewhere else than its origin")
	}
	if got := mirror.Asked(nil); got != 0 {
		t.Errorf("requests that told the mirror a private name\n got %d\nwant 0", got)
	}
	h.get(t, "https://proxy.golang.org/world.test/m001/@v/v1.2.3.zip")
}
