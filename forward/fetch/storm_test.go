package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/measure"
)

// storm is a network in which every request has a fate of its own.
type storm struct {
	w    *world
	mu   sync.Mutex
	r    *rand.Rand
	open atomic.Int64 // bodies that nobody closed
}

func (s *storm) n(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.IntN(n)
}

func (s *storm) RoundTrip(req *http.Request) (*http.Response, error) {
	fate, at := s.n(9), int64(s.n(6<<20))
	switch fate {
	case 0:
		return nil, errors.New("connection reset by peer")
	case 1:
		select {
		case <-time.After(time.Duration(s.n(9000)) * time.Millisecond):
		case <-req.Context().Done():
			return nil, context.Cause(req.Context())
		}
	}
	resp, err := s.w.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	s.open.Add(1)
	ctx, cancel := context.WithCancel(req.Context())
	body := &counted{ReadCloser: resp.Body, closed: sync.OnceFunc(func() { cancel(); s.open.Add(-1) })}
	resp.Body = body
	switch fate {
	case 2:
		body.rest = silence{ctx}
	case 3:
		body.rest = broken{}
	case 4:
		body.rest = flipped{body.ReadCloser}
	case 5:
		resp.StatusCode = []int{200, 206, 403, 404, 416, 429, 503}[s.n(7)]
	default:
		return resp, nil
	}
	body.left = min(at, resp.ContentLength/2)
	return resp, nil
}

// counted is a body whose rest may be another than it should be.
type counted struct {
	io.ReadCloser
	rest   io.Reader // behind so many bytes; nil: there is none
	left   int64
	closed func()
}

func (c *counted) Read(p []byte) (int, error) {
	switch {
	case c.rest == nil:
		return c.ReadCloser.Read(p)
	case c.left == 0:
		return c.rest.Read(p)
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

func (c *counted) Close() error {
	c.closed()
	return c.ReadCloser.Close()
}

// Two hundred clients at once in a storm: each gets the right bytes or an error, and afterwards nothing is left of them.
func TestAStormLeavesNothingBehind(t *testing.T) {
	for seed := range uint64(2) {
		synctest.Test(t, func(t *testing.T) { stormOf(t, seed) })
	}
}

func stormOf(t *testing.T, seed uint64) {
	t.Helper()
	w := newWorld(t)
	w.public()
	w.parts = true
	s := &storm{w: w, r: rand.New(rand.NewPCG(seed, 0))}
	w.Transport, w.Board, w.Hedge = s, &measure.Board{}, &measure.Hedger{Share: 0.5}
	for name, rate := range map[string]float64{"near": 1 << 20, "reg": 2 << 20, "far": 512 << 10} {
		w.hosts[name].rate, w.hosts[name].lag = rate, 40*time.Millisecond
	}
	var bodies [][]byte
	var paths []string
	for i := range 150 {
		size := 100 + i
		if i%25 == 0 {
			size = 5<<20 + i<<17
		}
		bodies = append(bodies, noise(size))
		paths = append(paths, w.blob(bodies[i]))
	}
	var clients sync.WaitGroup
	var right, failed atomic.Int64
	for i := range 200 {
		clients.Go(func() {
			if err := s.client(paths[i%150], bodies[i%150]); err != nil {
				failed.Add(1)
				return
			}
			right.Add(1)
		})
	}
	clients.Wait()
	w.Close()
	synctest.Wait()
	if transfers, splits, waiting := w.Busy(); transfers != 0 || splits != 0 || waiting != 0 || s.open.Load() != 0 {
		t.Errorf("left behind: %d transfers, %d bodies in parts, %d bytes in memory, %d open bodies", transfers, splits, waiting, s.open.Load())
	}
	if right.Load() < 100 {
		t.Errorf("\ngot  %d right, %d failed\nwant most of them right", right.Load(), failed.Load())
	}
	t.Logf("%d right, %d failed", right.Load(), failed.Load())
}

// client wants one thing; now and then it leaves before the end.
func (s *storm) client(path string, want []byte) error {
	time.Sleep(time.Duration(s.n(3000)) * time.Millisecond)
	ctx, cancel := context.WithCancel(s.w.t.Context())
	defer cancel()
	a, err := s.w.Fetch(ctx, s.w.request(path))
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if s.n(10) == 0 {
		_, err := io.CopyN(io.Discard, a.Body, int64(s.n(len(want))))
		return err
	}
	got, err := io.ReadAll(a.Body)
	if err == nil && a.Status == http.StatusOK && !bytes.Equal(got, want) {
		s.w.t.Errorf("%s: %d wrong bytes ended cleanly", path, len(got))
	}
	if err == nil && a.Status != http.StatusOK {
		return fmt.Errorf("status %d", a.Status)
	}
	return err
}
