package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"hither/cache"
	"hither/cache/digest"
	"hither/forward/fetch"
	"hither/forward/notary"
	"hither/rules"
)

// The false world: one registry (reg), two mirrors (near, far), and wires to pull.

const ruleFile = `
name = "reg"
[[host]]
name = "reg"
[[mirror]]
url = "https://near"
[[mirror]]
url = "https://far"

[[path]]
match   = "/blob/{digest:digest}"
keep    = "forever"
from    = "any"
notary  = "path"
subject = "blobs"
[[path]]
match   = "/zip/{module}@{version}"
keep    = "forever"
from    = "any"
notary  = "gosum"
subject = "{module}"
[[path]]
match   = "/mod/{module}@{version}"
keep    = "forever"
from    = "any"
notary  = "gosum"
early   = "a test"
subject = "{module}"
[[path]]
match   = "/tar/{name}/{file}"
keep    = "forever"
from    = "any"
notary  = "npm"
subject = "{file}"
[[path]]
match   = "/tag/{repo}"
keep    = "30s"
from    = "any"
notary  = "tag"
subject = "{repo}"
[[path]]
match   = "/list/{name}"
keep    = "1m"
from    = "any"
why     = "a test"
subject = "{name}"
[[path]]
match = "/doc/{name}"
keep  = "1m"
[[path]]
match = "/news/{name}"
keep  = "1m"
stale = "10m"
[[path]]
match   = "/bulk/{digest:digest}"
keep    = "forever"
from    = "any"
notary  = "path"
subject = "blobs"
traffic = "bulk"
[[path]]
match   = "/v2/{repo}/blobs/{digest:digest}"
keep    = "forever"
from    = "any"
notary  = "path"
subject = "{repo}"
traffic = "bulk"
[[path]]
match   = "/module/{module}@{version}"
keep    = "forever"
from    = "any"
notary  = "gosum"
subject = "{module}"
traffic = "bulk"
[[path]]
match   = "/manifest/{digest:digest}"
keep    = "forever"
from    = "any"
notary  = "path"
subject = "blobs"
accept  = ["application/a", "application/b"]

[[host]]
name   = "twin"
origin = ["https://one", "https://two"]
key    = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
[[path]]
match = "/twin/{name}"
host  = "twin"
keep  = "1m"
[[path]]
match = "/page/{name}"
host  = "twin"
keep  = "forever"
[[path]]
match   = "/alone/{name}/{file}"
host    = "twin"
keep    = "forever"
notary  = "npm"
subject = "{name}"
`

type world struct {
	*fetch.Fetcher
	t       *testing.T
	set     *rules.Set
	hosts   map[string]*host
	notary  map[string]*scribe
	mu      sync.Mutex
	calls   map[string]int // of each host, parts too
	asked   []string       // "near", "near bytes=9-" in order; parts of large blobs are not told
	parts   bool           // hosts send parts of large blobs; else they ignore such a Range
	reports []fetch.Report
	board   board
	disk    *disk
}

// host is an upstream and its wires.
type host struct {
	files   map[string][]byte
	header  http.Header
	status  int           // instead of 200
	lag     time.Duration // before the answer
	dead    bool          // no connection
	hang    int           // after so many bytes nothing comes any more; 0: does not
	cut     int           // after so many bytes the connection breaks
	flip    int           // this byte (from 1) is wrong
	etag    string
	noRange bool                               // Range is ignored
	lax     bool                               // If-Range is
	rate    float64                            // bytes a second of each body; 0: at once
	gate    chan struct{}                      // bytes after the first 9 MiB wait for it
	drip    time.Duration                      // before each byte
	wild    func(*http.Request) *http.Response // answers instead; nil: as the wires say
}

func newWorld(t *testing.T) *world {
	set, err := rules.Load(fstest.MapFS{"reg.toml": {Data: []byte(ruleFile)}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, set: set, calls: map[string]int{}, board: board{first: []string{"near", "reg", "far"}},
		hosts:  map[string]*host{"reg": {}, "near": {}, "far": {}, "one": {}, "two": {}},
		disk:   &disk{room: -1, bad: map[digest.Digest]int64{}},
		notary: map[string]*scribe{"gosum": {beside: true, err: notary.ErrUnknown}, "npm": {}, "tag": {}},
	}
	for _, h := range w.hosts {
		h.files = make(map[string][]byte)
	}
	w.Fetcher = &fetch.Fetcher{
		Store: w.disk, Board: &w.board, Transport: w, Private: []string{"secret"},
		Notaries: map[string]notary.Notary{"path": notary.Path{}, "gosum": w.notary["gosum"], "npm": w.notary["npm"], "tag": w.notary["tag"]},
		Trace: fetch.Trace{Filled: func(r fetch.Report) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.reports = append(w.reports, r)
		}},
	}
	t.Cleanup(func() {
		w.Close()
		w.disk.mustBeShut(t)
	})
	return w
}

// put gives a file to every host.
func (w *world) put(path string, body []byte) {
	for _, h := range w.hosts {
		h.files[path] = body
	}
}

// blob gives every host a blob and returns its path.
func (w *world) blob(body []byte) string {
	path := "/blob/" + string(sum(body))
	w.put(path, body)
	return path
}

func (w *world) request(path string) fetch.Request { return w.requestOf("reg", path) }

func (w *world) requestOf(host, path string) fetch.Request {
	m, ok := w.set.Match(host, query(path))
	if !ok {
		w.t.Fatalf("no rule speaks of %s", path)
	}
	return fetch.Request{Match: m}
}

// open fetches, without reading the body.
func (w *world) open(req fetch.Request) (*fetch.Answer, error) {
	return w.Fetch(w.t.Context(), req)
}

// get fetches and reads; it says "BODY from SOURCE after [ASKED]".
func (w *world) get(path string) string { return w.ask(w.request(path)) }

// ask is get for any request.
func (w *world) ask(req fetch.Request) string {
	before := len(w.seen())
	a, err := w.open(req)
	if err != nil {
		return fmt.Sprintf("%s after %v", kind(err), w.seen()[before:])
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		return fmt.Sprintf("broken body after %v", w.seen()[before:])
	}
	text := string(body)
	if len(text) > 40 {
		text = fmt.Sprintf("%d bytes %s", len(body), sum(body)[7:15])
	}
	if a.Status != http.StatusOK {
		text = strconv.Itoa(a.Status) + " " + text
	}
	return fmt.Sprintf("%s from %s (%s) after %v", text, strings.TrimPrefix(a.Report.Source, "https://"), a.Report.State, w.seen()[before:])
}

func kind(err error) string {
	var f *fetch.Failure
	switch {
	case errors.Is(err, fetch.ErrPass):
		return "pass"
	case errors.As(err, &f):
		return "failure " + strconv.Itoa(f.Status())
	}
	return err.Error()
}

func (w *world) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

// RoundTrip is every upstream.
func (w *world) RoundTrip(req *http.Request) (*http.Response, error) {
	h := w.hosts[req.URL.Host]
	what := req.URL.Host
	if r := req.Header.Get("Range"); r != "" {
		what += " " + r
	}
	w.mu.Lock()
	if req.Method == http.MethodHead {
		what = "HEAD " + what
	}
	w.calls[req.URL.Host]++
	what, _, _ = strings.Cut(what, " bytes=0-")
	switch part := strings.Contains(what, "bytes=") && !strings.HasSuffix(what, "-"); {
	case !part:
		w.asked = append(w.asked, what)
	case !w.parts:
		req = req.Clone(req.Context())
		req.Header.Del("Range")
	}
	w.mu.Unlock()
	if err := pause(req.Context(), h.lag); err != nil {
		return nil, err
	}
	if h.dead {
		return nil, errors.New("connection refused")
	}
	if h.wild != nil {
		return h.wild(req), nil
	}
	return h.answer(req), nil
}

func (h *host) answer(req *http.Request) *http.Response {
	body, ok := h.files[req.URL.Path]
	resp := &http.Response{StatusCode: http.StatusOK, Header: h.header.Clone(), Request: req, ContentLength: int64(len(body))}
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	if h.etag != "" {
		resp.Header.Set("Etag", h.etag)
	}
	switch {
	case h.status != 0:
		resp.StatusCode, body, resp.ContentLength = h.status, []byte("because"), 7
	case !ok:
		resp.StatusCode, body, resp.ContentLength = http.StatusNotFound, []byte("not here"), 8
	case h.etag != "" && req.Header.Get("If-None-Match") == h.etag:
		resp.StatusCode, body, resp.ContentLength = http.StatusNotModified, nil, 0
	}
	at, whole := 0, len(body)
	if r, ok := strings.CutPrefix(req.Header.Get("Range"), "bytes="); ok && resp.StatusCode == http.StatusOK && !h.noRange && h.goesOn(req) {
		from, to, _ := strings.Cut(r, "-")
		at, _ = strconv.Atoi(from)
		if last, err := strconv.Atoi(to); err == nil {
			body = body[:min(last+1, whole)]
		}
		if at >= len(body) {
			resp.StatusCode, resp.ContentLength, resp.Body = http.StatusRequestedRangeNotSatisfiable, 0, http.NoBody
			return resp
		}
		resp.StatusCode, resp.ContentLength = http.StatusPartialContent, int64(len(body)-at)
		resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, len(body)-1, whole))
	}
	if h.flip > 0 && h.flip <= len(body) {
		body = bytes.Clone(body)
		body[h.flip-1] ^= 1
	}
	if req.Method == http.MethodHead {
		body = nil
	}
	resp.Body = &wire{h: h, ctx: req.Context(), body: body, at: at}
	return resp
}

func (h *host) goesOn(req *http.Request) bool {
	tag := req.Header.Get("If-Range")
	return h.lax || tag == "" || tag == h.etag
}

// wire is a body on its way.
type wire struct {
	h    *host
	ctx  context.Context
	body []byte
	at   int
	sent int
}

const gateAt = 9 << 20

func (w *wire) Read(p []byte) (int, error) {
	if w.h.hang > 0 && w.sent >= w.h.hang {
		<-w.ctx.Done()
		return 0, w.ctx.Err()
	}
	if w.h.cut > 0 && w.sent >= w.h.cut {
		return 0, io.ErrUnexpectedEOF
	}
	if w.h.gate != nil && w.at >= gateAt {
		<-w.h.gate
	}
	if w.at >= len(w.body) {
		return 0, io.EOF
	}
	if w.h.drip > 0 {
		p = p[:1]
		select {
		case <-time.After(w.h.drip):
		case <-w.ctx.Done():
			return 0, w.ctx.Err()
		}
	}
	if w.h.rate > 0 {
		p = p[:min(len(p), 16<<10)]
		select {
		case <-time.After(time.Duration(float64(len(p)) / w.h.rate * float64(time.Second))):
		case <-w.ctx.Done():
			return 0, w.ctx.Err()
		}
	}
	n := copy(p, w.body[w.at:])
	for _, stop := range []int{w.h.hang, w.h.cut} {
		if stop > 0 {
			n = min(n, stop-w.sent)
		}
	}
	w.at += n
	w.sent += n
	return n, nil
}

func (w *wire) Close() error { return nil }

var _ cache.Store = &disk{}
