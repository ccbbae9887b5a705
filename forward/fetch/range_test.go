package fetch_test

import (
	"errors"
	"io"
	"math"
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
		{"of a small body", 15 << 20, 0, 1 << 20, "miss"},
		{"that ends near the end", 30 << 20, 0, 20 << 20, "miss"},
		{"that would go beyond the end", 30 << 20, 0, 1 << 40, "miss"},
		{"that would go beyond all numbers", 30 << 20, 0, math.MaxInt64, "miss"},
		{"up to the end", 30 << 20, 5, 0, "miss"},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				req := w.request(w.blob(noise(int(c.size))))
				req.Offset, req.Upto = c.offset, c.upto
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
