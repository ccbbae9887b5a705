package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"hither/cache"
	"hither/cache/digest"
	"hither/cache/mem"
)

// disk is a store with wires. It counts what is open.
type disk struct {
	mem.Store

	mu      sync.Mutex
	full    bool                    // Create says so
	room    int                     // so many bytes fit; below 0: any number
	bad     map[digest.Digest]int64 // reading a blob fails from this byte on
	refuse  int                     // so many calls of Open from now on find nothing
	writers int
	blobs   int
}

func (d *disk) Create(ctx context.Context, want digest.Digest) (cache.Writer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return nil, cache.ErrFull
	}
	w, err := d.Store.Create(ctx, want)
	if err != nil {
		return nil, err
	}
	d.writers++
	return &diskWriter{Writer: w, d: d}, nil
}

func (d *disk) Open(ctx context.Context, name digest.Digest) (cache.Blob, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse > 0 {
		d.refuse--
		return nil, cache.ErrNotFound
	}
	b, err := d.Store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	d.blobs++
	bad, ok := d.bad[name]
	if !ok {
		bad = b.Size() + 1
	}
	return &diskBlob{Blob: b, d: d, bad: bad}, nil
}

func (d *disk) Remove(ctx context.Context, name digest.Digest) error {
	d.mu.Lock()
	delete(d.bad, name)
	d.mu.Unlock()
	return d.Store.Remove(ctx, name)
}

func (d *disk) mustBeShut(t *testing.T) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writers != 0 || d.blobs != 0 {
		t.Errorf("left open: %d writers, %d blobs", d.writers, d.blobs)
	}
}

type diskWriter struct {
	cache.Writer
	d    *disk
	once sync.Once
}

func (w *diskWriter) Write(p []byte) (int, error) {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	if w.d.room < 0 {
		return w.Writer.Write(p)
	}
	n, err := w.Writer.Write(p[:min(len(p), w.d.room)])
	w.d.room -= n
	if err == nil && n < len(p) {
		err = cache.ErrFull
	}
	return n, err
}

func (w *diskWriter) Commit() error {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	if w.d.room == 0 {
		return cache.ErrFull
	}
	return w.Writer.Commit()
}

func (w *diskWriter) Close() error {
	w.once.Do(func() {
		w.d.mu.Lock()
		defer w.d.mu.Unlock()
		w.d.writers--
	})
	return w.Writer.Close()
}

type diskBlob struct {
	cache.Blob
	d    *disk
	bad  int64
	at   int64
	once sync.Once
}

func (b *diskBlob) Read(p []byte) (int, error) {
	if b.at >= b.bad {
		return 0, errors.New("a damaged chunk")
	}
	n, err := b.Blob.Read(p[:min(int64(len(p)), b.bad-b.at)])
	b.at += int64(n)
	return n, err
}

func (b *diskBlob) Seek(offset int64, whence int) (int64, error) {
	at, err := b.Blob.Seek(offset, whence)
	b.at = at
	return at, err
}

func (b *diskBlob) Close() error {
	b.once.Do(func() {
		b.d.mu.Lock()
		defer b.d.mu.Unlock()
		b.d.blobs--
	})
	return b.Blob.Close()
}

func TestAFullDiskIsNoTroubleOfTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := w.blob([]byte("hello"))
		w.disk.full = true
		expect(t, w.get(path), "hello from reg (miss) after [reg]")
		synctest.Wait()
		w.hosts["reg"].dead = true
		expect(t, w.get(path), "hello from near (miss) after [near]") // which it may, for the origin gave it to strangers
	})
}

func TestWithoutADiskWhatIsLargeIsPassedOn(t *testing.T) {
	unsized := func(w *world) {
		w.hosts["reg"].wild = func(r *http.Request) *http.Response {
			resp := w.hosts["reg"].answer(r)
			resp.ContentLength = -1
			return resp
		}
	}
	for _, c := range []struct {
		what  string
		size  int
		wire  func(*world)
		ahead bool
		want  string
	}{
		{"large", 8<<20 + 1, nil, false, "pass"},
		{"large, as it turns out", 9 << 20, unsized, false, "pass"},
		{"small, as it turns out", 8 << 20, unsized, false, "miss"},
		{"small", 8 << 20, nil, false, "miss"},
		{"a guess", 100, nil, true, "pass"},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				req := w.request(w.blob(noise(c.size)))
				req.Ahead = c.ahead
				w.disk.full = true
				if c.wire != nil {
					c.wire(w)
				}
				got := w.ask(req)
				if !strings.Contains(got, c.want) {
					t.Errorf("\ngot:  %s\nwant: %s", got, c.want)
				}
			})
		})
	}
}

func TestWhatDoesNotFitBesideWhatIsUnderWayIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, second := w.blob(noise(10<<20)), w.blob(noise(9<<20))
		w.disk.Limit, w.Over.Limit = 30<<20, 1<<20
		gate := make(chan struct{})
		for _, h := range w.hosts {
			h.gate = gate
		}
		a, err := w.open(w.request(first))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if got := w.get(second); !strings.HasPrefix(got, "pass after") {
			t.Errorf("while another is under way\n got %s\nwant pass", got)
		}
		close(gate)
		if n, err := io.Copy(io.Discard, a.Body); n != 10<<20 || err != nil {
			t.Errorf("the first\n got %d bytes, %v\nwant all", n, err)
		}
		synctest.Wait()
		if got := w.get(second); !strings.Contains(got, "(miss)") {
			t.Errorf("when that is here\n got %s\nwant a miss", got)
		}
	})
}

func TestADiskThatFillsUpInTheMiddleStillServesAllBytes(t *testing.T) {
	for name, size := range map[string]int{"a small blob": 100 << 10, "a large blob, which flows": 12 << 20} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				body := noise(size)
				path := w.blob(body)
				w.disk.room = size / 2
				for _, from := range []string{"reg", "near"} { // twice a miss: nothing was kept
					got := strings.Fields(w.get(path))
					expect(t, strings.Join(got[2:], " "), fmt.Sprintf("%s from %s (miss) after [%s]", sum(body)[7:15], from, from))
					synctest.Wait()
				}
			})
		})
	}
}

func TestAFullDiskDoesNotHideWrongBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.get(w.blob([]byte("the origin knows these")))
		path := w.blob([]byte("hello"))
		w.disk.room = 2
		w.hosts["near"].flip = 4
		expect(t, w.get(path), "hello from reg (miss) after [near reg]")
	})
}

func TestAFailedFillLeavesNoWriterOpen(t *testing.T) {
	for name, pull := range map[string]func(w *world, path string){
		"all sources break off": func(w *world, _ string) {
			for _, h := range w.hosts {
				h.cut = 2
			}
		},
		"one breaks off, the origin has it no more": func(w *world, path string) {
			w.hosts["near"].cut = 2
			delete(w.hosts["reg"].files, path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.get(w.blob([]byte("the origin knows these")))
				path := w.blob([]byte("hello"))
				pull(w, path)
				w.get(path)
				synctest.Wait()
				w.disk.mustBeShut(t)
			})
		})
	}
}

func TestADamagedBlobHealsInMidRead(t *testing.T) {
	for name, size := range map[string]int{"small": 5, "large": 12 << 20} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				body := noise(size)
				path := w.blob(body)
				w.get(path)
				w.disk.bad[sum(body)] = int64(size / 2)
				a, err := w.open(w.request(path))
				if err != nil {
					t.Fatal(err)
				}
				defer a.Body.Close()
				got, err := io.ReadAll(a.Body)
				if err != nil || sum(got) != sum(body) {
					t.Errorf("\ngot  %d bytes, %v\nwant %d", len(got), err, size)
				}
				before := len(w.seen())
				w.get(path)
				if now := w.seen(); len(now) != before {
					t.Errorf("the healed blob was not kept: asked %v", now[before:])
				}
			})
		})
	}
}

func TestADamagedBlobNobodyHasAnyMoreBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := w.blob([]byte("hello"))
		w.get(path)
		synctest.Wait() // or the fill that is about to end has them still
		w.disk.bad[sum([]byte("hello"))] = 2
		for _, h := range w.hosts {
			h.dead = true
		}
		expect(t, strings.SplitN(w.get(path), " after", 2)[0], "broken body")
	})
}

func TestABlobEvictedWhileItIsRevalidatedIsStillServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/doc/a", []byte("doc"))
		w.hosts["reg"].etag = `"1"`
		w.get("/doc/a")
		sleepMinutes(2)
		w.hosts["reg"].wild = func(req *http.Request) *http.Response {
			w.disk.mu.Lock()
			w.disk.refuse = 1
			w.disk.mu.Unlock()
			return w.hosts["reg"].answer(req)
		}
		expect(t, w.get("/doc/a"), "doc from reg (revalidated) after [reg]")
	})
}

func TestAHeadOfSomethingLargeFetchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		req := w.request(w.blob(noise(2 << 20)))
		req.Head = true
		a, err := w.open(req)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		synctest.Wait()
		if got := w.seen(); len(got) != 1 || got[0] != "HEAD reg" || a.Size != 2<<20 {
			t.Errorf("\ngot  %d bytes after %v\nwant %d after [HEAD reg]", a.Size, got, 2<<20)
		}
		small := w.request(w.blob([]byte("small")))
		small.Head = true
		w.ask(small)
		expect(t, w.get(w.blob([]byte("small"))), "small from reg (hit) after []")
	})
}

func TestKeptOnlyAsksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/doc/a", []byte("doc"))
		req := w.request("/doc/a")
		req.KeptOnly = true
		expect(t, w.ask(req), "pass after []")
		w.get("/doc/a")
		expect(t, w.ask(req), "doc from reg (hit) after []")
		sleepMinutes(60)
		expect(t, w.ask(req), "doc from reg (stale) after []")
	})
}
