package fetch_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache"
	"hither/forward/fetch"
	"hither/forward/measure"
	"hither/forward/notary"
)

func sleepMinutes(n int) { time.Sleep(time.Duration(n) * time.Minute) }

// say makes an answer by hand; size is what Content-Length claims.
func say(req *http.Request, status int, size int64, body io.Reader, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, ContentLength: size, Body: io.NopCloser(body), Request: req}
}

func zipped(b []byte) []byte {
	var z bytes.Buffer
	zw := gzip.NewWriter(&z)
	zw.Write(b)
	zw.Close()
	return z.Bytes()
}

// public makes the origin known for the blobs, so that mirrors may be asked.
func (w *world) public() { w.get(w.blob([]byte("the origin knows these"))) }

func TestAMirrorCannotConfirmWhatNobodyAskedItAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tag := w.notary["tag"]
		tag.digest, tag.path = sum([]byte("old")), w.blob([]byte("old"))
		expect(t, w.get("/tag/latest"), "old from reg (miss) after [reg]")
		sleepMinutes(1)
		tag.digest, tag.path = sum([]byte("new")), w.blob([]byte("new"))
		w.hosts["near"].status = 304
		expect(t, w.get("/tag/latest"), "new from reg (miss) after [near reg]")
	})
}

func TestA304WithoutAConditionIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/doc/a", []byte("doc"))
		w.get("/doc/a")
		name := cache.Name(w.request("/doc/a").Name)
		entry, err := w.Store.Lookup(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		entry.Header = nil // as a store may give it back
		if err := w.Store.Bind(t.Context(), name, entry); err != nil {
			t.Fatal(err)
		}
		sleepMinutes(2)
		w.hosts["reg"].wild = func(req *http.Request) *http.Response {
			return say(req, 304, 0, strings.NewReader(""), "Cache-Control", "max-age=60")
		}
		expect(t, w.get("/doc/a"), "doc from reg (stale) after [reg]")
	})
}

func TestAWrongBeginningOfAMirrorDoesNotSpoilTheOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		path := w.blob([]byte("hello"))
		w.hosts["near"].cut, w.hosts["near"].flip = 2, 1
		w.hosts["far"].dead = true
		expect(t, w.get(path), "hello from reg (miss) after [near reg bytes=2- reg]")
		for _, got := range w.board.outcomes("reg") {
			if got != measure.OK && got != measure.Canceled {
				t.Errorf("the honest origin was blamed: %v", got)
			}
		}
	})
}

func TestABodyThatBreaksOffBehindItsLastByte(t *testing.T) {
	for name, cut := range map[string]func(req *http.Request) *http.Response{
		"all is there": func(req *http.Request) *http.Response {
			return say(req, 200, -1, io.MultiReader(strings.NewReader("hello"), broken{}))
		},
		"more than there is": func(req *http.Request) *http.Response {
			return say(req, 200, -1, io.MultiReader(strings.NewReader("hello, world"), broken{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.public()
				path := w.blob([]byte("hello"))
				w.hosts["near"].wild = cut
				w.hosts["far"].dead = true
				w.hosts["reg"].wild = func(req *http.Request) *http.Response {
					from, _ := strconv.Atoi(strings.Trim(req.Header.Get("Range"), "bytes=-"))
					if from >= 5 {
						return say(req, 416, 0, strings.NewReader(""), "Content-Range", "bytes */5")
					}
					return say(req, 200, 5, strings.NewReader("hello"))
				}
				got := w.get(path)
				expect(t, strings.SplitN(got, " after", 2)[0], "hello from reg (miss)")
			})
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAClientIsNeverToldAnEndThatIsNone(t *testing.T) {
	const lie, all = 12 << 20, 13 << 20
	for name, size := range map[string]int64{"the next knows its length": all, "the next does not": -1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.public()
				body := noise(all)
				path := w.blob(body)
				w.hosts["near"].wild = func(req *http.Request) *http.Response {
					return say(req, 200, lie, io.MultiReader(bytes.NewReader(body[:10<<20]), broken{}))
				}
				w.hosts["reg"].wild = func(req *http.Request) *http.Response {
					return say(req, 200, size, bytes.NewReader(body))
				}
				a, err := w.open(w.request(path))
				if err != nil {
					t.Fatal(err)
				}
				defer a.Body.Close()
				promised := a.Size
				if promised < 0 { // the lie was found out before the client looked
					promised = all
				}
				if n, err := io.ReadFull(a.Body, make([]byte, promised)); err == nil && promised != all {
					t.Errorf("a client that was promised %d bytes got %d of %d and no error", promised, n, all)
				}
			})
		})
	}
}

func TestAFailureIsNotHandedToWhoComesAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/doc/a", []byte("doc"))
		w.hosts["reg"].dead = true
		again := ""
		w.Trace.Filled = func(r fetch.Report) { // the flight is still in the air, but it has told its clients
			if r.Err != "" {
				w.hosts["reg"].dead = false
				again = w.get("/doc/a")
			}
		}
		w.get("/doc/a")
		synctest.Wait()
		expect(t, again, "doc from reg (miss) after [reg]")
	})
}

func TestAnObjectThatVanishesUnderAClientBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		body := noise(12 << 20)
		path := w.blob(body)
		w.hosts["near"].wild = func(req *http.Request) *http.Response { // of unknown length
			return say(req, 200, -1, io.MultiReader(bytes.NewReader(body[:10<<20]), broken{}))
		}
		delete(w.hosts["reg"].files, path)
		expect(t, w.get(path), "broken body after [near reg bytes=10485760-]")
	})
}

func TestAShortBodyIsNotAWholeOne(t *testing.T) {
	for name, size := range map[string]int64{"too few bytes": 9, "too many": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.hosts["reg"].wild = func(req *http.Request) *http.Response {
					return say(req, 200, size, strings.NewReader("hello"))
				}
				expect(t, strings.SplitN(w.get("/doc/a"), " after", 2)[0], "failure 502")
			})
		})
	}
}

func TestACodingNobodyAskedForIsNotTheThing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/doc/a", []byte("brotli"))
		w.hosts["reg"].header = http.Header{"Content-Encoding": {"br"}}
		expect(t, w.get("/doc/a"), "pass after [reg]")
		w.put("/doc/b", zipped([]byte("doc"))[:12])
		w.hosts["reg"].header = http.Header{"Content-Encoding": {"gzip"}}
		expect(t, strings.SplitN(w.get("/doc/b"), " after", 2)[0], "failure 502")
	})
}

func TestTheBodyOfA404IsDecodedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hosts["reg"].wild = func(req *http.Request) *http.Response {
			return say(req, 404, -1, bytes.NewReader(zipped([]byte("not here"))), "Content-Encoding", "gzip")
		}
		expect(t, w.get("/doc/a"), "404 not here from reg (negative) after [reg]")
	})
}

func TestASlowDripIsAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		body := noise(10_000)
		path := w.blob(body)
		w.hosts["near"].drip = 9 * time.Second
		before := time.Now()
		got := w.get(path)
		if waited := time.Since(before); waited > time.Minute || !strings.Contains(got, string(sum(body)[7:15])) {
			t.Errorf("after %s got %s", waited, got)
		}
	})
}

func TestNothingIsServedThatTheAuthorityHadNoTimeToVouchFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/zip/m@v1", []byte("zipped"))
		w.get("/zip/m@v1")
		w.put("/zip/m@v2", []byte("forged"))
		w.notary["gosum"].lag, w.notary["gosum"].digest, w.notary["gosum"].err = time.Hour, h1mod("genuine"), nil
		done := make(chan string)
		go func() { done <- w.get("/zip/m@v2") }()
		time.Sleep(time.Second)
		w.Close()
		expect(t, <-done, "failure 502 after [near]")
	})
}

func TestAFillThatFailsBeforeTheAuthoritySpeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, h := range w.hosts {
			h.dead, h.lag = true, time.Second
		}
		w.notary["gosum"].lag, w.notary["gosum"].digest, w.notary["gosum"].err = time.Second, h1mod("zipped"), nil
		expect(t, strings.SplitN(w.get("/zip/m@v1"), " after", 2)[0], "failure 502")
	})
}

func TestADeletedThingStaysDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/doc/a", []byte("doc"))
		w.get("/doc/a")
		sleepMinutes(2)
		delete(w.hosts["reg"].files, "/doc/a")
		expect(t, w.get("/doc/a"), "404 not here from reg (negative) after [reg]")
		sleepMinutes(2)
		w.hosts["reg"].dead = true
		expect(t, w.get("/doc/a"), "failure 502 after [reg]")
	})
}

func TestARefusalIsAnAnswerAndAnOverloadIsNot(t *testing.T) {
	for status, want := range map[int]string{
		401: "failure 401 after [reg]", 403: "failure 403 after [reg]", 451: "failure 451 after [reg]",
		429: "doc from reg (stale) after [reg]", 500: "doc from reg (stale) after [reg]",
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.put("/doc/a", []byte("doc"))
				w.get("/doc/a")
				sleepMinutes(2)
				w.hosts["reg"].status = status
				expect(t, w.get("/doc/a"), want)
			})
		})
	}
}

func TestAnOldCopyDoesNotHideAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/zip/m@v1", []byte("zipped"))
		w.get("/zip/m@v1")
		sleepMinutes(120)
		w.notary["gosum"].err = notary.ErrSecurity
		expect(t, strings.SplitN(w.get("/zip/m@v1"), " after", 2)[0], "failure 502")
	})
}

func TestARateLimitOfTheOriginIsNoReasonToAskNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := w.blob([]byte("hello"))
		w.hosts["reg"].status = 429
		expect(t, w.get(path), "hello from near (miss) after [reg near]")
		w.hosts["reg"].status = 403
		expect(t, w.get(w.blob([]byte("private"))), "failure 403 after [reg]")
	})
}

// A client that is told when to ask again does not ask before.
func TestARefusalTellsTheLimitsOfTheOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hosts["reg"].status = 429
		w.hosts["reg"].header = http.Header{
			"Retry-After": {"77"}, "Ratelimit-Remaining": {"0;w=21600"}, "Docker-Ratelimit-Source": {"192.0.2.1"},
			"X-Ratelimit-Reset": {strings.Repeat("9", 300)}, "Set-Cookie": {"secret"}, "Ratelimit": {"a", "b"},
		}
		w.hosts["near"].dead, w.hosts["far"].dead = true, true
		_, err := w.open(w.request("/doc/a"))
		failure := (*fetch.Failure)(nil)
		if !errors.As(err, &failure) {
			t.Fatalf("got  %v\nwant a failure", err)
		}
		expect(t, fmt.Sprint(failure.Limits()), "map[Docker-Ratelimit-Source:[192.0.2.1] Ratelimit-Remaining:[0;w=21600] Retry-After:[77]]")
		if !strings.Contains(err.Error(), "log in") {
			t.Errorf("got  %v\nwant what to do about it", err)
		}
	})
}

func TestAnErrorHoldsNoMoreThanALineOfWhatAStrangerSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/list/a", []byte("list"))
		w.hosts["reg"].dead, w.hosts["far"].dead = true, true
		w.hosts["near"].header = http.Header{"Content-Encoding": {strings.Repeat("x", 100_000)}}
		_, err := w.open(w.request("/list/a"))
		if err == nil || len(err.Error()) > 1000 || !strings.Contains(err.Error(), "xxx") {
			t.Errorf("\ngot  %.1000s\nwant an error of less than 1000 bytes that says what near sent", err)
		}
	})
}
