package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/http2"

	"hither/forward/bearer"
	"hither/forward/dial"
	"hither/forward/redirect"
	"hither/forward/wiretest"
)

// saysRaw is a server that answers everything with these bytes.
func saysRaw(t *testing.T, text string) string {
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
			go func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 4096))
				io.WriteString(conn, text)
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return l.Addr().String()
}

// An error goes to the client, into the log and into `hither why`: whoever answers must not fill those with his words.
func TestAnErrorHoldsNoMoreThanAFewLinesOfWhatAServerSays(t *testing.T) {
	long := strings.Repeat("x", 60_000)
	proxy, err := url.Parse("http://" + saysRaw(t, "HTTP/1.1 500 "+long+"\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	away := func(location string) http.RoundTripper {
		return &redirect.Follow{Next: &wiretest.Internet{Hosts: map[string]http.HandlerFunc{"https://reg.example": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		}}}}
	}
	latin := &redirect.Follow{Next: &wiretest.Internet{Hosts: map[string]http.HandlerFunc{"https://reg.example": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://evil%9B31m.example/") // a terminal that is not for UTF-8 obeys that
		w.WriteHeader(http.StatusFound)
	}}}}
	realm := &bearer.Tokens{Next: &wiretest.Internet{Hosts: map[string]http.HandlerFunc{"https://reg.example": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+long[:10_000]+`/token"`)
		w.WriteHeader(http.StatusUnauthorized)
	}}}}
	pool := New(Config{})
	defer pool.Close()
	behind := New(Config{Dial: (&dial.Dialer{Proxy: proxy}).DialContext})
	defer behind.Close()
	single, end, err := Config{}.Single("h1")
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	for _, row := range []struct {
		who string
		by  http.RoundTripper
		url string
	}{
		{"a first line that is none", pool, "http://" + saysRaw(t, long+"\r\n\r\n")},
		{"the same, measured", single, "http://" + saysRaw(t, long+"\r\n\r\n")},
		{"a field that is none", pool, "http://" + saysRaw(t, "HTTP/1.1 200 OK\r\n"+long+"\r\n\r\n")},
		{"a proxy's refusal", behind, "https://reg.example/"},
		{"a redirect without TLS", away("http://" + long), "https://reg.example/"},
		{"a redirect to a name that nobody has", away("https://" + long), "https://reg.example/"},
		{"a realm without TLS", realm, "https://reg.example/v2/a/manifests/b"},
		{"a redirect to no UTF-8", latin, "https://reg.example/"},
	} {
		if got := wiretest.Get(t, row.by, row.url); len(got) > 2000 || got == "" || strings.HasPrefix(got, "200") {
			t.Errorf("%s\ngot  %d bytes: %.300s\nwant an error of less than 2000", row.who, len(got), got)
		}
	}
}

// A tunnel for a host of no rule is dialled beside the pool.
func TestAProxyThatRefusesATunnelIsToldInAFewLines(t *testing.T) {
	proxy := &url.URL{Scheme: "http", Host: saysRaw(t, "HTTP/1.1 500 "+strings.Repeat("x", 60_000)+"\r\n\r\n")}
	_, err := (&dial.Dialer{Proxy: proxy}).DialContext(t.Context(), "tcp", "other.example:443")
	if err == nil || len(err.Error()) > 2000 || !strings.Contains(err.Error(), "it answered") {
		t.Errorf("\ngot  %.300v\nwant an error of less than 2000 bytes that says what was answered", err)
	}
}

// Errors are printed, by us and by clients: a mirror must not write on its user's terminal.
func TestAnErrorHoldsNothingThatATerminalObeys(t *testing.T) {
	pool := New(Config{})
	defer pool.Close()
	const name = "evil%E2%80%AE%C2%9B31m.example/"
	away := &redirect.Follow{Next: &wiretest.Internet{Hosts: map[string]http.HandlerFunc{"https://reg.example": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://"+name)
		w.WriteHeader(http.StatusFound)
	}}}}
	latin := &redirect.Follow{Next: &wiretest.Internet{Hosts: map[string]http.HandlerFunc{"https://reg.example": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://evil%9B31m.example/") // a terminal that is not for UTF-8 obeys that
		w.WriteHeader(http.StatusFound)
	}}}}
	realm := &bearer.Tokens{Next: &wiretest.Internet{Hosts: map[string]http.HandlerFunc{"https://reg.example": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+name+`"`)
		w.WriteHeader(http.StatusUnauthorized)
	}}}}
	for _, row := range []struct {
		who string
		by  http.RoundTripper
		url string
	}{
		{"a certificate for other names", pool, certified(t, "evil\x1b]0;owned\a.example")},
		{"a field that is none", pool, "http://" + saysRaw(t, "HTTP/1.1 200 OK\r\n\x1b[2J\r\n\r\n")},
		{"a redirect without TLS", away, "https://reg.example/"},
		{"a realm without TLS", realm, "https://reg.example/v2/a/manifests/b"},
		{"a redirect to no UTF-8", latin, "https://reg.example/"},
	} {
		got := wiretest.Get(t, row.by, row.url)
		if odd := func(r rune) bool { return !unicode.IsPrint(r) }; strings.ContainsFunc(got, odd) || !utf8.ValidString(got) || got == "" || strings.HasPrefix(got, "200") {
			t.Errorf("%s\ngot  %q\nwant an error that can be printed", row.who, got)
		}
	}
}

// certified is a server whose certificate is for a name of its own choice.
func certified(t *testing.T, name string) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(wiretest.Says("hello"))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
}

func TestAGoodbyeInTheMiddleOfABodyIsToldInAFewLines(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.TLS = &tls.Config{NextProtos: []string{"h2"}}
	s.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": func(_ *http.Server, conn *tls.Conn, _ http.Handler) {
		sayGoodbye(conn, strings.Repeat("x", 15_000))
	}}
	s.StartTLS()
	defer s.Close()
	p := New(Config{RootCAs: rootsOf(s)})
	defer p.Close()
	got := wiretest.Get(t, p, s.URL)
	if len(got) > 2000 || !strings.Contains(got, "GOAWAY") {
		t.Errorf("\ngot  %d bytes: %.300s\nwant an error of less than 2000 that names it", len(got), got)
	}
}

// sayGoodbye answers the first request over HTTP/2 with half a body and a GOAWAY.
func sayGoodbye(conn io.ReadWriter, words string) {
	_, _ = io.ReadFull(conn, make([]byte, len(http2.ClientPreface)))
	f := http2.NewFramer(conn, conn)
	_ = f.WriteSettings()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		if asked, ok := frame.(*http2.HeadersFrame); ok {
			const ok200 = "\x88" // of HPACK's static table
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: asked.StreamID, BlockFragment: []byte(ok200), EndHeaders: true})
			_ = f.WriteData(asked.StreamID, false, []byte("half"))
			_ = f.WriteGoAway(asked.StreamID, http2.ErrCodeInternal, []byte(words))
			return
		}
	}
}
