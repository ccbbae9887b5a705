package forward_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hither/forward"
	"hither/forward/fetch"
)

func TestEveryDoorLeadsToTheSameAnswer(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("the bytes", nil))
	for _, door := range []struct {
		name string
		ask  func() (*http.Response, string)
	}{
		{"CONNECT and HTTP/1.1", func() (*http.Response, string) { return get(t, w.client(false), "https://"+host+"/forever/a") }},
		{"CONNECT and HTTP/2", func() (*http.Response, string) { return get(t, w.client(true), "https://"+host+"/forever/a") }},
		{"an absolute http URL", func() (*http.Response, string) { return get(t, w.client(false), "http://"+host+"/forever/a") }},
		{"the gateway", func() (*http.Response, string) { return get(t, w.direct(), "http://"+w.addr+"/reg/forever/a") }},
		{"DNS and port 80", func() (*http.Response, string) {
			return get(t, w.direct(), "http://"+w.addr+"/forever/a", "Host", host)
		}},
		{"DNS and port 443", func() (*http.Response, string) {
			return get(t, w.bare(host), "https://"+w.addr+"/forever/a", "Host", host)
		}},
	} {
		res, body := door.ask()
		wish, _ := w.lastWish()
		agent, _, _ := strings.Cut(wish.Agent, "/")
		got := fmt.Sprint(res.StatusCode, " ", body, " ", wish.Name, " ", agent)
		if want := "200 the bytes reg/" + host + "/forever/a Go-http-client"; got != want {
			t.Errorf("%s\ngot:  %s\nwant: %s", door.name, got, want)
		}
	}
}

// bare speaks TLS to our listener without CONNECT, as a client does that our DNS led here.
func (w *world) bare(sni string) *http.Client {
	t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.ca.pool(), ServerName: sni}}
	w.t.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

// Trap: npm sends its loopback registry to HTTP_PROXY. A proxy that forwards it asks itself for ever.
func TestOwnAddressThroughTheProxyIsNoLoop(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("packument", nil))
	for _, c := range []struct{ what, url, want string }{
		{"a gateway by our address", "http://" + w.addr + "/reg/minute/express", "packument"},
		{"a gateway by our name", "http://hither.test/reg/minute/express", "packument"},
		{"the console by our name", "http://hither.test/status", "console GET /status"},
	} {
		if _, got := get(t, w.client(false), c.url); got != c.want {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, c.want)
		}
	}
	_, r := w.raw("CONNECT " + w.addr + " HTTP/1.1\r\nHost: x\r\n\r\nGET /status HTTP/1.1\r\nHost: " + w.addr + "\r\n\r\n")
	if got, want := line(r), "HTTP/1.1 200 Connection established"; got != want {
		t.Errorf("CONNECT to ourselves\ngot:  %s\nwant: %s", got, want)
	}
	line(r)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(res.Body); string(got) != "console GET /status" {
		t.Errorf("inside a CONNECT to ourselves\ngot:  %s\nwant: console GET /status", got)
	}
	if n := w.asked(); n != 0 {
		t.Errorf("the origin was asked %d times, want never", n)
	}
}

func TestWhoMayAskOurOwnAddress(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		what, request string
		status        int
	}{
		{"the console by its address", "GET / HTTP/1.1\r\nHost: " + w.addr + "\r\n", 200},
		{"the console by localhost", "GET / HTTP/1.1\r\nHost: localhost:7890\r\n", 200},
		{"the console by ::1", "GET / HTTP/1.1\r\nHost: [::1]:7890\r\n", 200},
		{"HTTP/1.0 names no host", "GET / HTTP/1.0\r\n", 200},
		{"a page that had its own name point at us (DNS rebinding)", "GET / HTTP/1.1\r\nHost: evil.test\r\n", 421},
		{"a name that only looks like loopback", "GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.test\r\n", 421},
		{"a page of ours changes something", "POST / HTTP/1.1\r\nHost: " + w.addr + "\r\nOrigin: http://" + w.addr + "\r\nContent-Length: 0\r\n", 200},
		{"a page of another site changes something", "POST / HTTP/1.1\r\nHost: " + w.addr + "\r\nOrigin: https://evil.test\r\nContent-Length: 0\r\n", 403},
		{"a page of another port changes something", "POST / HTTP/1.1\r\nHost: " + w.addr + "\r\nOrigin: http://127.0.0.1:1\r\nContent-Length: 0\r\n", 403},
		{"a sandboxed page changes something", "POST /reg/x HTTP/1.1\r\nHost: " + w.addr + "\r\nOrigin: null\r\nContent-Length: 0\r\n", 403},
	} {
		if got, body := w.rawStatus(c.request + "\r\n"); got != c.status {
			t.Errorf("%s\ngot:  %d %s\nwant: %d", c.what, got, body, c.status)
		}
	}
}

func TestWithoutAConsoleThePathIsNotFoundInWords(t *testing.T) {
	w := newWorld(t, func(s *forward.Server) { s.Console = nil })
	res, body := get(t, w.direct(), "http://"+w.addr+"/nothing")
	if res.StatusCode != http.StatusNotFound || !strings.Contains(body, "nothing at this path") {
		t.Errorf("got:  %d %s\nwant: 404 and a sentence", res.StatusCode, body)
	}
}

func TestARequestThatCameBackIsALoop(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		via    string
		status int
	}{
		{"1.1 hither-abc", 508},
		{"1.0 fred, 1.1 hither-abc (Hither)", 508},
		{"1.1 hither-xyz", 200},
		{"1.1 squid, 2 varnish", 200},
	} {
		res, _ := get(t, w.client(false), "http://"+alien+"/", "Via", c.via)
		if res.StatusCode != c.status {
			t.Errorf("Via: %s\ngot:  %d\nwant: %d", c.via, res.StatusCode, c.status)
		}
	}
	if got, want := w.lastSeen().Header["Via"], []string{"1.1 squid, 2 varnish", "1.1 hither-abc"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("Via at the origin\ngot:  %q\nwant: %q", got, want)
	}
}

func TestTheNameInTLSAndTheNameInCONNECT(t *testing.T) {
	w := newWorld(t)
	w.setFetch(func(req fetch.Request) (*fetch.Answer, error) { return content(req.Name, nil)(req) })
	for _, c := range []struct{ what, target, sni, host, want string }{
		{"all agree", host + ":443", host, host, "200 reg/" + host + "/forever/a"},
		{"the Host has the port too", host + ":443", host, host + ":443", "200 reg/" + host + "/forever/a"},
		{"the Host is in capitals", host + ":443", host, strings.ToUpper(host), "200 reg/" + host + "/forever/a"},
		{"no SNI: the CONNECT target counts", host + ":443", "", host, "200 reg/" + host + "/forever/a"},
		{"SNI is another host of the rules: it is served", host + ":443", other, other, "200 other/" + other + "/forever/a"},
		{"SNI is a stranger: TLS fails", host + ":443", alien, alien, "no TLS"},
		{"the Host is another than the SNI", host + ":443", host, other, "421"},
		{"the Host is a stranger", host + ":443", host, alien, "421"},
		{"the Host has another port", host + ":443", host, host + ":444", "421"},
		{"no CONNECT and no SNI", "", "", host, "no TLS"},
	} {
		if got := w.sealedGet(c.target, c.sni, c.host); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, c.want)
		}
	}
}

// sealedGet asks for /forever/a by a CONNECT, a SNI and a Host of which each may be another.
func (w *world) sealedGet(target, sni, hostHeader string) string {
	w.t.Helper()
	conn, r := w.raw("")
	if target != "" {
		fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
		if got := line(r); !strings.Contains(got, " 200 ") {
			w.t.Fatalf("CONNECT %s: %s", target, got)
		}
		line(r)
	}
	secure := tls.Client(conn, &tls.Config{RootCAs: w.ca.pool(), ServerName: sni, InsecureSkipVerify: sni == ""})
	if err := secure.Handshake(); err != nil {
		return "no TLS: " + err.Error()
	}
	fmt.Fprintf(secure, "GET /forever/a HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", hostHeader)
	answer, _ := io.ReadAll(secure)
	head, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	if len(head) < 12 {
		return "no answer"
	}
	return head[9:12] + " " + body
}

func TestThereIsNoCONNECTInsideACONNECT(t *testing.T) {
	w := newWorld(t)
	_, r := w.raw("CONNECT " + host + ":80 HTTP/1.1\r\nHost: x\r\n\r\nCONNECT " + alien + ":443 HTTP/1.1\r\nHost: x\r\n\r\n")
	line(r)
	line(r)
	if got, want := line(r), "HTTP/1.1 405 Method Not Allowed"; got != want {
		t.Errorf("got:  %s\nwant: %s", got, want)
	}
}

func TestPlainHTTPInsideACONNECTIsAnswered(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("plain", nil))
	_, r := w.raw("CONNECT " + host + ":80 HTTP/1.1\r\nHost: x\r\n\r\nGET /forever/a HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
	line(r)
	line(r)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(res.Body); string(got) != "plain" {
		t.Errorf("got:  %s\nwant: plain", got)
	}
}

func TestProxyRequestsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		what, target string
		status       int
	}{
		{"a stranger over http", "http://" + alien + "/x", 200},
		{"a stranger over https", "https://" + alien + "/x", 200},
		{"a password in the URL", "http://user:secret@" + alien + "/x", 400},
		{"another scheme", "ftp://" + alien + "/x", 400},
		{"no host", "http:///x", 400},
		{"only a port", "http://:80/x", 400},
	} {
		if got, body := w.rawStatus("GET " + c.target + " HTTP/1.1\r\nHost: ignored.test\r\n\r\n"); got != c.status {
			t.Errorf("%s\ngot:  %d %s\nwant: %d", c.what, got, body, c.status)
		}
	}
}

// Behind a redirect in a container's network every TLS connection comes here, also those that are none of our business.
func TestBareTLSForAStrangerIsTunnelledBlind(t *testing.T) {
	w := newWorld(t)
	conn, err := tls.Dial("tcp", w.addr, &tls.Config{ServerName: alien, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, want := conn.ConnectionState().PeerCertificates[0], w.origin.Certificate(); !got.Equal(want) {
		t.Errorf("certificate\ngot:  %v\nwant: the origin's own", got.Subject)
	}
	if want := net.JoinHostPort(alien, "443"); len(w.dialed) != 1 || w.dialed[0] != want {
		t.Errorf("dialled\ngot:  %v\nwant: %v", w.dialed, want)
	}
}

// fullListener has no file left for a connection until somebody lets go of one.
type fullListener struct {
	net.Listener
	freed *atomic.Bool
}

func (l fullListener) Accept() (net.Conn, error) {
	if !l.freed.Load() {
		return nil, syscall.EMFILE
	}
	return l.Listener.Accept()
}

func TestWithoutAFileLeftOthersLetGoForAClient(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	freed := new(atomic.Bool)
	s := &forward.Server{Rules: w.server.Rules, Pass: w.server.Pass, Dial: w.server.Dial, Console: w.server.Console, Short: func() { freed.Store(true) }}
	s.Self = func(hostport string) bool { return hostport == l.Addr().String() }
	served := make(chan error, 1)
	go func() { served <- s.Serve(fullListener{l, freed}) }()
	res, body := get(t, &http.Client{Timeout: 30 * time.Second}, "http://"+l.Addr().String()+"/x")
	if body != "console GET /x" {
		t.Errorf("\ngot:  %s %s\nwant: console GET /x", res.Status, body)
	}
	s.Shutdown(t.Context())
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve\ngot:  %v\nwant: %v", err, http.ErrServerClosed)
	}
}
