package fetch_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
)

// A part is whole for its client only when the body is checked, which may be minutes after it is here.
func TestAPartIsPassedOnIfItWouldWaitLongForTheWhole(t *testing.T) {
	for _, c := range []struct {
		what               string
		size, offset, upto int64
		want               string
	}{
		{"at the front of a large body", 30 << 20, 0, 1 << 20, "pass"},
		{"of a small body that stands still", 15 << 20, 0, 1 << 20, "pass"},
		{"that is much of a small body", 15 << 20, 0, 10 << 20, "miss"},
		{"in the middle of a large body", 25 << 20, 12 << 20, 13 << 20, "pass"},
		{"that ends near the end", 30 << 20, 0, 20 << 20, "miss"},
		{"that would go beyond the end", 30 << 20, 0, 1 << 40, "miss"},
		{"that would go beyond all numbers", 30 << 20, 0, math.MaxInt64, "miss"},
		{"up to the end", 30 << 20, 5, 0, "miss"},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				req := w.request(w.blob(noise(int(c.size))))
				req.Offset, req.Upto, req.Part = c.offset, c.upto, max(c.upto-c.offset, 0)
				w.hosts["reg"].gate = make(chan struct{})
				defer close(w.hosts["reg"].gate)
				got := "pass"
				a, err := w.open(req)
				if err == nil {
					got = string(a.Report.State)
					a.Body.Close()
				} else if !errors.Is(err, fetch.ErrPass) {
					got = err.Error()
				}
				expect(t, got, c.want)
			})
		})
	}
}

// Whoever reads a file in a layer that is still coming waits a moment for it, if that is enough, and no longer. The line has not
// room for all of it twice.
func TestASmallPartDoesNotWaitLongForTheWhole(t *testing.T) {
	for _, c := range []struct {
		what string
		size int
		rate float64       // of the body, in bytes a second
		part int64         // is that long
		at   time.Duration // since the body was begun
		want string
	}{
		{"of a body that comes at once", 12 << 20, 30 << 20, 100 << 10, 0, "merged after 400ms"},
		{"of a body that comes slowly", 12 << 20, 1 << 20, 100 << 10, 0, "pass after 250ms"},
		{"of a small body that comes at once", 2 << 20, 4 << 20, 100 << 10, 0, "merged after 500ms"},
		{"of a small body that comes slowly", 2 << 20, 100 << 10, 100 << 10, 0, "pass after 250ms"},
		{"of a body that is known to come slowly", 12 << 20, 1 << 20, 100 << 10, 2 * time.Second, "pass after 0s"},
		{"of a body that will soon be here", 12 << 20, 1 << 20, 100 << 10, 11500 * time.Millisecond, "merged after 500ms"},
		{"that is a third of what is missing", 12 << 20, 1 << 20, 3 << 20, 3 * time.Second, "merged after 9s"},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.hosts["reg"].rate = c.rate
				req := w.request(w.blob(noise(c.size)))
				var whole sync.WaitGroup
				whole.Go(func() { w.ask(req) })
				defer synctest.Wait()
				defer whole.Wait()
				synctest.Wait()
				time.Sleep(c.at)
				req.Offset, req.Upto, req.Part = 1<<20, 1<<20+c.part, c.part
				expect(t, w.part(req), c.want)
			})
		})
	}
}

func TestTheSmallPartsOfABodyAreNotAllOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hosts["reg"].rate = 1 << 20
		req := w.request(w.blob(noise(12 << 20)))
		passed := 0
		for i := range int64(10) {
			req.Offset, req.Upto, req.Part = i<<20, i<<20+500<<10, 500<<10
			if strings.HasPrefix(w.part(req), "pass") {
				passed++
			}
		}
		if passed != 6 {
			t.Errorf("parts of 500 kB that are fetched beside a body of 12 MB\ngot  %d\nwant 6, a quarter of it", passed)
		}
	})
}

// The origin of what a mirror sends may be out of reach: to wait for that would take longer than the whole.
func TestASmallPartOfWhatAMirrorSendsIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hosts["reg"].dead = true
		w.hosts["near"].rate, w.hosts["far"].rate = 1<<20, 1<<20
		req := w.request(w.blob(noise(6 << 20)))
		req.Offset, req.Upto, req.Part = 1<<20, 2<<20, 1<<20
		expect(t, w.part(req), "miss after 6s")
	})
}

// part reads the part that a request wants, and says how the cache took part and how long that took.
func (w *world) part(req fetch.Request) string {
	began, state := time.Now(), "pass"
	a, err := w.open(req)
	if err == nil {
		defer a.Body.Close()
		state = string(a.Report.State)
		if _, err = a.Body.Seek(-1, io.SeekEnd); err == nil { // who serves parts gives their end when the whole is checked
			_, err = a.Body.Read(make([]byte, 1))
		}
	}
	if err != nil && !errors.Is(err, fetch.ErrPass) && !errors.Is(err, io.EOF) {
		state = err.Error()
	}
	return fmt.Sprintf("%s after %v", state, time.Since(began).Round(50*time.Millisecond))
}

// A part ends cleanly, so that its client would take the lies of who heals it for right bytes.
func TestAPartOfADamagedBlobWaitsForTheCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		body := noise(12 << 20)
		path := w.blob(body)
		w.get(path)
		w.disk.bad[sum(body)] = 1 << 20
		w.hosts["reg"].dead, w.hosts["far"].dead = true, true
		w.hosts["near"].flip, w.hosts["near"].rate = 1<<20+10, 1<<20
		req := w.request(path)
		req.Upto = 2 << 20
		a, err := w.open(req)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if n, err := io.ReadFull(a.Body, make([]byte, req.Upto)); err == nil || n > 1<<20 {
			t.Errorf("\ngot  %d bytes, %v\nwant an error behind %d", n, err, 1<<20)
		}
	})
}

// What one client wants of a body says nothing of what another gets who waited with it.
func TestAPartOfADamagedBlobWaitsForTheCheckBesideWhoWantsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		body := noise(12 << 20)
		w.get(w.blob(body))
		w.put("/tar/a/a-1.tgz", body)
		w.notary["npm"].digest, w.notary["npm"].lag = sum(body), time.Second
		w.disk.bad[sum(body)] = 1 << 20
		w.hosts["reg"].dead, w.hosts["far"].dead = true, true
		w.hosts["near"].flip, w.hosts["near"].rate = 1<<20+10, 1<<20
		all := w.request("/tar/a/a-1.tgz")
		go func() {
			if a, err := w.open(all); err == nil {
				a.Body.Close()
			}
		}()
		synctest.Wait()
		part := all
		part.Upto = 2 << 20
		a, err := w.open(part)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if n, err := io.ReadFull(a.Body, make([]byte, part.Upto)); err == nil || n > 1<<20 {
			t.Errorf("\ngot  %d bytes, %v\nwant an error behind %d", n, err, 1<<20)
		}
	})
}
