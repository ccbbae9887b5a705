package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hither/cache/digest"
	"hither/cache/mem"
	"hither/cmd/hither/control"
	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/house"
	"hither/cmd/hither/ledger"
	"hither/cmd/hither/network"
	"hither/cmd/hither/rulebook"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/trust"
	"hither/forward"
	"hither/forward/fetch"
	"hither/forward/measure"
)

// household is a Hither without doors to the machine: the network is a map, the cache is in memory, and requests come as
// function calls. All else is what serve.go joins.
type household struct {
	*house.House
	t       *testing.T
	hosts   map[string]http.HandlerFunc // the network, by host; one that is not in it cannot be reached
	fetcher *fetch.Fetcher
	server  *forward.Server
	said    *journal
}

// registry is a rule file for a registry and two mirrors.
const registry = `
name    = "reg"
gateway = "/reg"
[[host]]
name = "reg.test"
[[mirror]]
url = "https://near.test"
[[mirror]]
url = "https://far.test"
[[path]]
match  = "/blob/{digest:digest}"
keep   = "forever"
from   = "any"
notary = "path"
[[path]]
match   = "/list/{name}"
keep    = "1m"
from    = "any"
why     = "a test says so"
subject = "{name}"
[[path]]
match = "/never/{name}"
keep  = "never"
`

func newHousehold(t *testing.T, private ...string) *household {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "reg.toml"), []byte(registry))
	s := settings.Settings{Rules: dir, Private: private}
	h := &household{t: t, hosts: map[string]http.HandlerFunc{}, said: &journal{}}
	log := slog.New(slog.NewTextHandler(h.said, nil))
	book, err := rulebook.Open(s, log)
	if err != nil {
		t.Fatal(err)
	}
	h.House = &house.House{Settings: s, Self: network.Self{netip.MustParseAddrPort("127.0.0.1:7890")}, Book: book, Store: &mem.Store{}, Rounds: new(measure.Rounds)}
	h.start(log)
	return h
}

// start puts the rooms together, again perhaps: what is in the cache stays.
func (h *household) start(log *slog.Logger) {
	h.Ledger, h.Board = ledger.New(), new(measure.Board)
	out := &network.Network{Follow: h, Bearer: h}
	h.fetcher = newFetcher(h.Settings, h.Store, ledger.Tallied{Board: h.Board, Ledger: h.Ledger}, out, h.Ledger, log)
	h.fetcher.Reach = nil                                                     // no network is here that could be away
	h.Ahead = newPrefetcher(h.Settings, h.Book.Now, h.fetcher, nil, nil, log) // it sleeps until Run
	h.server = &forward.Server{
		Rules: h.Book.Now, Fetch: h.Ledger.Saving(h.fetcher.Fetch), Pass: h, Self: h.Self.Host, Done: h.Ledger.Served, ID: "test",
		Console: welcome(h.Self, &trust.Authority{}, h.Book.Now),
	}
}

func (h *household) stop() {
	h.t.Helper()
	if err := h.server.Shutdown(context.Background()); err != nil {
		h.t.Error(err)
	}
	h.fetcher.Close()
}

func (h *household) restart() {
	h.stop()
	h.start(slog.New(slog.DiscardHandler))
}

// RoundTrip is the network.
func (h *household) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, ok := h.hosts[r.URL.Host]
	if !ok {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	answer(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	res := w.Result()
	res.Request = r
	if res.ContentLength < 0 {
		res.ContentLength = int64(w.Body.Len())
	}
	return res, nil
}

// get is a client's request, by proxy if the URL has a host, else by our own address.
func (h *household) get(text string, header ...string) int {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodGet, text, nil)
	if u, err := url.Parse(text); err == nil && u.Host == "" {
		r.Host = "127.0.0.1:7890"
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return h.do(r)
}

// do returns the status, 0 if the connection was broken.
func (h *household) do(r *http.Request) (status int) {
	h.t.Helper()
	w := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil && p != any(http.ErrAbortHandler) {
			panic(p)
		}
	}()
	h.server.Handler().ServeHTTP(w, r)
	return w.Code
}

// why is what a person reads.
func (h *household) why(text string) string {
	h.t.Helper()
	e, err := h.Why(h.t.Context(), text)
	if err != nil {
		h.t.Fatal(text, err)
	}
	return strings.Join(e.Sentences(time.Now()), "\n")
}

func (h *household) status() control.Status {
	h.t.Helper()
	s, err := h.Status(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// kept counts the names in the cache.
func (h *household) kept() int64 {
	h.t.Helper()
	u, err := h.Usage(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return u.Names
}

// has answers everything with the same bytes.
func has(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

// answers says only a status.
func answers(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// logsIn shows a page where the thing should be.
func logsIn(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte("<title>Sign in</title>"))
}

// hangs never answers.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// blobPath is where the registry has a blob.
func blobPath(body string) string {
	sum := sha256.Sum256([]byte(body))
	return "/blob/" + string(digest.Of(digest.SHA256, sum[:]))
}

// journal is a log that may be read while it is written.
type journal = hithertest.Journal
