package e2e_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

// partsWorld is a blob that three mirrors send slowly, and an origin that does not send it at all.
func partsWorld(t *testing.T) (w *world, blob *bigBlob, mirrors []*wire) {
	w = newWorld(t)
	blob, err := newBigBlob(24 << 20)
	w.must(err)
	close(blob.half)
	origin := w.serveTLS(ociHost, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path != "/v2/" {
			http.Error(rw, "busy", http.StatusServiceUnavailable)
			return
		}
		blob.ServeHTTP(rw, r)
	}))
	for range 3 {
		mirror := w.serve(blob)
		mirror.Bend(slowly)
		mirrors = append(mirrors, mirror)
	}
	w.rule("docker", []map[string]any{{"name": ociHost, "origin": []string{origin.URL}}}, mirrors...)
	return w, blob, mirrors
}

// slowly sends each body at 4 MB/s.
func slowly(w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(&slow{ResponseWriter: w}, r)
}

type slow struct{ http.ResponseWriter }

func (s *slow) Write(p []byte) (int, error) {
	for n := 0; n < len(p); n += 16 << 10 {
		<-time.After(4 * time.Millisecond)
		if _, err := s.ResponseWriter.Write(p[n:min(len(p), n+16<<10)]); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

func ranged(a asked) bool { return a.Header.Get("Range") != "" }

// A large blob comes in parts, over several connections and from several mirrors; one that goes away in the middle is not
// missed.
func TestALargeBlobComesInPartsFromSeveralMirrors(t *testing.T) {
	w, blob, mirrors := partsWorld(t)
	h := w.lightHither()
	path := "/v2/library/big/blobs/" + blob.digest
	h.drink(blob, "http://"+h.addr+path, func() { mirrors[0].Cut() })
	senders := 0
	for _, m := range mirrors[1:] {
		if m.Asked(ranged) > 0 {
			senders++
		}
	}
	if senders != 2 {
		t.Errorf("mirrors beside the first that were asked for parts\n got %d\nwant 2", senders)
	}
	has(t, "why", h.Why("https://"+ociHost+path), mirrors[1].URL, mirrors[2].URL)
	var status struct{ Fetched, Extra int64 }
	w.must(json.Unmarshal([]byte(h.CLI("status", "--json")), &status))
	if status.Fetched < blob.size || status.Extra > blob.size/5 {
		t.Errorf("bytes of upstreams\n got %d, %d of them for nothing\nwant at least %d, few of them for nothing", status.Fetched, status.Extra, blob.size)
	}
}

// A mirror that sends wrong parts among the right ones of others is found out, and not asked again, not even after a
// restart.
func TestALiarAmongSeveralSendersIsQuarantined(t *testing.T) {
	w, blob, mirrors := partsWorld(t)
	liar := mirrors[2]
	liar.Bend(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		slowly(&flipping{rw}, r, next)
	})
	h := w.lightHither()
	url := "https://" + ociHost + "/v2/library/big/blobs/" + blob.digest
	for range 5 { // the client of the first may be cut off, but never gets a wrong byte to the end
		if _, body, err := h.ask(t, url); err == nil {
			same(t, "the blob", sha256Of(body), blob.digest)
			break
		}
	}
	has(t, "why", h.Why(url), liar.URL, "wrong bytes")
	h.Stop()
	h.Start()
	before := liar.Asked(nil)
	h.CLI("cache", "rm", "--all")
	h.drink(blob, url, func() {})
	if n := liar.Asked(nil) - before; n != 0 {
		t.Errorf("requests to a mirror in quarantine\n got %d\nwant 0", n)
	}
}

// flipping turns every byte over.
type flipping struct{ http.ResponseWriter }

func (f *flipping) Write(p []byte) (int, error) {
	wrong := make([]byte, len(p))
	for i := range p {
		wrong[i] = ^p[i]
	}
	return f.ResponseWriter.Write(wrong)
}
