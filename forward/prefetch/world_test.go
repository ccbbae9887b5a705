package prefetch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
	"hither/forward/prefetch/golang"
	"hither/forward/prefetch/npm"
	"hither/forward/prefetch/oci"
	"hither/rules"
	rulesd "hither/rules.d"
)

const (
	host  = "https://proxy.golang.org"
	delay = 200 * time.Millisecond // of each answer of the registry
)

// world is a registry far away, a cache before it, and a prefetcher that watches both.
type world struct {
	*Prefetcher
	t   *testing.T
	set *rules.Set

	mu       sync.Mutex
	bodies   map[string][]byte        // by URL
	slow     map[string]time.Duration // by URL, more than delay
	broken   bool                     // the registry refuses everything
	refuses  func(n int) bool         // and so the nth request; nil: none
	denied   func(url string) int     // with which status it does, 0: not at all; nil: nothing
	kept     map[string]bool          // names
	flights  map[string]*flight
	requests []string // URLs that the registry was asked for, in order
	gaveUp   int      // flights that nobody wanted any more
	under    [2]int   // way, by class
	most     [2]int
	stop     func()
}

// The walks of the ecosystems.
func asGo(registry string) Walk  { return golang.New(registry) }
func asNPM(registry string) Walk { return npm.New(registry) }
func asOCI(registry string) Walk { return oci.New(registry) }

// flight is a request under way.
type flight struct {
	done    chan struct{}
	waiters int
	stop    func() bool
	refused bool
}

// inWorld runs f in virtual time.
func inWorld(t *testing.T, setup func(*world), f func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		set, err := rules.Load(rulesd.Files)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{
			t: t, set: set, bodies: make(map[string][]byte), slow: make(map[string]time.Duration), kept: make(map[string]bool),
			flights: make(map[string]*flight),
		}
		w.Prefetcher = &Prefetcher{
			Rules: func() *rules.Set { return set }, Fetch: w.fetch,
			Walks: map[string]func(string) Walk{"go": asGo}, Window: 1,
		}
		if setup != nil {
			setup(w)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { w.Run(ctx) })
		w.stop = func() { cancel(); wg.Wait() }
		synctest.Wait()
		f(w)
		w.stop()
		time.Sleep(time.Minute) // the tick sees that it is over
	})
}

// fetch is what fetch.Fetcher does: it merges, keeps, and gives up what nobody wants.
func (w *world) fetch(ctx context.Context, req fetch.Request) (*fetch.Answer, error) {
	url := "https://" + req.Host.Name + req.Clean
	if !req.Ahead {
		w.Asked(req)
	}
	w.mu.Lock()
	state, refused := fetch.Merged, w.broken
	if w.kept[req.Name] {
		state = fetch.Hit
	} else if req.KeptOnly {
		w.mu.Unlock()
		return nil, fetch.ErrPass
	} else {
		fl := w.flights[req.Name]
		if fl == nil {
			state = fetch.Miss
			fl = w.launch(req, url)
		}
		fl.waiters++
		w.mu.Unlock()
		select {
		case <-fl.done:
		case <-ctx.Done():
			w.leave(req, fl)
			return nil, ctx.Err()
		}
		w.mu.Lock()
		refused = fl.refused
	}
	defer w.mu.Unlock()
	if refused {
		return nil, &fetch.Failure{Name: req.Name}
	}
	if w.denied != nil && w.denied(url) != 0 {
		return nil, &fetch.Failure{Name: req.Name, Tries: []fetch.Try{{Status: w.denied(url), Origin: true}}}
	}
	body, ok := w.bodies[url]
	a := &fetch.Answer{Status: 200, Size: int64(len(body)), Body: content{bytes.NewReader(body)}}
	if !ok {
		a.Status, state = 404, fetch.Negative
	}
	a.Report = fetch.Report{State: state, Bytes: a.Size}
	if !req.Ahead {
		w.Answered(req, a.Report)
	}
	return a, nil
}

type content struct{ *bytes.Reader }

func (content) Close() error { return nil }

// launch asks the registry.
func (w *world) launch(req fetch.Request, url string) *flight {
	kind := classOf(req.Match)
	w.requests = append(w.requests, url)
	w.under[kind]++
	w.most[kind] = max(w.most[kind], w.under[kind])
	fl := &flight{done: make(chan struct{}), refused: w.broken || w.refuses != nil && w.refuses(len(w.requests))}
	w.flights[req.Name] = fl
	timer := time.AfterFunc(delay+w.slow[url], func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.under[kind]--
		delete(w.flights, req.Name)
		w.kept[req.Name] = !fl.refused
		close(fl.done)
	})
	fl.stop = timer.Stop
	return fl
}

func (w *world) leave(req fetch.Request, fl *flight) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if fl.waiters--; fl.waiters == 0 && fl.stop() {
		delete(w.flights, req.Name)
		w.gaveUp++
	}
}

// client is one process with one connection.
type gopher struct {
	w     *world
	of    *fetch.Client
	gone  chan struct{}
	count int // requests
	most  int // after so many it is gone and asks for nothing; 0: it goes on to its end
	mu    sync.Mutex
}

func (w *world) client(n byte) *gopher {
	gone := make(chan struct{})
	return &gopher{w: w, gone: gone, of: &fetch.Client{From: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, n}), 4000), Gone: gone}}
}

// get asks for a path at the registry and reads the answer; nil if there is none.
func (g *gopher) get(path string) []byte {
	g.mu.Lock()
	if g.most > 0 && g.count >= g.most {
		g.mu.Unlock()
		return nil
	}
	g.count++
	g.mu.Unlock()
	a, err := g.w.fetch(g.w.t.Context(), fetch.Request{Match: g.w.match(path), Client: g.of})
	if err != nil {
		return nil
	}
	body, _ := io.ReadAll(a.Body)
	if a.Status != 200 {
		return nil
	}
	return body
}

// match is of a path at the registry of Go, or of a URL.
func (w *world) match(path string) rules.Match {
	if strings.HasPrefix(path, "/") {
		path = host + path
	}
	u, err := url.Parse(path)
	if err != nil {
		w.t.Fatal(err)
	}
	m, ok := w.set.Match(u.Host, rules.Query{URL: u})
	if !ok {
		w.t.Fatalf("%s is in no rule", path)
	}
	return m
}

// all asks for paths, n at a time.
func (g *gopher) all(n int, paths []string) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, n)
	for _, path := range paths {
		slots <- struct{}{}
		wg.Go(func() { g.get(path); <-slots })
	}
	wg.Wait()
}

// asked says how many requests the registry got for URLs with an ending.
func (w *world) asked(ending string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, url := range w.requests {
		if strings.HasSuffix(url, ending) {
			n++
		}
	}
	return n
}

// balance sums up the accounts.
func (w *world) balance() (sum Line) {
	for _, l := range w.Report() {
		sum.Ahead += l.Ahead
		sum.Used += l.Used
		sum.Wasted += l.Wasted
		sum.Waiting += l.Waiting
		sum.UsedBytes += l.UsedBytes
		sum.WastedBytes += l.WastedBytes
	}
	return sum
}

// took tells how much virtual time f needs, in round trips of 200 ms.
func took(f func()) float64 {
	begin := time.Now()
	f()
	return float64(time.Since(begin)) / float64(delay)
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func atMost[T int | int64 | float64](t *testing.T, what string, got, want T) {
	t.Helper()
	if got > want {
		t.Errorf("%s:\n got %v\nwant at most %v", what, got, want)
	}
}

// paths are n paths of modules named by a letter.
func paths(letter string, n int, ext string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("/example.com/%s%03d/@v/v1.0.0%s", letter, i, ext)
	}
	return out
}

// put has the registry serve something.
func (w *world) put(body string, paths ...string) {
	for _, p := range paths {
		w.bodies[host+p] = []byte(body)
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// running says how many runs there are.
func (w *world) running() int {
	w.Prefetcher.mu.Lock()
	defer w.Prefetcher.mu.Unlock()
	return len(w.runs)
}

// sent is the URLs that the registry was asked for.
func (w *world) sent() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}

// lost says how many flights nobody wanted any more.
func (w *world) lost() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gaveUp
}

// flying and peak are the requests of a class that are under way, now and at the most.
func (w *world) flying(c class) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.under[c]
}

func (w *world) peak(c class) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most[c]
}
