package fetch_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"hither/forward/fetch"
	"hither/forward/wiretest"
)

// An authority asks its registry through us, so that one failure tells of another.
func TestWhatToDoIsToldOnceAndAtTheEnd(t *testing.T) {
	inner := &fetch.Failure{Name: "lookup", Tries: []fetch.Try{{Base: "https://sum", Err: "is down"}}}
	outer := &fetch.Failure{Name: "zip", Cause: fmt.Errorf("asking: %w", inner), Tries: []fetch.Try{{Base: "https://origin", Status: 500}}}
	if got, want := outer.Error(), "nobody gave us zip: asking: nobody gave us lookup: https://sum is down; https://origin answered 500"+fetch.Advice; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// A name server, or a proxy, that hangs up on the way to a source says nothing about the source.
func TestWhoHungUpBeforeTheAnswerIsTold(t *testing.T) {
	w := newWorld(t)
	w.Transport = wiretest.RoundTrip(func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("upstream proxy: no answer to CONNECT: %w", io.ErrUnexpectedEOF)
	})
	_, err := w.all(w.request("/doc/x"))
	if failure := (*fetch.Failure)(nil); !errors.As(err, &failure) || !strings.Contains(err.Error(), "upstream proxy: no answer to CONNECT") {
		t.Errorf("\n got %v\nwant whose words they are", err)
	}
}

// The go command shows what a registry says in plain text, and what we say in its place.
func TestWhyTheOriginRefusesIsTold(t *testing.T) {
	const plain = "text/plain; charset=utf-8"
	long := strings.Repeat("é", 1<<20)
	for _, c := range []struct {
		what, base string
		status     int
		kind, body string
		want       string
	}{
		{"a sentence", "reg", 400, plain, "bad request: no such form.\nAsk otherwise.\n", "reg answered 400: bad request: no such form. Ask otherwise" + fetch.Advice},
		{"a page", "reg", 400, "text/html", "<h1>No</h1>", "reg answered 400" + fetch.Advice},
		{"nothing", "reg", 400, plain, " \n", "reg answered 400" + fetch.Advice},
		{"a megabyte", "reg", 400, plain, long, "reg answered 400: " + long[:240] + fetch.Advice},
		{"what a terminal obeys", "reg", 422, plain, "\x1b[2Jno\xff", "reg answered 422: ?[2Jno" + fetch.Advice},
		{"a limit", "reg", 429, plain, "slow down", "reg answered 429: slow down: its limit is reached; wait, or log in with the client; "},
		{"a failure", "reg", 500, plain, "at line 7", "reg answered 500" + fetch.Advice},
		{"a mirror", "near", 400, plain, "buy here", "near answered 400; "},
	} {
		w := newWorld(t)
		for _, h := range w.hosts {
			h.dead = true
		}
		w.hosts[c.base].dead = false
		w.hosts[c.base].wild = func(*http.Request) *http.Response {
			return &http.Response{StatusCode: c.status, Header: http.Header{"Content-Type": {c.kind}}, ContentLength: -1, Body: io.NopCloser(strings.NewReader(c.body))}
		}
		if _, err := w.all(w.request("/list/x")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %.500v\nwant … %s", c.what, err, c.want)
		}
	}
}
