package dial

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hither/forward/mark"
	"hither/forward/wiretest"
)

// carrier is an upstream proxy of any kind. It knows names that nobody else knows, and notes what it was asked.
type carrier struct {
	where map[string]string // host:port → real address
	mu    sync.Mutex
	log   []string
}

func (c *carrier) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, fmt.Sprintf(format, args...))
}

func (c *carrier) asked() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.log, ", ")
}

// ServeHTTP is the proxy for http and https.
func (c *carrier) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	c.note("%s %s %s", req.Method, req.RequestURI, req.Header.Get("Proxy-Authorization"))
	if req.Method != http.MethodConnect {
		io.WriteString(w, "by the proxy: "+req.URL.Path)
		return
	}
	to, err := net.Dial("tcp", c.where[req.Host])
	if err != nil {
		http.Error(w, "who?", http.StatusBadGateway)
		return
	}
	from, _, _ := w.(http.Hijacker).Hijack()
	io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n")
	splice(from, to)
}

// serveSocks speaks SOCKS5 (RFC 1928) with user and password (RFC 1929), as far as CONNECT to a name.
func (c *carrier) serveSocks(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.socks(conn)
		}
	}()
	return l.Addr().String()
}

func (c *carrier) socks(conn net.Conn) {
	r := bufio.NewReader(conn)
	take := func(n int) []byte { b := make([]byte, n); io.ReadFull(r, b); return b }
	short := func() string { return string(take(int(take(1)[0]))) }
	take(1)
	methods := short()
	if strings.Contains(methods, "\x02") {
		conn.Write([]byte{5, 2})
		take(1)
		c.note("%s:%s", short(), short())
		conn.Write([]byte{1, 0})
	} else {
		conn.Write([]byte{5, 0})
	}
	take(4)
	name, port := short(), take(2)
	addr := net.JoinHostPort(name, fmt.Sprint(int(port[0])<<8|int(port[1])))
	c.note("%s", addr)
	to, err := net.Dial("tcp", c.where[addr])
	if err != nil {
		conn.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0})
		conn.Close()
		return
	}
	conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	splice(conn, to)
}

// A proxy that takes plain requests, and CONNECT for port 443 alone, is no outage. Only it knows the name.
func TestReachAsksAProxyAsRequestsDo(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.Method != http.MethodConnect || req.URL.Port() != "443":
			w.WriteHeader(http.StatusForbidden)
		case req.URL.Hostname() == "away.example":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(proxy.Close)
	at, _ := url.Parse(proxy.URL)
	for _, c := range []struct {
		proxy *url.URL
		base  string
		ok    bool
	}{
		{at, "http://reg.example/deb", true},
		{at, "https://reg.example/deb", true},
		{at, "https://reg.example:8443/deb", true}, // it refuses, which is no outage either
		{at, "https://away.example/deb", false},
		{&url.URL{Scheme: "http", Host: "away.example:3128"}, "http://reg.example/deb", false},
	} {
		if err := (&Dialer{Proxy: c.proxy}).Reach(t.Context(), c.base); (err == nil) != c.ok {
			t.Errorf("%s by %s\n got %v\nwant %t", c.base, c.proxy, err, c.ok)
		}
	}
}

func splice(a, b net.Conn) {
	go func() { io.Copy(a, b); a.Close() }()
	io.Copy(b, a)
	b.Close()
}

func TestEachKindOfProxy(t *testing.T) {
	target := httptest.NewServer(wiretest.Says("the target"))
	defer target.Close()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:s3cret"))
	kinds := map[string]struct {
		start func(*testing.T, *carrier) (addr string, roots *x509.CertPool)
		note  string
	}{
		"http": {func(t *testing.T, c *carrier) (string, *x509.CertPool) {
			s := httptest.NewServer(c)
			t.Cleanup(s.Close)
			return s.Listener.Addr().String(), nil
		}, "CONNECT reg.example:80 " + basic},
		"https": {func(t *testing.T, c *carrier) (string, *x509.CertPool) {
			s := httptest.NewTLSServer(c)
			t.Cleanup(s.Close)
			roots := x509.NewCertPool()
			roots.AddCert(s.Certificate())
			return s.Listener.Addr().String(), roots
		}, "CONNECT reg.example:80 " + basic},
		"socks5":  {func(t *testing.T, c *carrier) (string, *x509.CertPool) { return c.serveSocks(t), nil }, "me:s3cret, reg.example:80"},
		"socks5h": {func(t *testing.T, c *carrier) (string, *x509.CertPool) { return c.serveSocks(t), nil }, "me:s3cret, reg.example:80"},
	}
	for kind, k := range kinds {
		t.Run(kind, func(t *testing.T) {
			c := &carrier{where: map[string]string{"reg.example:80": target.Listener.Addr().String()}}
			addr, roots := k.start(t, c)
			d := &Dialer{Proxy: &url.URL{Scheme: kind, User: url.UserPassword("me", "s3cret"), Host: addr}, RootCAs: roots}
			pool := &http.Transport{DialContext: d.DialContext}
			defer pool.CloseIdleConnections()
			want(t, wiretest.Get(t, pool, "http://reg.example/"), "200 the target")
			want(t, c.asked(), k.note)
			got := wiretest.Get(t, pool, "http://nobody.example/")
			if strings.Contains(got, "s3cret") || !strings.Contains(got, "upstream proxy "+kind+"://"+addr+": ") { // nor the user, which may be a key
				t.Errorf("the error for a host the proxy does not know: %s", got)
			}
		})
	}
}

func TestWhoIsReachedWithoutTheProxy(t *testing.T) {
	d := &Dialer{
		Proxy:    &url.URL{Scheme: "http", Host: "proxy.example:3128"},
		Bypass:   func(host string) bool { return host == "corp.example" },
		Resolver: wiretest.Names{"proxy.example": "192.0.2.80", "corp.example": "192.0.2.5", "registry": "10.0.0.5"},
	}
	for addr, to := range map[string]string{
		"reg.example:443":          "192.0.2.80:3128",
		"192.0.2.9:443":            "192.0.2.80:3128",
		"corp.example:443":         "192.0.2.5:443",
		"registry:5000":            "10.0.0.5:5000",
		"127.0.0.1:5000":           "127.0.0.1:5000",
		"[::1]:5000":               "[::1]:5000",
		"10.0.0.1:443":             "10.0.0.1:443",
		"a.localhost:80":           "[::1]:80, 127.0.0.1:80",
		"proxy.example:3128":       "192.0.2.80:3128",
		"169.254.169.254:80":       "169.254.169.254:80",
		"[2001:db8::9]:443":        "192.0.2.80:3128",
		"registry-1.docker.io:443": "192.0.2.80:3128",
	} {
		if got := dialed(t.Context(), t, d, addr); got != to {
			t.Errorf("%s\ngot  %s\nwant %s", addr, got, to)
		}
	}
	want(t, dialed(mark.Public(t.Context()), t, d, "10.0.0.1:443"), "private")
}

// The proxy's own inet_aton reads these as addresses, of its machine and of its network.
func TestAStrangerNamesNoAddressToTheProxyInAnOldNotation(t *testing.T) {
	proxy := &url.URL{Scheme: "http", Host: "proxy.example:3128"}
	d := &Dialer{Proxy: proxy, Resolver: wiretest.Names{"proxy.example": "192.0.2.80"}}
	for _, host := range []string{"127.1", "10.0.1", "0177.0.0.1", "127.0.0.01", "0x7f.1", "0x7f.0x0.0x0.0X1", "127.1."} {
		want(t, dialed(mark.Public(t.Context()), t, d, host+":443"), "private")
		req, err := http.NewRequestWithContext(mark.Public(t.Context()), http.MethodGet, "http://"+host+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if to, err := d.PlainProxy(req); !errors.Is(err, ErrPrivate) {
			t.Errorf("http://%s/\ngot  %v, %v\nwant that the address is refused", host, to, err)
		}
		if got := dialed(t.Context(), t, d, host+":443"); got != "192.0.2.80:3128" {
			t.Errorf("%s, by the user's choice\ngot  %s\nwant the proxy", host, got)
		}
	}
	for _, host := range []string{"192.0.2.9", "1.example", "0x7f.example", "127.0.0.1.example"} {
		want(t, dialed(mark.Public(t.Context()), t, d, host+":443"), "192.0.2.80:3128")
	}
}

func TestProxyThatIsUsIsRefused(t *testing.T) {
	d := &Dialer{Proxy: &url.URL{Scheme: "http", Host: "127.0.0.1:7890"}, Self: func(a netip.AddrPort) bool { return a.Port() == 7890 }}
	want(t, dialed(t.Context(), t, d, "reg.example:443"), "self")
}

func TestProxyThatMisbehaves(t *testing.T) {
	tests := map[string]struct {
		answer, want string
		denied       bool
	}{
		"wants a password":  {"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "it wants a user and a password", true},
		"refuses":           {"HTTP/1.1 403 Forbidden\r\n\r\n", `it answered "403 Forbidden" to CONNECT reg.example:443`, true},
		"cannot":            {"HTTP/1.1 504 Gateway Timeout\r\n\r\n", `it answered "504 Gateway Timeout" to CONNECT reg.example:443`, false},
		"is no HTTP server": {"SSH-2.0-OpenSSH\r\n", "no answer to CONNECT reg.example:443", false},
		"hangs up":          {"", "no answer to CONNECT reg.example:443: unexpected EOF", false},
		"never stops":       {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70<<10), "no answer to CONNECT reg.example:443", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			closed := false
			_, err := proxyAnswers(t, test.answer, &closed, time.Minute)
			if err == nil || !strings.Contains(err.Error(), test.want) || !closed || errors.Is(err, ErrDenied) != test.denied {
				t.Errorf("got  %v, closed %t\nwant %s, closed; a refusal: %t", err, closed, test.want, test.denied)
			}
		})
	}
	if _, err := proxyAnswers(t, "HTTP/1.1 200", nil, 100*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
		t.Errorf("a silent proxy\ngot  %v\nwant a time-out", err)
	}
	conn, err := proxyAnswers(t, "HTTP/1.1 200 OK\r\n\r\nearly", new(bool), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(conn)
	want(t, string(got), "early")
}

func isTimeout(err error) bool { n := net.Error(nil); return errors.As(err, &n) && n.Timeout() }

// proxyAnswers dials through a proxy that says one thing and hangs up, or is silent then if closed is nil. closed tells
// whether our end was closed.
func proxyAnswers(t *testing.T, answer string, closed *bool, patience time.Duration) (net.Conn, error) {
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	go func() {
		http.ReadRequest(bufio.NewReader(far))
		io.WriteString(far, answer)
		if closed != nil {
			far.Close()
		}
	}()
	d := &Dialer{Proxy: &url.URL{Scheme: "http", Host: "127.0.0.1:3128"}, Timeout: patience}
	d.Connect = func(context.Context, string, string) (net.Conn, error) {
		if closed == nil {
			return near, nil
		}
		return closing{near, closed}, nil
	}
	return d.DialContext(t.Context(), "tcp", "reg.example:443")
}

func TestProxyAddresses(t *testing.T) {
	const fault = "this is not the address of a proxy; write http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT"
	tests := map[string]struct{ value, want string }{
		"with a scheme":                    {"socks5://c:3", "socks5://c:3"},
		"without a scheme it is http":      {"a:1", "http://a:1"},
		"nothing is an error":              {"", fault},
		"the password is not in the error": {"http://u:s3cret@a:b:c", fault},
		"another kind is an error":         {"ftp://a:1", fault},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			if u, err := ParseProxy(test.value); err != nil {
				got = err.Error()
			} else {
				got = u.String()
			}
			want(t, got, test.want)
		})
	}
}

func TestNoProxyOfTheEnvironment(t *testing.T) {
	t.Setenv("no_proxy", "")
	t.Setenv("NO_PROXY", "corp.example,.dev.example,192.0.2.0/24,2001:db8::/32")
	bypass := BypassFromEnvironment()
	for host, want := range map[string]bool{"corp.example": true, "a.corp.example": true, "dev.example": false, "a.dev.example": true, "reg.example": false, "192.0.2.7": true, "2001:db8::1": true, "198.51.100.1": false} {
		if got := bypass(host); got != want {
			t.Errorf("%s\ngot  %t\nwant %t", host, got, want)
		}
	}
}
