package forward

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hither/forward/listener"
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
	f.Add("bytes=0-9223372036854775806,1-9223372036854775806", "")
	f.Fuzz(func(t *testing.T, ranges, control string) {
		r := &http.Request{Method: http.MethodGet, Header: http.Header{"Range": {ranges}, "Cache-Control": {control}}}
		if first, upto, sum := part(r); first < 0 || upto < 0 || sum < 0 {
			t.Errorf("Range %q\ngot:  %d, %d, %d bytes\nwant: nothing negative", ranges, first, upto, sum)
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

// Whatever a client says at a transparent door, no byte is lost or added, and what it is taken to want is a place.
func FuzzIntroduction(f *testing.F) {
	hello := clientHello("registry.world.test")
	for _, seed := range [][]byte{
		hello, hello[:len(hello)/2], inRecordsOf(hello, 7), clientHello("192.0.2.1"), {tlsHandshake, 3, 1, 255, 255, 1, 255, 255, 255},
		[]byte("GET / HTTP/1.1\r\nHost: a.test:80\r\n\r\nmore"), []byte("CONNECT a.test:443 HTTP/1.1\r\n\r\n"),
		[]byte("GET http://u@a.test:81/ HTTP/1.1\nHost: b\n\n"), []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		[]byte("GET  / HTTP/1.1\r\nHost : a\r\n x\r\n\r\n"), []byte("SSH-2.0-x\r\n"), []byte("a"), {0}, {},
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, sent []byte, led bool) {
		g, c := &guest{Conn: deaf{bytes.NewReader(sent)}}, &caller{}
		if led {
			c.origin = netip.MustParseAddrPort("192.0.2.7:8443")
		}
		g.introduce(c)
		if place := c.place(); place != "" && (!validTarget(place) || c.speaks == silence || c.speaks == jargon) {
			t.Errorf("%q\ngot:  %q, as speech %d\nwant: HOST:PORT of one that was understood", sent, place, c.speaks)
		}
		head, below := g.unread()
		if rest, _ := io.ReadAll(below); !bytes.Equal(append(head, rest...), sent) {
			t.Errorf("after the look\ngot:  %x\nwant: %x", append(head, rest...), sent)
		}
	})
}

// A hello of today is longer than a packet, and some clients cut it into several records (RFC 8446, section 5.1).
func TestServerNameInPieces(t *testing.T) {
	for _, size := range []int{1, 7, 100} {
		g := &guest{Conn: deaf{bytes.NewReader(inRecordsOf(clientHello("registry.world.test"), size))}}
		if got, want := g.serverName(), "registry.world.test"; got != want {
			t.Errorf("in records of %d bytes\ngot:  %q\nwant: %s", size, got, want)
		}
	}
}

// With Encrypted ClientHello (RFC 9849) the name that can be read is that of who holds the key, and that is where it goes.
func TestServerNameOfAnEncryptedHello(t *testing.T) {
	sent := &mouth{}
	tls.Client(sent, &tls.Config{ServerName: "registry.world.test", EncryptedClientHelloConfigList: echConfig(t, "front.test")}).Handshake()
	g := &guest{Conn: deaf{bytes.NewReader(sent.Bytes())}}
	if got, want := g.serverName(), "front.test"; got != want {
		t.Errorf("got:  %q\nwant: %s", got, want)
	}
}

// echConfig is a list of one configuration for X25519, HKDF-SHA256 and AES-128-GCM.
func echConfig(t *testing.T, front string) []byte {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	body := append([]byte{1, 0, 0x20, 0, 32}, key.PublicKey().Bytes()...)
	body = append(body, 0, 4, 0, 1, 0, 1, 32, byte(len(front)))
	body = append(append(body, front...), 0, 0)
	config := append([]byte{0xfe, 0x0d, 0, byte(len(body))}, body...)
	return append([]byte{0, byte(len(config))}, config...)
}

// inRecordsOf cuts the handshake in one record into several.
func inRecordsOf(record []byte, size int) (out []byte) {
	for piece := range slices.Chunk(record[5:], size) {
		out = append(append(out, tlsHandshake, 3, 1, 0, byte(len(piece))), piece...)
	}
	return out
}

// The kernel moves the bytes of a tunnel only between two TCP connections that it can see.
func TestATunnelShowsTheClientsTCPConnection(t *testing.T) {
	tcp := &net.TCPConn{}
	g := newGuest(listener.NewConn(tcp, netip.AddrPort{}, true))
	g.head = []byte("b")
	outer := g.again([]byte("a"))
	head, below := outer.unread()
	if string(head) != "ab" || below != net.Conn(tcp) {
		t.Errorf("got:  %q and %T\nwant: ab and the *net.TCPConn", head, below)
	}
	if n, _ := outer.unread(); len(n) != 0 {
		t.Errorf("once more\ngot:  %q\nwant: nothing", n)
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
