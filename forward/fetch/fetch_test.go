package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache"
	"hither/cache/digest"
	"hither/forward/fetch"
	"hither/forward/measure"
	"hither/forward/notary"
	"hither/rules"
)

func sum(b []byte) digest.Digest {
	s := sha256.Sum256(b)
	return digest.Of(digest.SHA256, s[:])
}

func query(path string) rules.Query { return rules.Query{URL: &url.URL{Path: path}} }

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

// expect runs get and compares.
func expect(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("\ngot  %s\nwant %s", got, want)
	}
}

func TestABlobComesOnceAndThenFromTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := w.blob([]byte("hello"))
		expect(t, w.get(path), "hello from reg (miss) after [reg]")
		expect(t, w.get(path), "hello from reg (hit) after []")
	})
}

func TestAMirrorHearsANameOnlyAfterTheOriginGaveIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		expect(t, w.get(w.blob([]byte("one"))), "one from reg (miss) after [reg]")
		expect(t, w.get(w.blob([]byte("two"))), "two from near (miss) after [near]")
	})
}

func TestABadSourceIsReplacedUnseen(t *testing.T) {
	for name, c := range map[string]struct {
		pull    func(near *host)
		want    string
		outcome measure.Outcome
	}{
		"one flipped byte":    {func(h *host) { h.flip = 3 }, "hello from reg (miss) after [near reg]", measure.WrongBytes},
		"a short body":        {func(h *host) { h.cut = 2 }, "hello from reg (miss) after [near reg bytes=2-]", measure.Short},
		"silence":             {func(h *host) { h.lag = time.Hour }, "hello from reg (miss) after [near reg]", measure.Outrun},
		"a body that stalls":  {func(h *host) { h.hang = 2 }, "hello from reg (miss) after [near reg bytes=2-]", measure.Stalled},
		"no connection":       {func(h *host) { h.dead = true }, "hello from reg (miss) after [near reg]", measure.Broken},
		"a login page":        {func(h *host) { h.header = http.Header{"Content-Type": {"text/html"}} }, "hello from reg (miss) after [near reg]", measure.Page},
		"403":                 {func(h *host) { h.status = 403 }, "hello from reg (miss) after [near reg]", measure.Refused},
		"429":                 {func(h *host) { h.status = 429 }, "hello from reg (miss) after [near reg]", measure.Limited},
		"500":                 {func(h *host) { h.status = 500 }, "hello from reg (miss) after [near reg]", measure.Broken},
		"a 404 of the mirror": {func(h *host) { h.files = nil }, "hello from reg (miss) after [near reg]", measure.Missing},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.get(w.blob([]byte("the origin knows these")))
				path := w.blob([]byte("hello"))
				c.pull(w.hosts["near"])
				expect(t, w.get(path), c.want)
				if got := w.board.outcomes("near"); len(got) != 1 || got[0] != c.outcome {
					t.Errorf("\nthe board heard %v\nwant            [%v]", got, c.outcome)
				}
			})
		})
	}
}

func TestTrap7BytesOfTwoMirrorsAreMixedOnlyWhereADigestPinsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/zip/m@v1", []byte("zipped"))
		w.notary["gosum"].digest, w.notary["gosum"].err = h1mod("zipped"), nil
		w.get("/zip/m@v1")
		synctest.Wait()
		if err := w.Store.Forget(t.Context(), cache.Name(w.request("/zip/m@v1").Name)); err != nil {
			t.Fatal(err)
		}
		w.hosts["near"].cut = 2
		expect(t, w.get("/zip/m@v1"), "zipped from reg (miss) after [near reg]")
	})
}

func TestTrap8ALargeBlobFlowsBeforeItsEndButNeverEndsUnverified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		body := noise(12 << 20)
		path := w.blob(body)
		w.hosts["reg"].gate = make(chan struct{})
		a, err := w.open(w.request(path))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		first := make([]byte, 1<<20)
		if _, err := io.ReadFull(a.Body, first); err != nil || !bytes.Equal(first, body[:1<<20]) {
			t.Fatalf("the first MiB before the last: %v", err)
		}
		close(w.hosts["reg"].gate)
		rest, err := io.ReadAll(a.Body)
		if err != nil || !bytes.Equal(rest, body[1<<20:]) {
			t.Errorf("the rest: %d bytes, %v", len(rest), err)
		}
	})
}

func TestALargeBlobWithOneWrongByteNeverEndsCleanly(t *testing.T) {
	for _, c := range []struct {
		name string
		flip int
		want string
	}{
		{"in what was passed on: the client is cut off", 100, "broken body after [near reg]"},
		{"in the held back tail: the client does not notice", 12<<20 - 5, "12582912 bytes 00000000 from near (miss) after [near reg]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.get(w.blob([]byte("the origin knows these")))
				body := noise(12 << 20)
				path := w.blob(body)
				w.hosts["near"].flip = c.flip
				c.want = strings.Replace(c.want, "00000000", string(sum(body)[7:15]), 1)
				expect(t, w.get(path), c.want)
				w.hosts["near"].flip = 0
				expect(t, strings.Fields(w.get(path))[2], string(sum(body)[7:15]))
			})
		})
	}
}

func TestALargeBlobGoesOnWithTheNextSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.get(w.blob([]byte("the origin knows these")))
		body := noise(12 << 20)
		path := w.blob(body)
		w.hosts["near"].cut = 10 << 20
		expect(t, w.get(path), "12582912 bytes "+string(sum(body)[7:15])+" from near (miss) after [near reg bytes=10485760-]")
	})
}

func TestTrap9WhoLeavesTakesNobodyAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := w.blob([]byte("hello"))
		w.hosts["reg"].lag = 500 * time.Millisecond
		first, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := w.Fetch(first, w.request(path)); !errors.Is(err, context.Canceled) {
				t.Errorf("the client that left got %v", err)
			}
		})
		synctest.Wait()
		for range 20 {
			wg.Go(func() { expect(t, strings.Fields(w.get(path))[0], "hello") })
		}
		synctest.Wait()
		leave()
		wg.Wait()
		if got := w.seen(); len(got) != 1 {
			t.Errorf("upstreams were asked %v, want once", got)
		}
	})
}

func TestEveryWaiterGetsTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := w.blob([]byte("hello"))
		for _, h := range w.hosts {
			h.status, h.lag = 500, time.Second
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { expect(t, strings.SplitN(w.get(path), " after", 2)[0], "failure 502") })
		}
		wg.Wait()
	})
}

func TestTrap1OurOwnFailureIsNo404(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/list/a", []byte("v1"))
		w.hosts["reg"].dead = true
		w.hosts["near"].files, w.hosts["far"].files = nil, nil
		expect(t, w.get("/list/a"), "failure 502 after [reg near far]")
		w.hosts["reg"].dead = false
		delete(w.hosts["reg"].files, "/list/a")
		expect(t, w.get("/list/a"), "404 not here from reg (negative) after [reg]")
	})
}

func TestTrap11ANoIsSoonForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		expect(t, w.get("/doc/a"), "404 not here from reg (negative) after [reg]")
		expect(t, w.get("/doc/a"), "404 not here from reg (negative) after []")
		w.put("/doc/a", []byte("pushed"))
		time.Sleep(31 * time.Second)
		expect(t, w.get("/doc/a"), "pushed from reg (miss) after [reg]")
	})
}

func TestTrap10A304RefreshesTheAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/doc/a", []byte("doc"))
		w.hosts["reg"].etag = `"1"`
		expect(t, w.get("/doc/a"), "doc from reg (miss) after [reg]")
		time.Sleep(2 * time.Minute)
		expect(t, w.get("/doc/a"), "doc from reg (revalidated) after [reg]")
		expect(t, w.get("/doc/a"), "doc from reg (hit) after []")
	})
}

func TestStaleIsBetterThanNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/doc/a", []byte("doc"))
		w.get("/doc/a")
		time.Sleep(time.Hour)
		w.hosts["reg"].dead = true
		expect(t, w.get("/doc/a"), "doc from reg (stale) after [reg]")
		w.hosts["reg"].dead, w.hosts["reg"].lag = false, time.Minute
		before := time.Now()
		expect(t, w.get("/doc/a"), "doc from reg (stale) after [reg]")
		if waited := time.Since(before); waited > 5*time.Second {
			t.Errorf("waited %s for an origin that hangs, with a copy at hand", waited)
		}
	})
}

func TestANegativeAnswerIsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/doc/a", []byte("doc"))
		w.get("/doc/a")
		time.Sleep(time.Hour)
		delete(w.hosts["reg"].files, "/doc/a")
		expect(t, w.get("/doc/a"), "404 not here from reg (negative) after [reg]")
	})
}

func TestPrivateNamesAndUnprovenOnesArePassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/list/secret", []byte("v1"))
		expect(t, w.get("/list/secret"), "pass after []")
		req := w.request("/list/a")
		req.Doubtful = true
		w.hosts["reg"].status = 401
		if _, err := w.open(req); !errors.Is(err, fetch.ErrPass) {
			t.Errorf("what the origin does not give to everybody: got %v, want ErrPass", err)
		}
		w.hosts["reg"].status = 0
		w.put("/list/a", []byte("v1"))
		a, err := w.open(req)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
	})
}

func TestAnEmptyBodyOfALargeKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.parts = true // the first of its kind is asked for by a range, and there is none in nothing
		path := "/bulk/" + string(sum(nil))
		w.put(path, nil)
		expect(t, w.get(path), " from reg (miss) after [reg reg]")
	})
}

func TestWithoutAWordOnlyTheOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/zip/m@v1", []byte("zipped"))
		expect(t, w.get("/zip/m@v1"), "zipped from reg (miss) after [reg]")
		w.hosts["reg"].dead = true
		w.put("/zip/n@v1", []byte("zipped"))
		expect(t, w.get("/zip/n@v1"), "failure 502 after [reg]")
	})
}

func TestAWeakDigestIsNoReasonToTrustAMirror(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/tar/a/b", []byte("hello"))
		w.notary["npm"].digest = "sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"
		w.get(w.blob([]byte("x")))
		expect(t, w.get("/tar/a/b"), "hello from reg (miss) after [reg]")
	})
}

func TestAnAuthorityThatContradictsItselfServesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/zip/m@v1", []byte("zipped"))
		w.notary["gosum"].err = notary.ErrSecurity
		expect(t, w.get("/zip/m@v1"), "failure 502 after [reg]")
	})
}

func TestMistake5ATagIsAskedAgainAndCarriedByAnyone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := w.blob([]byte("manifest"))
		w.notary["tag"].digest, w.notary["tag"].path = sum([]byte("manifest")), path
		w.get(w.blob([]byte("the origin knows these")))
		expect(t, w.get("/tag/latest"), "manifest from reg (miss) after [reg]")
		expect(t, w.get("/tag/latest"), "manifest from reg (hit) after []")
		time.Sleep(time.Minute)
		expect(t, w.get("/tag/latest"), "manifest from reg (revalidated) after []")
		expect(t, w.get(path), "manifest from reg (hit) after []")
	})
}

func TestAnEncodedDocumentIsKeptDecodedUnderOurETag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var z bytes.Buffer
		zw := gzip.NewWriter(&z)
		io.WriteString(zw, "doc")
		zw.Close()
		w.put("/doc/a", z.Bytes())
		w.hosts["reg"].header = http.Header{"Content-Encoding": {"gzip"}, "Etag": {`"theirs"`}}
		a, err := w.open(w.request("/doc/a"))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		body, _ := io.ReadAll(a.Body)
		if string(body) != "doc" || a.Header.Get("Etag") != "" || a.Header.Get("Content-Encoding") != "" {
			t.Errorf("got %q with %v", body, a.Header)
		}
	})
}

func TestCloseEndsTheFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := w.blob([]byte("hello"))
		for _, h := range w.hosts {
			h.hang = 1
		}
		done := make(chan string)
		go func() { done <- w.get(path) }()
		synctest.Wait()
		w.Close()
		expect(t, strings.SplitN(<-done, " after", 2)[0], "failure 502")
	})
}

func h1mod(s string) digest.Digest {
	v := sha256.Sum256([]byte(hexsum(s) + "  go.mod\n"))
	return digest.Of(digest.H1Mod, v[:])
}

func hexsum(s string) string { return sum([]byte(s)).Sum() }
