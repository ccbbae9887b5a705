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
	resp := l.h.answer(req)
	body, _ := io.ReadAll(resp.Body)
	var tail io.Reader = bytes.NewReader(nil)
	for range 1 + l.n(2) {
		body, tail = l.corrupt(req, resp, body, tail)
	}
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), tail))
	return resp
}

// corrupt does one of the things that go wrong: to the status, the header, the length, the range or the body.
func (l *liar) corrupt(req *http.Request, resp *http.Response, body []byte, tail io.Reader) ([]byte, io.Reader) {
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
		body, tail = body[:at], silence{req.Context()}
	case 14:
		resp.ContentLength, body, tail = -1, nil, &drip{ctx: req.Context()}
	case 15:
		resp.StatusCode, resp.ContentLength = http.StatusOK, int64(len(body)) // a part for the whole, if a part was asked for
	}
	return body, tail
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
		synctest.Test(t, func(t *testing.T) { hundredLies(t, uint64(i)) })
	}
}

func hundredLies(t *testing.T, seed uint64) {
	t.Helper()
	w := newWorld(t)
	w.board.first = []string{"near", "far", "reg"}
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
	}
	if asked := w.seen(); len(asked) < len(paths)*5/4 {
		t.Errorf("upstreams were asked %d times for %d things: the mirrors had no chance to lie", len(asked), len(paths))
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

// With everybody lying, a client gets the right bytes or an error, and large bodies never end cleanly when they are wrong.
func TestLargeLies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		want := noise(9 << 20)
		path := w.blob(want)
		for seed, name := range []string{"near", "far", "reg"} {
			l := &liar{h: w.hosts[name], r: rand.New(rand.NewPCG(uint64(seed), 9))}
			w.hosts[name].wild = l.answer
		}
		rounds, whole := 8, 0
		if testing.Short() {
			rounds = 2
		}
		for range rounds {
			a, err := w.open(w.request(path))
			if err != nil {
				continue
			}
			got, err := io.ReadAll(a.Body)
			a.Body.Close()
			switch right := bytes.Equal(got, want); {
			case a.Status != http.StatusOK:
			case err == nil && !right:
				t.Errorf("%d wrong bytes ended cleanly", len(got))
			case err == nil:
				whole++
			}
			if n := a.Size; a.Status == http.StatusOK && n >= 0 && int64(len(got)) >= n && !bytes.Equal(got, want) {
				t.Errorf("a client was given the %d bytes it was promised, and they are wrong", n)
			}
			if err := w.Store.Remove(t.Context(), sum(want)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		t.Logf("%d of %d came whole", whole, rounds)
	})
}
