package forward_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"hither/forward/fetch"
)

const (
	tag  = `"sha256:abc"`
	date = "Tue, 10 Mar 2026 10:00:00 GMT"
	text = "0123456789"
)

// tagged has both validators.
func tagged(a *fetch.Answer) {
	a.ETag = tag
	a.Header.Set("Last-Modified", date)
}

// empty has nothing in it.
func empty(a *fetch.Answer) { tagged(a); a.Size, a.Body = 0, &body{Reader: bytes.NewReader(nil)} }

// unmeasured is the same while its size is not known.
func unmeasured(a *fetch.Answer) { tagged(a); a.Size = -1 }

func TestConditionsAndRanges(t *testing.T) {
	w := newWorld(t)
	type row struct {
		what, method string
		edit         func(*fetch.Answer)
		header       []string
		want         string // status, Content-Length, Content-Range, body
	}
	for i, c := range []row{
		{"GET sends all", "GET", tagged, nil, "200 10  0123456789"},
		{"HEAD tells the length", "HEAD", tagged, nil, "200 10  "},
		{"HEAD has no ranges", "HEAD", tagged, []string{"Range", "bytes=2-4"}, "200 10  "},
		{"a range", "GET", tagged, []string{"Range", "bytes=2-4"}, "206 3 bytes 2-4/10 234"},
		{"a range without end", "GET", tagged, []string{"Range", "bytes=7-"}, "206 3 bytes 7-9/10 789"},
		{"a range from the end", "GET", tagged, []string{"Range", "bytes=-2"}, "206 2 bytes 8-9/10 89"},
		{"a range that ends too late", "GET", tagged, []string{"Range", "bytes=8-99"}, "206 2 bytes 8-9/10 89"},
		{"a range behind the end", "GET", tagged, []string{"Range", "bytes=10-"}, "416  bytes */10 invalid range: failed to overlap\n"},
		{"a range from the end of nothing", "GET", empty, []string{"Range", "bytes=-2"}, "200 0  "},
		{"a range of other units is not looked at", "GET", tagged, []string{"Range", "lines=1-2"}, "200 10  0123456789"},
		{"too many ranges are an attack", "GET", tagged, []string{"Range", "bytes=" + strings.Repeat("0-0,", 40) + "1-1"}, "200 10  0123456789"},
		{"If-Range that is still right", "GET", tagged, []string{"Range", "bytes=2-4", "If-Range", tag}, "206 3 bytes 2-4/10 234"},
		{"If-Range of other bytes", "GET", tagged, []string{"Range", "bytes=2-4", "If-Range", `"old"`}, "200 10  0123456789"},
		{"If-Range needs a strong validator", "GET", tagged, []string{"Range", "bytes=2-4", "If-Range", "W/" + tag}, "200 10  0123456789"},
		{"If-Range by date", "GET", tagged, []string{"Range", "bytes=2-4", "If-Range", date}, "206 3 bytes 2-4/10 234"},
		{"If-None-Match", "GET", tagged, []string{"If-None-Match", tag}, "304   "},
		{"If-None-Match compares weakly", "GET", tagged, []string{"If-None-Match", `"x", W/` + tag}, "304   "},
		{"If-None-Match of others", "GET", tagged, []string{"If-None-Match", `"x"`}, "200 10  0123456789"},
		{"If-None-Match on HEAD", "HEAD", tagged, []string{"If-None-Match", tag}, "304   "},
		{"If-Modified-Since", "GET", tagged, []string{"If-Modified-Since", date}, "304   "},
		{"If-Modified-Since long ago", "GET", tagged, []string{"If-Modified-Since", "Tue, 10 Mar 2020 10:00:00 GMT"}, "200 10  0123456789"},
		{"If-None-Match outweighs If-Modified-Since", "GET", tagged, []string{"If-None-Match", `"x"`, "If-Modified-Since", date}, "200 10  0123456789"},
		{"If-Match of others", "GET", tagged, []string{"If-Match", `"x"`}, "412   "},
		{"no validators: no conditions", "GET", nil, []string{"If-None-Match", tag}, "200 10  0123456789"},
		{"size unknown: all, chunked", "GET", unmeasured, nil, "200 -1  0123456789"},
		{"size unknown: no ranges", "GET", unmeasured, []string{"Range", "bytes=2-4"}, "200 -1  0123456789"},
		{"size unknown: If-None-Match", "GET", unmeasured, []string{"If-None-Match", tag}, "304   "},
		{"size unknown: If-Modified-Since", "GET", unmeasured, []string{"If-Modified-Since", date}, "304   "},
		{"size unknown: HEAD", "HEAD", unmeasured, nil, "200 -1  "},
		{"the origin does not have it", "GET", func(a *fetch.Answer) { a.Status = 404; a.Report.State = fetch.Negative }, []string{"Range", "bytes=2-4"}, "404 10  0123456789"},
		{"gone, asked by HEAD", "HEAD", func(a *fetch.Answer) { a.Status = 410 }, nil, "410 10  "},
	} {
		for _, h2 := range []bool{false, true} {
			w.setFetch(content(text, c.edit))
			res, body := do(t, w.client(h2), c.method, fmt.Sprintf("https://%s/forever/%d", host, i), "", c.header...)
			length := fmt.Sprint(res.ContentLength)
			if res.StatusCode == http.StatusNotModified || res.StatusCode >= http.StatusPreconditionFailed && res.StatusCode <= http.StatusRequestedRangeNotSatisfiable {
				length = "" // of no interest
			}
			if got := fmt.Sprintf("%d %s %s %s", res.StatusCode, length, res.Header.Get("Content-Range"), body); got != c.want {
				t.Errorf("%s (%s)\ngot:  %q\nwant: %q", c.what, res.Proto, got, c.want)
			}
		}
	}
}

func TestSeveralRangesAreParts(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content(text, tagged))
	res, body := get(t, w.client(false), "https://"+host+"/forever/a", "Range", "bytes=0-1,8-9")
	_, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode != http.StatusPartialContent || err != nil {
		t.Fatalf("got:  %d %s\nwant: 206 multipart", res.StatusCode, res.Header.Get("Content-Type"))
	}
	var got []string
	for parts := multipart.NewReader(strings.NewReader(body), params["boundary"]); ; {
		part, err := parts.NextPart()
		if err != nil {
			break
		}
		inside, _ := io.ReadAll(part)
		got = append(got, part.Header.Get("Content-Range")+" "+string(inside))
	}
	if want := "[bytes 0-1/10 01 bytes 8-9/10 89]"; fmt.Sprint(got) != want {
		t.Errorf("parts\ngot:  %v\nwant: %s", got, want)
	}
}

// Trap: ending a short body cleanly. The client must see an error, however the body was framed.
func TestABodyThatDiesBreaksTheConnection(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat(text, 100_000)
	for _, c := range []struct {
		what   string
		edit   func(*fetch.Answer)
		header []string
	}{
		{"of known size", nil, nil},
		{"of unknown size", func(a *fetch.Answer) { a.Size = -1 }, nil},
		{"a range of it", tagged, []string{"Range", "bytes=100-"}},
		{"several ranges of it", tagged, []string{"Range", "bytes=0-9,300000-900000"}},
		{"of a 404", func(a *fetch.Answer) { a.Status = 404; a.Size = -1 }, nil},
		{"of a 404 that ends too early", func(a *fetch.Answer) { a.Status = 404; a.Size *= 2; a.Body.(*body).breaks = 0 }, nil},
		{"that ends too early", func(a *fetch.Answer) { a.Size *= 2; a.Body.(*body).breaks = 0 }, nil},
		{"at the last byte of unknown size", func(a *fetch.Answer) { a.Size = -1; a.Body.(*body).breaks = int64(len(long)) - 1 }, nil},
		{"at the last byte", func(a *fetch.Answer) { a.Body.(*body).breaks = int64(len(long)) - 1 }, nil},
	} {
		w.setFetch(content(long, func(a *fetch.Answer) {
			a.Body.(*body).breaks = 500_000
			if c.edit != nil {
				c.edit(a)
			}
		}))
		for _, h2 := range []bool{false, true} {
			req, _ := http.NewRequest(http.MethodGet, "https://"+host+"/forever/a", nil)
			for i := 0; i+1 < len(c.header); i += 2 {
				req.Header.Set(c.header[i], c.header[i+1])
			}
			res, err := w.client(h2).Do(req)
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			// An HTTP/2 stream must be reset: not every client compares what came with the Content-Length.
			if err == nil || h2 && !strings.Contains(err.Error(), "stream error") {
				t.Errorf("a body %s, HTTP/2 %v\ngot:  %v\nwant: an error, in HTTP/2 a reset", c.what, h2, err)
			}
		}
	}
	if !strings.Contains(w.log.String(), "the mirror sent wrong bytes") {
		t.Errorf("the log\ngot:  %s\nwant: the reason", w.log)
	}
}

// HTTP/1.0 knows the end of a body of unknown size by the end of the connection alone, so that must be a broken one.
func TestABodyThatDiesIsNoCleanEndInHTTP10(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content(strings.Repeat(text, 1000), func(a *fetch.Answer) { a.Size = -1; a.Body.(*body).breaks = 5000 }))
	w.setOrigin(func(rw http.ResponseWriter, _ *http.Request) {
		http.NewResponseController(rw).Flush()
		panic(http.ErrAbortHandler)
	})
	for _, path := range []string{"/reg/forever/a", "/reg/never/a"} {
		_, r := w.raw("GET " + path + " HTTP/1.0\r\nHost: " + w.addr + "\r\n\r\n")
		if got, err := io.ReadAll(r); err == nil {
			t.Errorf("%s in the clear\ngot:  %d bytes and a clean end\nwant: an error", path, len(got))
		}
	}
	conn, _ := w.raw("")
	secure := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: w.ca.pool()})
	io.WriteString(secure, "GET /forever/a HTTP/1.0\r\nHost: "+host+"\r\n\r\n")
	if got, err := io.ReadAll(secure); err == nil {
		t.Errorf("inside TLS\ngot:  %d bytes and a clean end\nwant: an error", len(got))
	}
}

func TestTheBodyIsClosed(t *testing.T) {
	w := newWorld(t)
	for _, header := range [][]string{nil, {"If-None-Match", tag}, {"Range", "bytes=0-1,3-4"}} {
		closed := make(chan struct{})
		w.setFetch(content(text, func(a *fetch.Answer) { tagged(a); a.Body.(*body).closed = closed }))
		get(t, w.direct(), "http://"+w.addr+"/reg/forever/a", header...)
		select {
		case <-closed:
		case <-time.After(20 * time.Second):
			t.Errorf("after %q\ngot:  an open body\nwant: a closed one", header)
		}
	}
}

// vouched is an answer whose bytes somebody named.
func vouched(state fetch.State, by string) func(*fetch.Answer) {
	return func(a *fetch.Answer) { a.Report.State, a.Report.Vouched = state, by }
}

func TestAnAnswerTellsItsReasons(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct {
		edit        func(*fetch.Answer)
		status, age string
		source      string
	}{
		{func(a *fetch.Answer) { a.Report.State = fetch.Hit; a.Report.Age = 90 * time.Second }, "Hither; hit", "90", "https://mirror.test"},
		{func(a *fetch.Answer) { a.Report.State = fetch.Revalidated }, "Hither; fwd=stale; fwd-status=304; detail=revalidated", "0", "https://mirror.test"},
		{func(a *fetch.Answer) { a.Report.State = fetch.Miss }, "Hither; fwd=uri-miss; stored; detail=miss", "", "https://mirror.test"},
		{func(a *fetch.Answer) { a.Report.State = fetch.Merged }, "Hither; fwd=uri-miss; collapsed; stored; detail=merged", "", "https://mirror.test"},
		{func(a *fetch.Answer) { a.Report.State = fetch.Stale; a.Report.Age = time.Hour }, "Hither; hit; detail=stale", "3600", "https://mirror.test"},
		{vouched(fetch.Hit, "gosum"), "Hither; hit", "0", "https://mirror.test"},
		{vouched(fetch.Hit, "quorum of a.test and b.test"), `Hither; hit; detail="quorum of a.test and b.test"`, "0", "https://mirror.test"},
		{vouched(fetch.Miss, "quorum of a.test and b.test"), `Hither; fwd=uri-miss; stored; detail="quorum of a.test and b.test"`, "", "https://mirror.test"},
		{vouched(fetch.Merged, "quorum of a.test and b.test"), `Hither; fwd=uri-miss; collapsed; stored; detail="quorum of a.test and b.test"`, "", "https://mirror.test"},
		{vouched(fetch.Stale, "the word of one mirror, a.test"), `Hither; hit; detail="stale, the word of one mirror, a.test"`, "0", "https://mirror.test"},
		{vouched(fetch.Hit, "quorum of \"\\\r\né"), `Hither; hit; detail="quorum of \"\\???"`, "0", "https://mirror.test"},
		{func(a *fetch.Answer) { a.Report.State = fetch.Negative; a.Status = 404 }, "Hither; hit; detail=negative", "", "https://mirror.test"},
		{func(a *fetch.Answer) {
			a.Report.State, a.Status, a.Report.Tries = fetch.Negative, 404, make([]fetch.Try, 1)
		}, "Hither; fwd=uri-miss; fwd-status=404; detail=negative", "", "https://mirror.test"},
		{func(a *fetch.Answer) { a.Report.State = fetch.Local; a.Report.Source = "" }, "Hither; detail=local", "", ""},
	} {
		w.setFetch(content(text, c.edit))
		res, _ := get(t, w.client(false), fmt.Sprintf("https://%s/forever/%d", host, i))
		h := res.Header
		got := fmt.Sprintf("%s|%s|%s|%s", h.Get("Cache-Status"), h.Get("Age"), h.Get("Hither-Source"), h.Get("Hither-Rule"))
		if want := fmt.Sprintf("%s|%s|%s|reg", c.status, c.age, c.source); got != want {
			t.Errorf("got:  %s\nwant: %s", got, want)
		}
	}
}

func TestHeadersOfAConnectionAreNotRepeated(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content(text, func(a *fetch.Answer) {
		for _, name := range []string{"Alt-Svc", "Set-Cookie", "Keep-Alive", "Trailer", "Transfer-Encoding", "Age"} {
			a.Header.Set(name, "x")
		}
		a.Header.Set("Content-Length", "99")
		a.Header.Set("Docker-Content-Digest", "sha256:abc")
		a.Header.Del("Content-Type")
		a.Report.State = fetch.Miss
	}))
	res, body := get(t, w.client(false), "https://"+host+"/forever/a")
	for _, name := range []string{"Alt-Svc", "Set-Cookie", "Keep-Alive", "Trailer", "Age", "Content-Type"} {
		if got := res.Header[name]; got != nil {
			t.Errorf("%s\ngot:  %q\nwant: none", name, got)
		}
	}
	if got, want := res.Header.Get("Docker-Content-Digest"), "sha256:abc"; got != want || body != text {
		t.Errorf("got:  %s %s\nwant: %s %s", got, body, want, text)
	}
}

// The first byte must not wait for the last: clients give up after 15 s of silence.
func TestASlowBodyArrivesAsItComes(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		w := newWorld(t)
		rest := make(chan string)
		w.setFetch(content("", func(a *fetch.Answer) {
			a.Size = -1
			a.Body = slowBody{rest}
		}))
		go func() { rest <- "first" }()
		res, err := w.client(h2).Get("https://" + host + "/forever/a")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		got := make([]byte, 5)
		if _, err := io.ReadFull(res.Body, got); string(got) != "first" {
			t.Errorf("HTTP/2 %v\ngot:  %s, %v\nwant: first", h2, got, err)
		}
		close(rest)
		if tail, err := io.ReadAll(res.Body); len(tail) != 0 || err != nil {
			t.Errorf("HTTP/2 %v\ngot:  %s, %v\nwant: a clean end", h2, tail, err)
		}
	}
}

type slowBody struct{ rest chan string }

func (b slowBody) Read(p []byte) (int, error) {
	s, ok := <-b.rest
	if !ok {
		return 0, io.EOF
	}
	return copy(p, s), nil
}

func (b slowBody) Seek(int64, int) (int64, error) { return 0, nil }
func (b slowBody) Close() error                   { return nil }

func TestALargeBodyIsTheSameOnBothProtocols(t *testing.T) {
	w := newWorld(t)
	large := strings.Repeat("hither and thither ", 300_000)
	w.setFetch(content(large, nil))
	for _, h2 := range []bool{false, true} {
		res, got := get(t, w.client(h2), "https://"+host+"/forever/a")
		if !bytes.Equal([]byte(got), []byte(large)) {
			t.Errorf("%s\ngot:  %d bytes\nwant: the same %d", res.Proto, len(got), len(large))
		}
	}
}

// The client would take a part of wrong bytes for a right one.
func TestAPartDoesNotEndBeforeTheWholeIsChecked(t *testing.T) {
	w := newWorld(t)
	large := strings.Repeat("0123456789", 50_000)
	for _, c := range []struct {
		what, ranges string
		state        fetch.State
		breaks       int64
		want         string
	}{
		{"a wrong body under way", "bytes=0-199999", fetch.Miss, 400_000, "an error"},
		{"a wrong body that another began", "bytes=5-9", fetch.Merged, 400_000, "an error"},
		{"several parts of it", "bytes=0-9,20-29", fetch.Miss, 400_000, "an error"},
		{"a right body under way", "bytes=100000-299999", fetch.Miss, 0, "206 and 200000 bytes"},
		{"the end of it", "bytes=499990-", fetch.Miss, 0, "206 and 10 bytes"},
		{"all of it", "bytes=0-", fetch.Miss, 0, "206 and 500000 bytes"},
	} {
		w.setFetch(content(large, func(a *fetch.Answer) {
			a.Report.State, a.Body = c.state, &body{Reader: bytes.NewReader([]byte(large)), breaks: c.breaks}
		}))
		for _, h2 := range []bool{false, true} {
			req, _ := http.NewRequest(http.MethodGet, "https://"+host+"/forever/a", nil)
			req.Header.Set("Range", c.ranges)
			got := "an error"
			if res, err := w.client(h2).Do(req); err == nil {
				text, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err == nil {
					got = fmt.Sprintf("%d and %d bytes", res.StatusCode, len(text))
				}
			}
			if got != c.want {
				t.Errorf("%s, HTTP/2 %v\ngot:  %s\nwant: %s", c.what, h2, got, c.want)
			}
		}
	}
}
