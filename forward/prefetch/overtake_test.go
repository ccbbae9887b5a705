package prefetch

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"hither/cache/digest"
	"hither/cache/mem"
	"hither/forward/fetch"
	"hither/forward/measure"
	"hither/forward/notary"
	"hither/forward/project"
	"hither/rules"
)

// slowly answers everything with its own path: after delay, and what is a guess after 20 seconds.
type slowly struct {
	mu    sync.Mutex
	under int
}

func (s *slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.under++
	s.mu.Unlock()
	wait := delay
	if strings.Contains(r.URL.Path, "guess") || strings.Contains(r.URL.Path, "blob") {
		wait = 20 * time.Second
	}
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: r, ContentLength: int64(len(r.URL.Path)), Body: io.NopCloser(strings.NewReader(r.URL.Path)),
	}, nil
}

// TestAClientDoesNotWaitForGuesses has the real fetch, and as much ahead under way as there ever is, at several registries.
func TestAClientDoesNotWaitForGuesses(t *testing.T) {
	const registries = 5
	files := make(fstest.MapFS)
	for i := range registries {
		files[fmt.Sprint(i, ".toml")] = &fstest.MapFile{Data: fmt.Appendf(nil, `
name = "reg%[1]d"
walk = "go"
[[host]]
name = "reg%[1]d.example"
[[path]]
match   = "/blob/{digest:digest}"
keep    = "forever"
from    = "any"
notary  = "path"
subject = "blobs"
traffic = "bulk"
[[path]]
match = "/doc/{name}"
keep  = "1h"
`, i)}
	}
	set, err := rules.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		transport := &slowly{}
		fetcher := &fetch.Fetcher{
			Store: &mem.Store{}, Board: &measure.Board{}, Transport: transport, Notaries: map[string]notary.Notary{"path": notary.Path{}},
		}
		p := &Prefetcher{
			Rules: func() *rules.Set { return set }, Fetch: fetcher.Fetch,
			Walks: map[string]func(string) Walk{"go": func(registry string) Walk { return &script{asked: guesses(registry)} }},
		}
		fetcher.Trace = fetch.Trace{Asked: p.Asked, Answered: p.Answered, Filled: p.Filled}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { p.Run(ctx) })
		synctest.Wait()
		of := &fetch.Client{From: netip.MustParseAddrPort("127.0.0.1:4000")}
		get := func(registry int, path string) {
			u := &url.URL{Scheme: "https", Host: fmt.Sprintf("reg%d.example", registry), Path: path}
			m, _ := set.Match(u.Host, rules.Query{URL: u})
			a, err := fetcher.Fetch(t.Context(), fetch.Request{Match: m, Client: of})
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(a.Body)
			a.Body.Close()
			same(t, "what came", string(body), path)
		}
		get(0, "/doc/first")
		synctest.Wait()
		transport.mu.Lock()
		same(t, "under way at one registry", transport.under-1, 90+8)
		transport.mu.Unlock()
		same(t, "rounds beside one registry's guesses", took(func() { get(0, "/doc/other") }), 1)
		for i := 1; i < registries; i++ {
			same(t, "rounds beside those of several", took(func() { get(i, "/doc/first") }), 1)
		}
		cancel()
		wg.Wait()
		fetcher.Close()
		time.Sleep(time.Minute)
	})
}

func guesses(registry string) (out []project.Want) {
	for i := range 100 {
		out = append(out, project.Want{URL: fmt.Sprint(registry, "/doc/guess", i), Why: "a document"})
	}
	for i := range 20 {
		sum := sha256.Sum256([]byte{byte(i)})
		out = append(out, project.Want{URL: registry + "/blob/" + string(digest.Of(digest.SHA256, sum[:])), Bulk: true, Why: "a blob"})
	}
	return out
}

// TestAClientThatAsksForManyAtOnceIsOutrun has small packages, of which eight at a time would bring the client nothing.
func TestAClientThatAsksForManyAtOnceIsOutrun(t *testing.T) {
	zips := paths("z", 600, ".zip")
	inWorld(t, func(w *world) {
		scripted(script{asked: wants("all", zips...), at: zips[0]})(w)
		w.Window = 0
	}, func(w *world) {
		w.put("x", zips...)
		g := w.client(1)
		rounds := took(func() { g.all(15, zips) })
		if rounds > 20 {
			t.Errorf("600 packages, 15 at a time, took %.0f rounds, want at most 20 of the 40 without us", rounds)
		}
		same(t, "most packages at once", w.peak(bulk) <= mostBulk+15, true)
	})
}

// locked is a script of a project that names all its packages; small one of an ecosystem where they are small.
type (
	locked struct{ *script }
	small  struct{ locked }
)

func (locked) Exact() bool { return true }

func (small) UsualSize() int64 { return 64 << 10 }

// TestSmallPackagesAreAskedForManyAtOnceFromTheStart has a registry that has not sent one yet.
func TestSmallPackagesAreAskedForManyAtOnceFromTheStart(t *testing.T) {
	zips := paths("z", 200, ".zip")
	for _, c := range []struct {
		what string
		walk func(locked) Walk
		want int
	}{
		{"nobody knows how large they are", func(l locked) Walk { return l }, usualWindow / unknownSize},
		{"they are known to be small", func(l locked) Walk { return small{l} }, mostBulk},
	} {
		inWorld(t, func(w *world) {
			w.Walks = map[string]func(string) Walk{"go": func(string) Walk { return c.walk(locked{&script{project: wants("all", zips...)}}) }}
			w.Project = func(fetch.Client) (Place, bool) { return Place{Dir: "/work", Has: hasNone}, true }
			w.Window = 0
		}, func(w *world) {
			w.put("x", first)
			w.put("x", zips...)
			for _, z := range zips {
				w.slow[host+z] = 10 * time.Second
			}
			w.client(1).get(first)
			time.Sleep(time.Second)
			same(t, c.what+": packages at once", w.peak(bulk), c.want)
		})
	}
}

// guessing has whatever is read want what it names, as a guess.
func guessing(w *world) {
	scripted(script{reads: ".mod", answered: func(_ int, body []byte) []project.Want {
		return wants("a guess", strings.Fields(string(body))...)
	}})(w)
}

// TestAClientThatOvertakesIsFollowed has a client that asks for one thing at a time of what stands far behind in a line of
// guesses, as npm on two cores does.
func TestAClientThatOvertakesIsFollowed(t *testing.T) {
	for lines := 1; lines <= 4; lines++ {
		var all []string
		var guesses []project.Want
		for i := range lines {
			all = paths(fmt.Sprint("g", i, "x"), 200, ".mod")
			guesses = append(guesses, wants(fmt.Sprint("guess ", i), all...)...)
		}
		inWorld(t, scripted(script{reads: first, answered: func(int, []byte) []project.Want { return guesses }}), func(w *world) {
			w.put("", first)
			for _, g := range guesses {
				w.bodies[g.URL] = nil
			}
			g := w.client(1)
			g.get(first)
			time.Sleep(time.Second)
			atMost(t, fmt.Sprint("rounds in the last of ", lines, " lines"), took(func() { g.all(1, all[100:]) }), 8)
		})
	}
}

// TestWhatTheClientWentPastWaits has a client that leaves a long line behind for what follows from what it asks for now.
func TestWhatTheClientWentPastWaits(t *testing.T) {
	const groups, each = 30, 6
	past, now := paths("p", 300, ".mod"), paths("n", groups*each, ".mod")
	inWorld(t, guessing, func(w *world) {
		w.put("", past...)
		w.put("", now...)
		w.put(strings.Join(append(slices.Clone(past), now[:each]...), " "), first)
		for i := each; i < len(now); i += each {
			w.put(strings.Join(now[i:i+each], " "), now[i-each/2])
		}
		g := w.client(1)
		g.get(first)
		time.Sleep(time.Second)
		atMost(t, "rounds", took(func() { g.all(1, now) }), groups+2)
		atMost(t, "asked for in vain", w.balance().Ahead-w.balance().Used, lineSlack)
		atMost(t, "rounds, when it comes back", took(func() { g.all(1, past) }), 10)
	})
}

// TestWhatIsPassedByIsSeenAfterALeap has a client that looks far ahead once, and then passes by three of four.
func TestWhatIsPassedByIsSeenAfterALeap(t *testing.T) {
	all := paths("g", 400, ".mod")
	for _, leap := range []int{40, 380} {
		inWorld(t, guessing, func(w *world) {
			w.put("", all...)
			w.put(strings.Join(all, " "), first)
			g := w.client(1)
			g.get(first)
			time.Sleep(time.Second)
			g.get(all[leap])
			time.Sleep(time.Second)
			for i := 44; i < 300; i += 4 {
				g.get(all[i])
			}
			b := w.balance()
			atMost(t, fmt.Sprint("not known to be wasted after a leap to ", leap), b.Ahead-b.Used-b.Wasted, 3*passes)
		})
	}
}

// TestAReasonThatRecoversGoesOnBehindTheClient has a client that shows a reason to be right which was held back, far behind
// what was held first.
func TestAReasonThatRecoversGoesOnBehindTheClient(t *testing.T) {
	all := paths("g", 400, ".mod")
	inWorld(t, guessing, func(w *world) {
		w.put("", all...)
		w.put(strings.Join(all, " "), first)
		vain := w.client(2)
		vain.get(first)
		time.Sleep(time.Second)
		close(vain.gone)
		time.Sleep(5 * time.Second)
		same(t, "held back", w.Report()[0].Held, true)
		clear(w.kept)
		before := len(w.sent())
		g := w.client(1)
		g.get(first)
		time.Sleep(time.Second)
		tried := len(w.sent()) - before
		g.all(1, all[200:300])
		same(t, "held back, when it was right", w.Report()[0].Held, false)
		past := 0
		for _, url := range w.sent()[before:] {
			if slices.Contains(all[:200], strings.TrimPrefix(url, host)) {
				past++
			}
		}
		atMost(t, "asked for of what the client went past", past, tried)
	})
}
