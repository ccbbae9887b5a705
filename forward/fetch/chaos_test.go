package fetch_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache/digest"
	"hither/forward/measure"
	"hither/rules"
)

// liar is a mirror that corrupts everything it can, by chance.
type liar struct {
	h  *host
	mu sync.Mutex
	r  *rand.Rand
}

func (l *liar) n(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.IntN(n)
}

func (l *liar) answer(req *http.Request) *http.Response {
	ctx, cancel := context.WithCancel(req.Context())
	resp := l.h.answer(req)
	body, _ := io.ReadAll(resp.Body)
	var tail io.Reader = bytes.NewReader(nil)
	for range 1 + l.n(2) {
		body, tail = l.corrupt(ctx, resp, body, tail)
	}
	resp.Body = ended{io.MultiReader(bytes.NewReader(body), tail), cancel}
	return resp
}

// corrupt does one of the things that go wrong: to the status, the header, the length, the range or the body.
func (l *liar) corrupt(ctx context.Context, resp *http.Response, body []byte, tail io.Reader) ([]byte, io.Reader) {
	at := l.n(len(body) + 1)
	switch l.n(16) {
	case 0:
		resp.StatusCode = []int{200, 201, 204, 206, 301, 304, 400, 401, 403, 404, 410, 416, 418, 429, 451, 500, 503}[l.n(17)]
	case 1:
		resp.StatusCode = http.StatusPartialContent
		said := []string{"", "bytes", "bytes 0-0/1", "bytes */5", "bytes 1-2/3", "bytes -1--1/0", "bytes 9223372036854775807-0/9223372036854775807", "bytes 2-4/5", "bytes 0-/"}
		resp.Header.Set("Content-Range", said[l.n(len(said))])
	case 2:
		resp.Header.Set("Content-Encoding", []string{"gzip", "br", "identity", "gzip, gzip"}[l.n(4)])
	case 3:
		resp.Header.Set("Content-Type", []string{"text/html", "", "x", strings.Repeat("y", 9999)}[l.n(4)])
	case 4:
		resp.Header.Set("Cache-Control", []string{"no-store", "max-age=-1", "private=\"", "=,=", "max-age=999999999999"}[l.n(5)])
	case 5:
		resp.ContentLength = int64(l.n(2*len(body)+2)) - 1
	case 6:
		resp.ContentLength = []int64{-1, 0, 1 << 40, 1<<63 - 1}[l.n(4)]
	case 7:
		body = bytes.Clone(body)
		if at < len(body) {
			body[at] ^= byte(1 + l.n(255))
		}
	case 8:
		body = body[:at]
	case 9:
		body = append(bytes.Clone(body), noise(l.n(100))...)
	case 10:
		body = noise(l.n(100))
	case 11:
		body, tail = body[:at], broken{}
	case 12:
		tail = broken{}
	case 13:
		body, tail = body[:at], silence{ctx}
	case 14:
		resp.ContentLength, body, tail = -1, nil, &drip{ctx: ctx}
	case 15:
		resp.StatusCode, resp.ContentLength = http.StatusOK, int64(len(body)) // a part for the whole, if a part was asked for
	}
	return body, tail
}

// ended is a body whose Read ends when it is closed, as those of net/http do.
type ended struct {
	io.Reader
	end context.CancelFunc
}

func (e ended) Close() error {
	e.end()
	return nil
}

type silence struct{ ctx context.Context }

func (s silence) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// drip never ends, and never stands still.
type drip struct{ ctx context.Context }

func (d *drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(9 * time.Second):
		p[0] = 'x'
		return 1, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

// Two mirrors lie about everything, and are asked first; the origin is honest. Every client gets the right bytes. They
// come one by one, and each hundred has a world of its own: the race detector dies of a bubble whose clock does too much
// (golang/go#78156).
func TestTenThousandLies(t *testing.T) {
	worlds := 100
	if testing.Short() {
		worlds = 5
	}
	for i := range worlds {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.board.first = []string{"near", "far", "reg"}
			w.hundredLies(uint64(i), func() {})
			if asked := w.seen(); len(asked) < 125 {
				t.Errorf("upstreams were asked %d times for 100 things: the mirrors had no chance to lie", len(asked))
			}
		})
	}
}

// The same with a board that learns: who sent wrong bytes is in quarantine at once, and is not asked again while the origin
// lives.
func TestTenThousandLiesAreToldOnlyOnceEach(t *testing.T) {
	worlds := 100
	if testing.Short() {
		worlds = 5
	}
	caught := 0
	for i := range worlds {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			jail := newJail(w)
			w.hosts["reg"].lag = 50 * time.Millisecond
			w.hundredLies(uint64(i), jail.look)
			caught += len(jail.since)
		})
	}
	if caught < worlds/4 && !testing.Short() { // by chance, 0 of 5 would be possible
		t.Errorf("\ngot  %d liars caught in %d worlds with two each\nwant many more", caught, worlds)
	}
}

// jail is who sent wrong bytes, and how often it had been asked by then.
type jail struct {
	w     *world
	board *measure.Board
	since map[string]int

	nobody bool // is honest, so that those in quarantine are asked, too
}

func newJail(w *world) *jail {
	j := &jail{w: w, board: &measure.Board{}, since: map[string]int{}}
	w.Board = j.board
	return j
}

// look sees to it that who sent wrong bytes is in quarantine, and is not asked any more.
func (j *jail) look() {
	synctest.Wait()
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	for _, r := range j.w.reports {
		for _, t := range r.Tries {
			if name := strings.TrimPrefix(t.Base, "https://"); t.Outcome == measure.WrongBytes && j.since[name] == 0 {
				j.since[name] = j.w.calls[name]
			}
		}
	}
	for name, before := range j.since {
		if now := j.w.calls[name]; now != before && !j.nobody {
			j.w.t.Errorf("requests to %s in quarantine\ngot  %d\nwant 0", name, now-before)
		}
	}
	for _, s := range j.board.Report() {
		name := strings.TrimPrefix(s.Base, "https://")
		if jailed := s.State == measure.Quarantined; jailed != (j.since[name] > 0) {
			j.w.t.Errorf("%s is in quarantine\ngot  %v\nwant %v", name, jailed, !jailed)
		}
	}
}

// hundredLies fetches a hundred things and looks behind each.
func (w *world) hundredLies(seed uint64, look func()) {
	w.t.Helper()
	body := make(map[string][]byte)
	w.notary["npm"].by = func(m rules.Match) digest.Digest { return sum(body[m.Clean]) }
	w.notary["gosum"].by = func(m rules.Match) digest.Digest { return h1mod(string(body[m.Clean])) }
	w.notary["gosum"].err = nil
	for i, name := range []string{"near", "far"} {
		l := &liar{h: w.hosts[name], r: rand.New(rand.NewPCG(seed, uint64(i)))}
		w.hosts[name].wild = l.answer
	}
	paths := make([]string, 100)
	for i := range paths {
		b := []byte(fmt.Sprintf("%d %d %x", seed, i, noise(i)))
		paths[i] = []string{"/blob/" + string(sum(b)), "/tar/" + strconv.Itoa(i) + "/all", "/zip/m@v" + strconv.Itoa(i)}[i%3]
		w.put(paths[i], b)
		body[paths[i]] = b
	}
	for _, path := range paths {
		w.mustGet(path, body[path])
		look()
	}
}

func (w *world) mustGet(path string, want []byte) {
	a, err := w.open(w.request(path))
	if err != nil {
		w.t.Errorf("%s: %v", path, err)
		return
	}
	defer a.Body.Close()
	got, err := io.ReadAll(a.Body)
	if err != nil || !bytes.Equal(got, want) || a.Status != http.StatusOK || a.Size >= 0 && a.Size != int64(len(want)) {
		w.t.Errorf("%s: %d, %d bytes\ngot  %.60q, %v\nwant %.60q", path, a.Status, a.Size, got, err, want)
	}
}

// Large bodies come in parts, from a liar about everything and one that flips a single byte now and then. Nothing wrong ever
// ends cleanly, and who sent it is found.
func TestLargeLies(t *testing.T) {
	for name, honest := range map[string]bool{"the origin is honest": true, "everybody lies": false} {
		t.Run(name, func(t *testing.T) {
			seeds := uint64(2)
			if testing.Short() {
				seeds = 1
			}
			for seed := range seeds {
				synctest.Test(t, func(t *testing.T) { largeLies(t, seed, honest) })
			}
		})
	}
}

func largeLies(t *testing.T, seed uint64, honest bool) {
	t.Helper()
	w := newWorld(t)
	w.public()
	w.usuallyLarge()
	jail := newJail(w)
	jail.nobody = !honest
	for i, name := range []string{"near", "far", "reg"} {
		l := &liar{h: w.hosts[name], r: rand.New(rand.NewPCG(seed, uint64(i)))}
		w.hosts[name].rate, w.hosts[name].wild = 4<<20, l.answer
		if name == "far" {
			w.hosts[name].wild = l.flip
		}
	}
	if honest {
		w.hosts["reg"].wild = nil
	}
	for i := range 6 {
		body := noise(9<<20 + i)
		path := w.blob(body)
		whole := false
		for range 3 { // who was given wrong bytes is cut off, and comes again
			whole = whole || w.rightOrBroken(path, body)
		}
		if honest && !whole {
			t.Errorf("%s never came whole, although the origin is honest", path)
		}
		time.Sleep(10 * time.Minute) // a fill may go on behind its clients
		jail.look()
	}
}

// flip sends a wrong byte in every second part.
func (l *liar) flip(req *http.Request) *http.Response {
	resp := l.h.answer(req)
	if wire, ok := resp.Body.(*wire); ok && l.n(2) == 0 && len(wire.body) > wire.at {
		wire.body = bytes.Clone(wire.body)
		wire.body[wire.at+l.n(len(wire.body)-wire.at)] ^= 1
	}
	return resp
}

// rightOrBroken says whether a body came whole. It fails if wrong bytes did.
func (w *world) rightOrBroken(path string, want []byte) bool {
	a, err := w.open(w.request(path))
	if err != nil {
		return false
	}
	defer a.Body.Close()
	got, err := io.ReadAll(a.Body)
	right := bytes.Equal(got, want)
	switch {
	case a.Status != http.StatusOK:
		return false
	case err == nil && !right:
		w.t.Errorf("%d wrong bytes ended cleanly", len(got))
	case a.Size >= 0 && int64(len(got)) >= a.Size && !right:
		w.t.Errorf("a client was given the %d bytes it was promised, and they are wrong", a.Size)
	}
	return err == nil
}
