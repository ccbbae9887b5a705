package forward_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"hither/forward"
	"hither/forward/fetch"
	"hither/rules"
)

// again counts the answers that lay ready.
type again struct {
	mu   sync.Mutex
	asks []fetch.Request
	told []fetch.Report
	done []forward.Done
}

func (a *again) watch(s *forward.Server) {
	s.Again = func(req fetch.Request, rep fetch.Report) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.asks, a.told = append(a.asks, req), append(a.told, rep)
	}
	s.Done = func(d forward.Done) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.done = append(a.done, d)
	}
}

func (a *again) counts() (ready, all int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.asks), len(a.done)
}

// exchange sends one request and reads one whole answer, as the bytes came.
func exchange(t *testing.T, conn net.Conn, r *bufio.Reader, text string) string {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return response(t, r)
}

func response(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var all strings.Builder
	length := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("the head: %v after %q", err, all.String())
		}
		all.WriteString(line)
		fmt.Sscanf(line, "Content-Length: %d", &length)
		if line == "\r\n" {
			break
		}
	}
	if _, err := io.CopyN(&all, r, int64(length)); err != nil {
		t.Fatalf("the body: %v", err)
	}
	return all.String()
}

var moving = regexp.MustCompile(`(?m)^(Date|Age): [^\r]*\r\n`)

func settled(text string) string { return moving.ReplaceAllString(text, "$1\r\n") }

// TestAReadyAnswerIsTheSame compares what the slow path said with what lay ready, by every way in.
func TestAReadyAnswerIsTheSame(t *testing.T) {
	var seen again
	w := newWorld(t, seen.watch)
	w.setFetch(content("some text", func(a *fetch.Answer) {
		a.ETag = `"sha256:00"`
		a.Header.Set("Last-Modified", "Tue, 10 Mar 2026 10:00:00 GMT")
		a.Header.Set("Link", "<x>; rel=y")
		a.Report.Age, a.Report.Digest = time.Hour, "sha256:00"
	}))
	accept := "User-Agent: x\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n"
	for what, c := range map[string]struct{ connect, request string }{
		"our own address": {"", "GET /reg/forever/a HTTP/1.1\r\nHost: " + w.addr + "\r\n" + accept},
		"by proxy":        {"", "GET http://" + host + "/forever/b HTTP/1.1\r\nHost: " + host + "\r\n" + accept},
		"by DNS":          {"", "GET /forever/c HTTP/1.1\r\nHost: " + host + "\r\n" + accept},
		"inside CONNECT":  {host + ":80", "GET /forever/d HTTP/1.1\r\nHost: " + host + "\r\n" + accept},
		"inside TLS":      {host + ":443", "GET /forever/e HTTP/1.1\r\nHost: " + host + "\r\n" + accept},
	} {
		conn, r := w.enter(c.connect)
		before, _ := seen.counts()
		slow := exchange(t, conn, r, c.request)
		ready := exchange(t, conn, r, c.request)
		if settled(slow) != settled(ready) {
			t.Errorf("%s\ngot:  %q\nwant: %q", what, ready, slow)
		}
		if !strings.Contains(ready, "Age: 3600\r\n") || !strings.Contains(slow, "\r\nDate: ") {
			t.Errorf("%s: age and date\ngot:  %q", what, ready)
		}
		until(t, func() bool { after, _ := seen.counts(); return after == before+1 }, what+": it lay ready")
	}
	until(t, func() bool { _, all := seen.counts(); return all >= 10 }, "all are counted")
	until(t, func() bool { return strings.Count(w.log.String(), "state=hit") == 10 }, "all are in the log")
	seen.mu.Lock()
	defer seen.mu.Unlock()
	wish, _ := w.lastWish()
	for i, req := range seen.asks {
		rep := seen.told[i]
		if req.Client == nil || req.Client.Gone == nil || req.Agent != "" || req.Rule != wish.Rule || rep.State != fetch.Hit || rep.Age < time.Hour || rep.When.IsZero() {
			t.Errorf("told\ngot:  %+v %+v\nwant: the request of this client, and a hit", req, rep)
		}
	}
}

// TestTheSameOnceMoreIsNoNews counts every answer, but tells of those that a connection gets in a row only once.
func TestTheSameOnceMoreIsNoNews(t *testing.T) {
	var seen again
	w := newWorld(t, seen.watch)
	w.setFetch(content("text", func(a *fetch.Answer) { a.ETag, a.Report.Saved = `"sha256:00"`, time.Second }))
	conn, r := w.enter("")
	get := "GET /forever/%s HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	for _, name := range []string{"a", "b", "a", "a", "a", "b", "b", "a", "c", "a"} { // the first of each comes from Fetch
		exchange(t, conn, r, fmt.Sprintf(get, name))
	}
	until(t, func() bool { told, all := seen.counts(); return told == 4 && all == 10 }, "a, b, a, and a behind c are told, all are counted")
	conn, r = w.enter("")
	exchange(t, conn, r, fmt.Sprintf(get, "a"))
	until(t, func() bool { told, all := seen.counts(); return told == 5 && all == 11 }, "another connection is told of, and counted")
	var saved time.Duration
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for _, d := range seen.done {
		saved += d.Saved
	}
	if saved != 8*time.Second {
		t.Errorf("saved by what lay ready\ngot:  %v\nwant: 8s", saved)
	}
}

func TestOnlyTheUsualRequestIsReady(t *testing.T) {
	var seen again
	w := newWorld(t, seen.watch)
	w.setFetch(content("text", func(a *fetch.Answer) { a.ETag = `"sha256:00"` }))
	conn, r := w.enter("")
	get := "GET /forever/a HTTP/1.1\r\nHost: " + host + "\r\n"
	exchange(t, conn, r, get+"\r\n")
	for _, header := range []string{
		"Range: bytes=1-2", "If-None-Match: \"x\"", "Authorization: Bearer x", "Cookie: a=b", "Cache-Control: no-cache",
		"Pragma: no-cache", "Accept: text/html", "Via: 1.1 other", "Sec-Fetch-Site: same-origin", "Pacote-Integrity: sha512-AAAA",
		"Disable-Module-Fetch: true", "X-Unknown: x", "Origin: http://x.test",
	} {
		exchange(t, conn, r, get+header+"\r\n\r\n")
		if n, _ := seen.counts(); n != 0 {
			t.Fatalf("%s\ngot:  what lay ready\nwant: an answer of its own", header)
		}
	}
	exchange(t, conn, r, get+"\r\n")
	until(t, func() bool { n, _ := seen.counts(); return n == 1 }, "after all this the usual one is ready")
}

func TestWhatMayChangeIsNotReady(t *testing.T) {
	var seen again
	w := newWorld(t, seen.watch)
	conn, r := w.enter("")
	for what, c := range map[string]struct {
		path string
		edit func(*fetch.Answer)
	}{
		"a minute":      {"/minute/a", nil},
		"a miss":        {"/forever/a", func(a *fetch.Answer) { a.Report.State = fetch.Miss }},
		"a stale one":   {"/forever/b", func(a *fetch.Answer) { a.Report.State = fetch.Stale }},
		"a missing one": {"/forever/c", func(a *fetch.Answer) { a.Status, a.Report.State = 404, fetch.Negative }},
	} {
		w.setFetch(content("text", c.edit))
		for range 2 {
			exchange(t, conn, r, "GET "+c.path+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		}
		if n, _ := seen.counts(); n != 0 {
			t.Fatalf("%s\ngot:  what lay ready\nwant: what fetch says now", what)
		}
	}
}

func TestNewRulesDropWhatLiesReady(t *testing.T) {
	var seen again
	var mu sync.Mutex
	var set *rules.Set
	w := newWorld(t, seen.watch, func(s *forward.Server) {
		set = s.Rules()
		s.Rules = func() *rules.Set { mu.Lock(); defer mu.Unlock(); return set }
	})
	w.setFetch(content("text", nil))
	conn, r := w.enter("")
	get := "GET /forever/a HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	exchange(t, conn, r, get)
	mu.Lock()
	set = w.rules()
	mu.Unlock()
	w.setFetch(content("other", nil))
	if got := exchange(t, conn, r, get); !strings.HasSuffix(got, "other") {
		t.Errorf("after a reload\ngot:  %q\nwant: what the new rules say", got)
	}
}

func TestWhatWasForgottenIsNotReady(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("text", nil))
	conn, r := w.enter("")
	get := "GET /forever/a HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	exchange(t, conn, r, get)
	w.setFetch(content("other", nil))
	if got := exchange(t, conn, r, get); !strings.HasSuffix(got, "text") {
		t.Errorf("a moment later\ngot:  %q\nwant: what lies ready", got)
	}
	w.server.Forget()
	if got := exchange(t, conn, r, get); !strings.HasSuffix(got, "other") {
		t.Errorf("after it was taken out of the cache\ngot:  %q\nwant: what the cache says now", got)
	}
}

// TestPipelinedRequestsAreAnsweredInOrder mixes what lies ready with what does not.
func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	w := newWorld(t)
	w.setFetch(func(req fetch.Request) (*fetch.Answer, error) { return content(req.Clean, nil)(req) })
	conn, r := w.enter("")
	get := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n" }
	exchange(t, conn, r, get("/forever/a"))
	for range 20 {
		paths := []string{"/forever/a", "/minute/b", "/forever/a", "/forever/a", "/minute/c", "/minute/d", "/forever/a"}
		var all strings.Builder
		for _, path := range paths {
			all.WriteString(get(path))
		}
		io.WriteString(conn, all.String())
		for i, path := range paths {
			if got := response(t, r); !strings.HasSuffix(got, "\r\n\r\n"+path) {
				t.Fatalf("answer %d\ngot:  %q\nwant: %s", i, got, path)
			}
		}
	}
	// A body ends the looking ahead, and nothing else.
	post := "POST /never/x HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: " + fmt.Sprint(len(get("/forever/a"))) + "\r\n\r\n" + get("/forever/a")
	io.WriteString(conn, post+get("/forever/a"))
	if got, err := http.ReadResponse(r, nil); err != nil || got.StatusCode != http.StatusOK {
		t.Fatal(got, err)
	} else if body, _ := io.ReadAll(got.Body); !strings.Contains(string(body), "origin POST /never/x GET /forever/a") {
		t.Errorf("an upload that looks like a request\ngot:  %q", body)
	}
	if got := response(t, r); !strings.HasSuffix(got, "/forever/a") {
		t.Errorf("behind an upload\ngot:  %q", got)
	}
}

// TestAHeadInPiecesIsAnswered sends what lies ready byte by byte.
func TestAHeadInPiecesIsAnswered(t *testing.T) {
	var seen again
	w := newWorld(t, seen.watch)
	w.setFetch(content("text", nil))
	conn, r := w.enter("")
	get := "GET /forever/a HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	exchange(t, conn, r, get)
	for i := range get {
		io.WriteString(conn, get[i:i+1])
	}
	if got := response(t, r); !strings.HasSuffix(got, "text") {
		t.Errorf("got:  %q", got)
	}
	until(t, func() bool { n, _ := seen.counts(); return n == 1 }, "it lay ready")
}

func TestAllRequestsOfAConnectionHaveOneClient(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		w := newWorld(t)
		w.setFetch(content("text", func(a *fetch.Answer) { a.Report.State = fetch.Miss }))
		c := w.client(h2)
		get(t, c, "https://"+host+"/forever/a")
		first, _ := w.lastWish()
		get(t, c, "https://"+host+"/minute/b")
		second, _ := w.lastWish()
		if first.Client == nil || first.Client != second.Client || first.Client.To.String() != w.addr || !first.Client.From.IsValid() {
			t.Fatalf("clients (h2: %v)\ngot:  %+v and %+v\nwant: one, at %s", h2, first.Client, second.Client, w.addr)
		}
		select {
		case <-first.Client.Gone:
			t.Error("it is gone before it left")
		default:
		}
		c.CloseIdleConnections()
		<-first.Client.Gone
	}
}

// enter opens a connection: by CONNECT if that names a place, with TLS if its port is 443.
func (w *world) enter(connect string) (net.Conn, *bufio.Reader) {
	w.t.Helper()
	if connect == "" {
		return w.raw("")
	}
	conn, r := w.raw("CONNECT " + connect + " HTTP/1.1\r\nHost: " + connect + "\r\n\r\n")
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != http.StatusOK {
		w.t.Fatal(res, err)
	}
	if !strings.HasSuffix(connect, ":443") {
		return conn, r
	}
	sealed := tls.Client(conn, &tls.Config{RootCAs: w.ca.pool(), ServerName: host, NextProtos: []string{"http/1.1"}})
	return sealed, bufio.NewReader(sealed)
}

// until waits for what happens just after an answer.
func until(t *testing.T, ok func() bool, what string) {
	t.Helper()
	for range 5000 {
		if ok() {
			return
		}
		<-time.After(time.Millisecond)
	}
	t.Errorf("%s\ngot:  nothing of it\nwant: it", what)
}

// TestALargeBodyArrivesWhole sends more than is gathered under TLS at a time, on a connection that is used again.
func TestALargeBodyArrivesWhole(t *testing.T) {
	w := newWorld(t)
	text := strings.Repeat("0123456789abcdef", 3<<16) + "end"
	w.setFetch(content(text, nil))
	conn, r := w.enter(host + ":443")
	for range 3 {
		got := exchange(t, conn, r, "GET /forever/a HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		if !strings.HasSuffix(got, text) {
			t.Fatalf("got:  %d bytes\nwant: the body of %d bytes at their end", len(got), len(text))
		}
	}
}
