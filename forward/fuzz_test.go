package forward

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func FuzzValidTarget(f *testing.F) {
	for _, seed := range []string{"a:1", "[::1]:443", "a.test:65535", "::1:443", "user@a:1", "a:0", "a b:1", "[a]:1", "a:+1", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !validTarget(s) {
			return
		}
		host, port, err := net.SplitHostPort(s)
		if err != nil || host == "" || strings.ContainsAny(s, "@/?# \r\n\x00") {
			t.Errorf("validTarget(%q)\ngot:  true\nwant: false", s)
		}
		if _, err := netip.ParseAddrPort("127.0.0.1:" + port); err != nil {
			t.Errorf("validTarget(%q)\ngot:  true\nwant: false, the port is %q", s, port)
		}
	})
}

func FuzzAcceptance(f *testing.F) {
	f.Add("text/*;q=0, text/html", "text/html")
	f.Add("*/*", "application/json; charset=utf-8")
	f.Add(";;q==,/,*/", "/")
	f.Fuzz(func(t *testing.T, accept, kind string) {
		if accepts := acceptance([]string{accept}); accepts != nil {
			accepts(kind)
		}
		if all := acceptance([]string{accept, "*/*"}); all == nil {
			t.Errorf("Accept %q and */*\ngot:  no ranges\nwant: some", accept)
		}
	})
}

func FuzzWish(f *testing.F) {
	f.Add("bytes=0-1,-5", "no-cache, max-age=0")
	f.Add("bytes=99999999999999999999-", `max-age="`)
	f.Add("bytes=-", "=,=")
	f.Fuzz(func(t *testing.T, ranges, control string) {
		r := &http.Request{Method: http.MethodGet, Header: http.Header{"Range": {ranges}, "Cache-Control": {control}}}
		if first := firstByte(r); first < 0 {
			t.Errorf("Range %q\ngot:  %d\nwant: no negative offset", ranges, first)
		}
		directives(r.Header)
	})
}

// Whatever comes, the look at a ClientHello neither loses nor adds a byte.
func FuzzServerName(f *testing.F) {
	f.Add(clientHello("registry.world.test"))
	f.Add([]byte{tlsHandshake, 3, 1, 0, 0})
	f.Add([]byte{tlsHandshake})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sent []byte) {
		g := &guest{Conn: deaf{bytes.NewReader(sent)}}
		g.serverName()
		if got, _ := io.ReadAll(g); !bytes.Equal(got, sent) {
			t.Errorf("after the look\ngot:  %x\nwant: %x", got, sent)
		}
	})
}

func TestServerName(t *testing.T) {
	g := &guest{Conn: deaf{bytes.NewReader(clientHello("registry.world.test"))}}
	if got, want := g.serverName(), "registry.world.test"; got != want {
		t.Errorf("got:  %s\nwant: %s", got, want)
	}
}

// clientHello is what a client that wants this name sends first.
func clientHello(name string) []byte {
	sent := &mouth{}
	tls.Client(sent, &tls.Config{ServerName: name}).Handshake()
	return sent.Bytes()
}

// mouth is a connection that keeps what is written and hears nothing.
type mouth struct {
	net.Conn
	bytes.Buffer
}

func (m *mouth) Write(p []byte) (int, error) { return m.Buffer.Write(p) }
func (m *mouth) Read([]byte) (int, error)    { return 0, io.EOF }
func (m *mouth) Close() error                { return nil }

// deaf is a connection that says what it has and hears nothing.
type deaf struct{ *bytes.Reader }

func (deaf) Write(p []byte) (int, error)      { return len(p), nil }
func (deaf) Close() error                     { return nil }
func (deaf) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (deaf) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (deaf) SetDeadline(time.Time) error      { return nil }
func (deaf) SetReadDeadline(time.Time) error  { return nil }
func (deaf) SetWriteDeadline(time.Time) error { return nil }
