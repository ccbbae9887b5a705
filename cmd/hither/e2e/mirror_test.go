package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// errand is one object that a real client fetches and checks itself.
type errand struct {
	name   string          // of the rule
	origin *wire           // names the object, and is too busy to send it
	rule   func(...*wire)  // writes the rule file with these mirrors
	bytes  string          // ends the path of what mirrors carry, or stands in it
	url    string          // as the client knows it
	run    func(h *hither) // sends the client
}

// Done when 3: whatever a mirror does, the client gets the right bytes from the next source, and why tells the story.
func TestABadMirrorNeverReachesTheClient(t *testing.T) {
	errands := map[string]func(*world) errand{"go zip": goErrand, "npm tarball": npmErrand, "oci blob": ociErrand}
	bad := map[string]fault{
		"flips a bit":                 flips,
		"breaks off in the middle":    truncates,
		"calls half of it the whole":  shortens,
		"sends more than it is":       pads,
		"never answers":               hangs,
		"stops in the middle":         stalls,
		"shows a login page":          logsIn,
		"forbids it":                  answers(http.StatusForbidden),
		"does not have it":            answers(http.StatusNotFound),
		"is asked too much":           answers(http.StatusTooManyRequests),
		"says nothing, successfully":  answersEmpty,
		"redirects to a login page":   redirectsToLogin,
		"sends another thing, wholly": sendsAnother,
	}
	for _, thing := range sortedKeys(errands) {
		for _, does := range sortedKeys(bad) {
			if thing == "go zip" && does == "sends more than it is" {
				continue // a zip is named by the files in it, and they are right
			}
			t.Run(thing+" from a mirror that "+does, func(t *testing.T) {
				t.Parallel() // they wait for stalls most of the time
				w := newWorld(t)
				errands[thing](w).tryMirror(w, bad[does])
			})
		}
	}
}

// tryMirror puts a bad mirror before a good one, while the origin is too busy to send bytes.
func (e errand) tryMirror(w *world, f fault) {
	w.t.Helper()
	bad, good := w.serve(e.origin.handler), w.serve(e.origin.handler)
	bad.Bend(only(gets(e.bytes), f))
	e.rule(bad, good)
	e.origin.Bend(only(gets(e.bytes), answers(http.StatusServiceUnavailable)))
	h := w.hither()
	h.CLI("mirrors", "set", e.name, bad.URL) // or the board might try the good one first, and this would prove nothing
	e.run(h)
	if bad.Asked(gotten(e.bytes)) == 0 {
		w.t.Error("the bad mirror was not asked, so this proves nothing")
	}
	has(w.t, "why", h.Why(e.url), bad.URL, good.URL)
}

func goErrand(w *world) errand {
	o := w.goWorld()
	return errand{
		name: "go", origin: o.wire, bytes: "/m005/@v/v1.2.3.zip",
		url:  "https://proxy.golang.org/world.test/m005/@v/v1.2.3.zip",
		rule: func(mirrors ...*wire) { w.goRule(o, mirrors...) },
		run: func(h *hither) {
			w.shell(w.mkdir("client"), h.goGateway(o, "client"), "go", "mod", "download", "world.test/m005@v1.2.3")
		},
	}
}

func npmErrand(w *world) errand {
	o := w.npmWorld()
	path := npmTarball(o.packages[7])
	return errand{
		name: "npm", origin: o.wire, bytes: ".tgz", url: "https://" + npmHost + path,
		rule: func(mirrors ...*wire) { w.npmRule(o, mirrors...) },
		run: func(h *hither) {
			dir := w.mkdir("client")
			w.shell(dir, w.clientEnv("client", proxied(h.addr, h.Trust())...), "npm", "pack", "pkg-007@1.1.0")
			same(w.t, "the tarball", w.read(dir, "pkg-007-1.1.0.tgz"), string(o.tarballs[path]))
		},
	}
}

func ociErrand(w *world) errand {
	o := w.ociWorld()
	return errand{
		name: "docker", origin: o.wire, bytes: "/blobs/" + o.image.layers[1],
		url:  "https://" + ociHost + "/v2/library/alpine/blobs/" + o.image.layers[1],
		rule: func(mirrors ...*wire) { w.ociRule(o, mirrors...) },
		run:  func(h *hither) { h.pull(o, "gateway", "client") },
	}
}

// answersEmpty is 200 without a body, as distribution 2 did with blobs it had lost.
func answersEmpty(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	send(w, http.Header{"Content-Type": {"application/octet-stream"}}, http.StatusOK, nil, 0)
}

func redirectsToLogin(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if r.URL.Query().Has("login") {
		logsIn(w, r, next)
		return
	}
	http.Redirect(w, r, r.URL.Path+"?login", http.StatusFound)
}

// sendsAnother is a mirror that mixes up its files, as npmmirror did once.
func sendsAnother(w http.ResponseWriter, r *http.Request, next http.Handler) {
	header, status, body := answerOf(r, next)
	other := noise(uint64(len(body)), len(body))
	send(w, header, status, other, len(other))
}

// A mirror may be slow: everything comes all the same, once, and nothing of it twice to the client.
func TestASlowMirrorIsOnlySlow(t *testing.T) {
	w := newWorld(t)
	o := w.goWorld()
	slow := w.serve(o.handler)
	slow.Bend(lags(200 * time.Millisecond))
	w.goRule(o, slow)
	o.Bend(only(gets(".zip"), answers(http.StatusServiceUnavailable)))
	h := w.hither()
	env := h.goGateway(o, "client")
	names := []string{"mod", "download"}
	for _, m := range o.modules[:20] {
		names = append(names, fmt.Sprintf("%s@%s", m.Path, m.Version.Version))
	}
	w.shell(w.mkdir("client"), env, "go", names...)
}
