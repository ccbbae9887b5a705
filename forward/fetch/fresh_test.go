package fetch_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache/digest"
	"hither/forward/measure"
)

func TestWhatTheOriginSaysOfKeeping(t *testing.T) {
	for _, c := range []struct {
		name   string
		header http.Header
		after  time.Duration
		kept   bool
	}{
		{"nothing: the rule decides", nil, 50 * time.Second, true},
		{"nothing, and the rule's time is over", nil, 70 * time.Second, false},
		{"no-store", http.Header{"Cache-Control": {"no-store"}}, 0, false},
		{"private", http.Header{"Cache-Control": {"private, max-age=60"}}, 0, false},
		{"no-store in a line of its own", http.Header{"Cache-Control": {"max-age=60", "no-store"}}, 0, false},
		{"no-store beside nonsense", http.Header{"Cache-Control": {"max-age=soon, no-store"}}, 0, false},
		{"nonsense", http.Header{"Cache-Control": {"max-age=soon"}}, time.Second, false},
		{"no-cache", http.Header{"Cache-Control": {"no-cache"}}, time.Second, false},
		{"max-age=10, within", http.Header{"Cache-Control": {"max-age=10"}}, 9 * time.Second, true},
		{"max-age=10, behind", http.Header{"Cache-Control": {"max-age=10"}}, 11 * time.Second, false},
		{"max-age=10, spent in another cache", http.Header{"Cache-Control": {"max-age=10"}, "Age": {"8"}}, 3 * time.Second, false},
		{"a long max-age is cut by the rule", http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, 70 * time.Second, false},
		{"s-maxage counts for us", http.Header{"Cache-Control": {"max-age=50, s-maxage=5"}}, 6 * time.Second, false},
		{"Vary: *", http.Header{"Vary": {"*"}}, 0, false},
		{"Vary: Accept, *", http.Header{"Vary": {"Accept", "*"}}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.put("/doc/a", []byte("doc"))
				w.hosts["reg"].header = c.header
				w.get("/doc/a")
				synctest.Wait()
				time.Sleep(c.after)
				want := "doc from reg (miss) after [reg]"
				if c.kept {
					want = "doc from reg (hit) after []"
				}
				expect(t, w.get("/doc/a"), want)
			})
		})
	}
}

func TestAnEncodedDocumentIsRevalidatedByItsETag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/doc/a", zipped([]byte("doc")))
		w.hosts["reg"].header, w.hosts["reg"].etag = http.Header{"Content-Encoding": {"gzip"}}, `"z"`
		w.get("/doc/a")
		sleepMinutes(2)
		expect(t, w.get("/doc/a"), "doc from reg (revalidated) after [reg]")
	})
}

func TestAClockSetBackDoesNotEmptyTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := w.blob([]byte("hello"))
		w.put("/doc/a", []byte("doc"))
		w.get(path)
		w.get("/doc/a")
		synctest.Wait()
		w.Now = func() time.Time { return time.Now().AddDate(-20, 0, 0) }
		expect(t, w.get(path), "hello from reg (hit) after []")
		expect(t, w.get("/doc/a"), "doc from reg (miss) after [reg]")
	})
}

func TestTheFirstOriginThatAnswersDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.board.first = []string{"two", "one"}
		w.hosts["one"].files["/twin/a"] = []byte("a")
		req := w.requestOf("twin", "/twin/a")
		expect(t, w.ask(req), "a from one (miss) after [one]")
		sleepMinutes(2)
		w.hosts["one"].dead = true
		w.hosts["two"].files["/twin/a"] = []byte("b")
		expect(t, w.ask(req), "b from two (miss) after [one two]")
	})
}

func TestAnOriginThatRestsWaitsBehindTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.board.resting = []string{"one"}
		w.hosts["two"].files["/twin/a"] = []byte("b")
		expect(t, w.ask(w.requestOf("twin", "/twin/a")), "b from two (miss) after [two]")
	})
}

func TestALateOriginIsAskedOnceMoreSinceOnlyItMaySayNo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hosts["near"].dead, w.hosts["far"].dead = true, true
		w.put("/list/a", []byte("v1"))
		w.hosts["reg"].lag = 20 * time.Second
		expect(t, w.get("/list/a"), "v1 from reg (miss) after [reg near far reg]")
	})
}

func TestTheOnlyOriginGoesOnWhereItWasCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		body := noise(12 << 20)
		path := w.blob(body)
		w.hosts["near"].dead, w.hosts["far"].dead = true, true
		w.hosts["reg"].cut = 5 << 20
		expect(t, w.get(path), fmt.Sprintf("%d bytes %s from reg (miss) after [reg near bytes=5242880- far bytes=5242880- reg bytes=5242880- reg bytes=10485760-]", len(body), sum(body)[7:15]))
	})
}

func TestAClientsClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/tar/a/b", []byte("hello"))
		req := w.request("/tar/a/b")
		req.Claim = sum([]byte("hello"))
		expect(t, w.ask(req), "hello from reg (miss) after [reg]")
		expect(t, w.ask(req), "hello from reg (hit) after []")
		expect(t, w.get("/tar/a/b"), "hello from reg (miss) after [reg]") // a claim is nobody else's word
		other := w.request("/tar/a/c")
		other.Claim = sum([]byte("hello"))
		expect(t, w.ask(other), "hello from  (hit) after []")
	})
}

func TestAWrongClaimIsTheClientsAffair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/tar/a/b", []byte("first"))
		w.get("/tar/a/b")
		w.put("/tar/a/b", []byte("hello"))
		req := w.request("/tar/a/b")
		req.Claim = sum([]byte("something else"))
		expect(t, w.ask(req), "pass after [near reg]")
		for _, base := range []string{"near", "reg"} {
			for _, got := range w.board.outcomes(base) {
				if got == measure.WrongBytes || got == measure.Broken {
					t.Errorf("%s was blamed for what a client believes: %v", base, got)
				}
			}
		}
	})
}

func TestTrap7TwoZipsOfOneHashAfterAnEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		loose, tight := pack(t, zip.Store), pack(t, zip.Deflate)
		w.put("/zip/m@v1", loose)
		w.notary["gosum"].digest, w.notary["gosum"].err = h1("m@v1/go.mod", "module m"), nil
		w.get("/zip/m@v1")
		synctest.Wait() // the flight has landed
		if err := w.Store.Remove(t.Context(), sum(loose)); err != nil {
			t.Fatal(err)
		}
		w.put("/zip/m@v1", tight)
		expect(t, w.get("/zip/m@v1"), fmt.Sprintf("%d bytes %s from near (miss) after [near]", len(tight), sum(tight)[7:15]))
	})
}

func pack(t *testing.T, method uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.CreateHeader(&zip.FileHeader{Name: "m@v1/go.mod", Method: method})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "module m")
	z.Close()
	return b.Bytes()
}

func h1(name, text string) digest.Digest {
	v := sha256.Sum256([]byte(hexsum(text) + "  " + name + "\n"))
	return digest.Of(digest.H1, v[:])
}

func TestAManifestFoundByItsTagKeepsItsMediaType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		body := []byte("manifest")
		path := "/manifest/" + string(sum(body))
		w.put(path, body)
		w.hosts["reg"].header = http.Header{"Content-Type": {"application/b"}}
		w.notary["tag"].digest, w.notary["tag"].path = sum(body), path
		w.get("/tag/latest")
		before := len(w.seen())
		a, err := w.open(w.request(path))
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if got := a.Header.Get("Content-Type"); got != "application/b" || len(w.seen()) != before {
			t.Errorf("\ngot  %q, asked %v\nwant \"application/b\", asked nobody", got, w.seen()[before:])
		}
	})
}

func TestAManifestOfAnUnknownKindIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		body := []byte("manifest")
		w.get(w.blob(body)) // the same bytes, under a name that does not tell their kind
		path := "/manifest/" + string(sum(body))
		w.put(path, body)
		w.hosts["near"].header = http.Header{"Content-Type": {"application/b"}}
		a, err := w.open(w.request(path))
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		expect(t, a.Header.Get("Content-Type"), "application/b")
	})
}

func TestAMirrorCannotCallAManifestWhatItIsNot(t *testing.T) {
	for name, row := range map[string]struct{ body, called, want string }{
		"it says so itself":      {`{"mediaType":"application/b","manifests":[]}`, "application/a", "application/b from https://reg"},
		"and the mirror, too":    {`{"mediaType":"application/b","manifests":[]}`, "application/b; charset=utf-8", "application/b; charset=utf-8 from https://near"},
		"by what an index holds": {`{"schemaVersion":2,"manifests":[]}`, "application/a", "application/b from https://reg"},
		"it does not say":        {`manifest`, "application/a", "application/a from https://near"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.public()
				path := "/manifest/" + string(sum([]byte(row.body)))
				w.put(path, []byte(row.body))
				w.hosts["near"].header = http.Header{"Content-Type": {row.called}}
				w.hosts["reg"].header = http.Header{"Content-Type": {"application/b"}}
				for range 2 { // the second time it is kept
					a, err := w.open(w.request(path))
					if err != nil {
						t.Fatal(err)
					}
					got, _ := io.ReadAll(a.Body)
					a.Body.Close()
					expect(t, a.Header.Get("Content-Type")+" from "+a.Report.Source, row.want)
					expect(t, string(got), row.body)
				}
			})
		})
	}
}

// A mirror whose bytes are wrong is no better for calling them something else, too.
func TestWrongBytesAreWrongWhateverTheyAreCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		path := "/manifest/" + string(sum([]byte("right")))
		w.put(path, []byte("right"))
		w.hosts["near"].files[path] = []byte(`{"mediaType":"application/b","manifests":[]}`)
		for _, h := range w.hosts {
			h.header = http.Header{"Content-Type": {"application/a"}}
		}
		a, err := w.open(w.request(path))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		expect(t, fmt.Sprint(a.Report.Source, " after ", a.Report.Tries[0].Outcome), fmt.Sprint("https://reg after ", measure.WrongBytes))
	})
}

func TestAMirrorsHeadersAreNotTheOriginsWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.public()
		w.hosts["near"].header = http.Header{"Docker-Content-Digest": {"sha256:lie"}, "Link": {"</evil>; rel=next"}, "Content-Type": {"application/x"}}
		a, err := w.open(w.request(w.blob([]byte("hello"))))
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		expect(t, strings.Join([]string{a.Header.Get("Docker-Content-Digest"), a.Header.Get("Link"), a.Header.Get("Content-Type")}, "|"), "||application/x")
	})
}

func TestAGoneClientLeavesNothingOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		req := w.request("/tar/a/b")
		w.put("/tar/a/b", []byte("hello"))
		req.Claim = sum([]byte("hello"))
		w.ask(req)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if a, err := w.Fetch(ctx, req); err == nil {
			a.Body.Close()
		}
	})
}
