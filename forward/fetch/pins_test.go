package fetch_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/notary"
	"hither/rules"
)

// What the authority says is fetched, too, and may need a place that those who wait for it hold.
func TestWhoWaitsForAnAuthorityLeavesRoomForItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const many = 400
		*w.notary["npm"] = scribe{pins: true, digest: sum([]byte("hello")), lag: 100 * time.Millisecond, head: func(ctx context.Context, m rules.Match) (http.Header, int, error) {
			_, err := w.Document(ctx, w.request("/doc/"+m.Subject).Match, false)
			return nil, 0, err
		}}
		w.hosts["one"].lag, w.hosts["reg"].lag = time.Second, 2*time.Second
		began, done := time.Now(), make(chan error)
		for i := range many {
			w.put(fmt.Sprintf("/alone/a%d/b", i), []byte("hello"))
			w.put(fmt.Sprintf("/doc/a%d", i), []byte("doc"))
		}
		for i := range many {
			req := w.requestOf("twin", fmt.Sprintf("/alone/a%d/b", i))
			go func() {
				a, err := w.open(req)
				if err == nil {
					_, err = io.Copy(io.Discard, a.Body)
					a.Body.Close()
				}
				done <- err
			}()
		}
		for range many {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%d tarballs came after %v, want 20 s at most", many, took)
		}
	})
}

// A client reads what came so far: that the same bytes are here since, under another name, is no help to it.
func TestABodyThatIsUnderWayGoesOnThoughTheSameBytesCameMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		body := noise(12 << 20)
		w.put("/alone/a/b", body)
		*w.notary["npm"] = scribe{pins: true, digest: sum(body)}
		w.hosts["one"].gate, w.hosts["one"].cut = make(chan struct{}), 10<<20
		got := make(chan string)
		go func() { got <- w.ask(w.requestOf("twin", "/alone/a/b")) }()
		synctest.Wait()
		w.get(w.blob(body))
		close(w.hosts["one"].gate)
		if text, want := <-got, fmt.Sprintf("%d bytes %s", len(body), sum(body)[7:15]); len(text) < len(want) || text[:len(want)] != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
	})
}

func TestWhatIsKeptAndNobodyNamesIsNotFetchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/alone/a/b", []byte("hello"))
		w.hosts["one"].etag = `"x"`
		*w.notary["npm"] = scribe{pins: true, err: notary.ErrUnknown}
		expect(t, w.ask(w.requestOf("twin", "/alone/a/b")), "hello from one (miss) after [one]")
		time.Sleep(2 * time.Hour)
		expect(t, w.ask(w.requestOf("twin", "/alone/a/b")), "hello from one (revalidated) after [one]")
	})
}
