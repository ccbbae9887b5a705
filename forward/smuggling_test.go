package forward_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Two readers of one stream must not see different requests in it. We frame every request anew, so what matters is
// that the origin gets what we understood, or that we refuse.
func TestRequestsThatTwoReadersReadDifferently(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(rw, "[%s %s %q %v]", r.Method, r.RequestURI, body, err)
	})
	post := "POST http://" + alien + "/a HTTP/1.1\r\nHost: " + alien + "\r\nConnection: close\r\n"
	for _, c := range []struct{ what, request, want string }{
		{"a plain upload", post + "Content-Length: 2\r\n\r\nhi", `200 [POST /a "hi" <nil>]`},
		{"Content-Length and chunks: the chunks count", post + "Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nGET http://evil.test/ HTTP/1.1\r\n\r\n", `200 [POST /a "hi" <nil>]`},
		{"two lengths that differ", post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", "400"},
		{"a length with a sign", post + "Content-Length: +2\r\n\r\nhi", "400"},
		{"an unknown coding", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501"},
		{"two codings", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", "501"},
		{"a chunk size that is none", post + "Transfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n", "502"},
		{"a blank in a name", post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"},
		{"a bare carriage return in a value", post + "X: a\rb\r\n\r\n", "400"},
		{"a zero byte in a value", post + "X: a\x00b\r\n\r\n", "400"},
		{"two hosts", post + "Host: evil.test\r\n\r\n", "400"},
		{"a header of 100 KiB", post + "X: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", "431"},
		{"a path of 100 KiB", "GET http://" + alien + "/" + strings.Repeat("x", 100<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
		{"a version that is none", "GET http://" + alien + "/ HTTP/9.9\r\nHost: x\r\n\r\n", "505"},
		{"no version", "GET http://" + alien + "/\r\n\r\n", "400"},
		{"a method that is none", "G@T http://" + alien + "/ HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
	} {
		status, body := w.rawStatus(c.request)
		if got := fmt.Sprint(status, " ", body); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s\ngot:  %.200s\nwant: %s", c.what, got, c.want)
		}
	}
}

// A folded line (RFC 9112, 5.2) must go on as one.
func TestAFoldedHeaderGoesOnAsOneLine(t *testing.T) {
	w := newWorld(t)
	status, _ := w.rawStatus("GET http://" + alien + "/ HTTP/1.1\r\nHost: " + alien + "\r\nX-Folded: a\r\n Host: evil.test\r\n\r\n")
	switch {
	case status == http.StatusBadRequest:
	case status != http.StatusOK:
		t.Errorf("got:  %d\nwant: 200 or 400", status)
	default:
		if got, want := w.lastSeen().Header.Get("X-Folded"), "a Host: evil.test"; got != want || w.lastSeen().Host != alien {
			t.Errorf("got:  %q for %s\nwant: %q for %s", got, w.lastSeen().Host, want, alien)
		}
	}
}

// The Host of an absolute URL counts, not the header beside it (RFC 9112, 3.2.2).
func TestTheHostHeaderBesideAnAbsoluteURLIsIgnored(t *testing.T) {
	w := newWorld(t)
	w.rawStatus("GET http://" + alien + "/ HTTP/1.1\r\nHost: evil.test\r\n\r\n")
	if got := w.lastSeen().Host; got != alien {
		t.Errorf("got:  %s\nwant: %s", got, alien)
	}
}
