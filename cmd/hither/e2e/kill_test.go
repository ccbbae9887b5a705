package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Done when 4: killed in the middle of fills, ten times. What is kept afterwards is right, and what is not kept comes.
func TestKilledTenTimesNothingIsWrong(t *testing.T) {
	w := newWorld(t)
	o, images := w.goWorld(), w.ociWorld()
	w.goRule(o)
	w.ociRule(images)
	o.Bend(only(gets(".zip"), drips))
	images.Bend(only(gets("/blobs/"), drips))
	h := w.hither()
	for round := range 10 {
		h.killDuring(o, images, 2+3*round)
		h.Start()
	}
	verified := h.Verify()
	if !verified.Done || verified.Lost != 0 {
		t.Errorf("cache verify\n got %+v\nwant all done and none lost", verified)
	}
	o.Bend(nil)
	images.Bend(nil)
	h.pull(images, "gateway", "pulled")
	w.shell(w.goProject(o, "project"), h.goGateway(o, "client"), "go", "mod", "download")
	if verified = h.Verify(); verified.Blobs < int64(len(o.modules)) {
		t.Errorf("blobs that verify in the end\n got %d\nwant at least %d", verified.Blobs, len(o.modules))
	}
}

// Ctrl-C is an end in order, and the next start finds everything.
func TestStoppedAndStartedEverythingIsThere(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	w.npmRule(o)
	h := w.hither()
	url := "https://" + npmHost + npmTarball(o.packages[7])
	first := h.get(t, url)
	h.Stop()
	w.Dark()
	h.Start()
	same(t, "the tarball after a restart, upstreams off", string(h.get(t, url)), string(first))
}

// killDuring lets clients fetch and kills Hither when the origins have been asked for so many more bodies.
func (h *hither) killDuring(o *goOrigin, images *ociOrigin, bodies int) {
	h.w.t.Helper()
	ctx, stop := context.WithCancel(h.w.t.Context())
	defer stop()
	asked := func() int { return o.Asked(gotten(".zip")) + images.Asked(gotten("/blobs/")) }
	before := asked()
	dir := h.w.goProject(o, "killed")
	client := exec.CommandContext(ctx, "go", "mod", "download")
	client.Dir, client.Env = dir, h.goGateway(o, "killed-"+h.w.next())
	h.w.must(client.Start())
	ended := make(chan error, 1)
	go func() { ended <- client.Wait() }()
	puller := exec.CommandContext(ctx, "skopeo", "--insecure-policy", "copy", "--src-tls-verify=false",
		"docker://"+h.addr+"/library/alpine:latest", "oci:"+h.w.mkdir("killed-"+h.w.next())+":latest")
	puller.Env = h.w.clientEnv("puller")
	h.w.must(puller.Start())
	over := false
	h.w.await("bodies under way", func() bool {
		select {
		case <-ended: // everything was cached already
			over = true
		default:
		}
		return over || asked() >= before+bodies
	})
	h.Kill()
	stop()
	_ = puller.Wait()
	if !over {
		<-ended
	}
}

// verification is what the tests need of `hither cache verify --json`.
type verification struct {
	Blobs int64 `json:"blobs"`
	Lost  int64 `json:"lost"`
	Done  bool  `json:"done"`
}

// Verify lets Hither read everything it keeps, and returns its last word.
func (h *hither) Verify() verification {
	h.w.t.Helper()
	out := h.CLI("cache", "verify", "--json")
	var v verification
	for words := json.NewDecoder(strings.NewReader(out)); ; {
		if err := words.Decode(&v); errors.Is(err, io.EOF) {
			return v
		} else if err != nil {
			h.w.t.Fatalf("cache verify --json: %v\n%s", err, out)
		}
	}
}

// drips sends a body in eight pieces with pauses, so that there is a middle to be killed in.
func drips(w http.ResponseWriter, r *http.Request, next http.Handler) {
	header, status, body := answerOf(r, next)
	size := max(1, len(body)/8)
	send(w, header, status, nil, len(body))
	for len(body) > 0 {
		n := min(size, len(body))
		if _, err := w.Write(body[:n]); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		body = body[n:]
		select {
		case <-time.After(5 * time.Millisecond):
		case <-r.Context().Done():
			return
		}
	}
}
