package notary

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"

	"hither/cache"
	"hither/rules"
)

// mustLoad reads one rule file.
func mustLoad(t testing.TB, toml string) *rules.Set {
	t.Helper()
	set, err := rules.Load(fstest.MapFS{"rule.toml": {Data: []byte(toml)}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// mustMatch says what a path on a host means.
func mustMatch(t testing.TB, set *rules.Set, host, path string) rules.Match {
	t.Helper()
	u, err := url.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	m, ok := set.Match(host, rules.Query{URL: u})
	if !ok {
		t.Fatalf("no path of the rule speaks of %s", path)
	}
	return m
}

// shelf is a store of names only, in memory, with a disk that can fail.
type shelf struct {
	cache.Store // the rest panics: no notary may touch blobs

	mu                  sync.Mutex
	entries             map[cache.Name]cache.Entry
	failRead, failWrite error
}

func (s *shelf) Lookup(_ context.Context, name cache.Name) (cache.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failRead != nil {
		return cache.Entry{}, s.failRead
	}
	e, ok := s.entries[name]
	if !ok {
		return cache.Entry{}, cache.ErrNotFound
	}
	return e, nil
}

func (s *shelf) Swap(_ context.Context, name cache.Name, old, new cache.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was := s.entries[name]; was.Digest != old.Digest || string(was.Value) != string(old.Value) {
		return cache.ErrConflict // seen before the disk is asked
	}
	if s.failWrite != nil {
		return s.failWrite
	}
	if s.entries == nil {
		s.entries = map[cache.Name]cache.Entry{}
	}
	s.entries[name] = new
	return nil
}

// only returns the one entry on the shelf.
func (s *shelf) only(t *testing.T) (cache.Name, cache.Entry) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.entries) != 1 {
		t.Fatalf("entries in the store\ngot  %d\nwant 1", len(s.entries))
	}
	for name, e := range s.entries {
		return name, e
	}
	panic("unreachable")
}

const sumRule = `
name = "go"
[[host]]
name = "proxy.example"
[[host]]
name = "sum.example"
key  = %q
[[path]]
match   = "/{module...}/@v/{version:semver}.zip"
keep    = "forever"
from    = "any"
notary  = "gosum"
subject = "{module}"
[[path]]
match   = "/{module...}/@v/{version:semver}.mod"
keep    = "forever"
from    = "any"
notary  = "gosum"
subject = "{module}"
[[path]]
match   = "/{module...}/@v/{version}.info"
keep    = "1m"
subject = "{module}"
[[path]]
match   = "/lookup/{module...}@{version:semver}"
host    = "sum.example"
keep    = "forever"
[[path]]
match = "/tile/{tile...}"
host  = "sum.example"
keep  = "forever"
`

// ledger is a checksum database with a real signed tree, and the way to it.
type ledger struct {
	t      testing.TB
	signer string
	rules  *rules.Set

	mu     sync.Mutex
	server http.Handler
	bend   func(path string, data []byte) []byte // what happens to answers on the way; nil: nothing
	down   error                                 // nobody answers
	kept   map[string][]byte                     // copies on the way, by path; nil: none are kept
	gate   chan struct{}                         // nil: open; else each answer waits for it
	asked  map[string]int                        // by path
	fresh  int                                   // questions that wanted no copy

	log *lines
}

func newLedger(t testing.TB) *ledger {
	signer, key, err := note.GenerateKey(rand.Reader, "sum.example")
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{t: t, signer: signer, rules: mustLoad(t, fmt.Sprintf(sumRule, key)), asked: map[string]int{}, log: &lines{}}
	l.server = l.tree("")
	return l
}

// tree begins an empty tree, signed by the same key. Modules at gone.example are unknown to it; another seed gives all
// others other hashes.
func (l *ledger) tree(seed string) http.Handler {
	return sumdb.NewServer(sumdb.NewTestServer(l.signer, func(path, version string) ([]byte, error) {
		if strings.HasPrefix(path, "gone.example/") {
			return nil, os.ErrNotExist
		}
		return fmt.Appendf(nil, "%s %s h2:later\n%s %s %s\n%s %s/go.mod %s\n", path, version,
			path, version, h1(seed+path+version), path, version, h1(seed+path+version+"/go.mod")), nil
	}))
}

func h1(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "h1:" + base64.StdEncoding.EncodeToString(sum[:])
}

// notary is one that has just been started.
func (l *ledger) notary(store cache.Store) *GoSum {
	return &GoSum{Fetch: l.fetch, Store: store, Log: slog.New(slog.NewTextHandler(l.log, nil))}
}

// match is a request for a file of the module proxy.
func (l *ledger) match(path string) rules.Match {
	return mustMatch(l.t, l.rules, "proxy.example", path)
}

func (l *ledger) fetch(ctx context.Context, m rules.Match, fresh bool) ([]byte, error) {
	l.mu.Lock()
	l.asked[m.Clean]++
	if fresh {
		l.fresh++
	}
	gate, down, server, bend := l.gate, l.down, l.server, l.bend
	copied, ok := l.kept[m.Clean]
	l.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if ok && !fresh {
		return copied, nil
	}
	if down != nil {
		return nil, down
	}
	data, err := serve(server, m.Clean)
	if err != nil {
		return nil, err
	}
	if bend != nil {
		data = bend(m.Clean, data)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept != nil {
		l.kept[m.Clean] = data
	}
	return data, nil
}

// serve asks a handler. A tree that is asked for tiles it does not have panics; a server would say 500.
func serve(h http.Handler, path string) (data []byte, err error) {
	defer func() {
		if e := recover(); e != nil {
			err = errors.New("status 500")
		}
	}()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	switch w.Code {
	case http.StatusOK:
		return w.Body.Bytes(), nil
	case http.StatusNotFound, http.StatusGone:
		return nil, fmt.Errorf("%w: status %d", ErrGone, w.Code)
	}
	return nil, fmt.Errorf("status %d", w.Code)
}

// set changes wires while nobody looks.
func (l *ledger) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

func (l *ledger) lookups() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for path, times := range l.asked {
		if strings.HasPrefix(path, "/lookup/") {
			n += times
		}
	}
	return n
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// flip changes one bit of answers whose path begins so.
func flip(prefix string, at int) func(string, []byte) []byte {
	return func(path string, data []byte) []byte {
		if !strings.HasPrefix(path, prefix) {
			return data
		}
		data = append([]byte(nil), data...)
		data[at%len(data)] ^= 1
		return data
	}
}
