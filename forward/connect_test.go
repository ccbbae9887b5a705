package forward_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// line reads one line without its end.
func line(r *bufio.Reader) string {
	s, _ := r.ReadString('\n')
	return strings.TrimRight(s, "\r\n")
}

func TestMalformedCONNECTTargetsAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		target string
		status int
	}{
		{alien + ":443", 200},
		{"[::1]:443", 200},
		{"under_score.test:443", 200},
		{alien, 400},
		{alien + ":", 400},
		{alien + ":0", 400},
		{alien + ":65536", 400},
		{alien + ":-1", 400},
		{alien + ":https", 400},
		{":443", 400},
		{"::1:443", 400},
		{"[" + alien + "]:443", 400},
		{"[::1%25eth0]:443x", 400},
		{"user:secret@" + alien + ":443", 400},
		{alien + ":443/path", 400},
		{alien + ":443?q", 400},
		{"http://" + alien + ":443", 400},
		{"/path", 400},
		{"*", 400},
		{strings.Repeat("a", 300) + ".test:443", 400},
	} {
		_, r := w.raw("CONNECT " + c.target + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if got, want := line(r), fmt.Sprintf("HTTP/1.1 %d ", c.status); !strings.HasPrefix(got, want) {
			t.Errorf("CONNECT %s\ngot:  %s\nwant: %s", c.target, got, want)
		}
	}
	_, r := w.raw("CONNECT " + alien + ":443 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
	if got := line(r); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("CONNECT with a body\ngot:  %s\nwant: HTTP/1.1 400", got)
	}
}

func TestAStrangersTLSIsNotTouched(t *testing.T) {
	w := newWorld(t)
	res, body := get(t, w.insecure(), "https://"+alien+"/info/refs?service=git-upload-pack")
	if got, want := res.TLS.PeerCertificates[0], w.origin.Certificate(); !got.Equal(want) {
		t.Errorf("certificate\ngot:  %v\nwant: the origin's own", got.Subject)
	}
	if want := "origin GET /info/refs?service=git-upload-pack "; body != want {
		t.Errorf("body\ngot:  %s\nwant: %s", body, want)
	}
	if via := w.lastSeen().Header["Via"]; via != nil {
		t.Errorf("Via in a blind tunnel\ngot:  %q\nwant: none", via)
	}
}

// insecure goes by the proxy and takes any certificate, to see which it is.
func (w *world) insecure() *http.Client {
	c := w.client(false)
	c.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
	return c
}

// A rule speaks of the host's own port. What runs on another is a stranger.
func TestAnotherPortOfOurHostIsAStranger(t *testing.T) {
	w := newWorld(t)
	res, _ := get(t, w.insecure(), "https://"+host+":8443/")
	if got, want := res.TLS.PeerCertificates[0], w.origin.Certificate(); !got.Equal(want) {
		t.Errorf("certificate\ngot:  %v\nwant: the origin's own", got.Subject)
	}
}

// Trap: goproxy throws away what was read beyond the CONNECT, and the client waits for ever.
func TestClientHelloInOnePacketWithCONNECT(t *testing.T) {
	for _, name := range []string{host, alien} {
		w := newWorld(t)
		w.setFetch(content("ok", nil))
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		hasty := &hastyConn{Conn: conn, prefix: "CONNECT " + name + ":443 HTTP/1.1\r\nHost: x\r\n\r\n"}
		secure := tls.Client(hasty, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err := secure.Handshake(); err != nil {
			t.Errorf("%s\ngot:  %v\nwant: a handshake", name, err)
		}
	}
}

// hastyConn sends a prefix together with its first write, and skips the answer to it.
type hastyConn struct {
	net.Conn
	prefix string
	reader *bufio.Reader
}

func (c *hastyConn) Write(p []byte) (int, error) {
	n := len(p)
	if c.prefix != "" {
		p, c.prefix = append([]byte(c.prefix), p...), ""
	}
	_, err := c.Conn.Write(p)
	return n, err
}

func (c *hastyConn) Read(p []byte) (int, error) {
	if c.reader == nil {
		c.reader = bufio.NewReader(c.Conn)
		for line(c.reader) != "" {
		}
	}
	return c.reader.Read(p)
}

// far is a listener that stands for a stranger, and the way to it.
func (w *world) far() net.Listener {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	w.setDial(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
	})
	return l
}

func TestATunnelMayBeHalfClosed(t *testing.T) {
	for _, early := range []string{"", "ask "} { // "ask " comes in one packet with the CONNECT
		w := newWorld(t)
		l := w.far()
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			question, _ := io.ReadAll(c) // until the half-close
			fmt.Fprintf(c, "you said %s", question)
			c.Close()
		}()
		conn, r := w.raw("CONNECT " + alien + ":22 HTTP/1.1\r\nHost: x\r\n\r\n" + early)
		line(r)
		line(r)
		io.WriteString(conn, "something")
		conn.(*net.TCPConn).CloseWrite()
		if got, _ := io.ReadAll(r); string(got) != "you said "+early+"something" {
			t.Errorf("got:  %s\nwant: you said %ssomething", got, early)
		}
	}
}

func TestWebSocketThroughATunnel(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(echo)
	talk(t, w.insecure(), "wss://"+alien+"/live")
}

// echo is a WebSocket that says everything twice.
func echo(rw http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(rw, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, message, err := c.Read(r.Context())
		if err != nil {
			return
		}
		c.Write(r.Context(), kind, append(message, message...))
	}
}

func talk(t *testing.T, client *http.Client, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client.Timeout = 0
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for range 3 {
		if err := c.Write(ctx, websocket.MessageText, []byte("ab")); err != nil {
			t.Fatal(err)
		}
		_, got, err := c.Read(ctx)
		if err != nil || string(got) != "abab" {
			t.Fatalf("got:  %s, %v\nwant: abab", got, err)
		}
	}
}

func TestATunnelThatCannotBeOpenedIsToldInWords(t *testing.T) {
	w := newWorld(t)
	w.unreachable()
	status, body := w.rawStatus("CONNECT " + alien + ":443 HTTP/1.1\r\nHost: x\r\n\r\n")
	if status != 502 || !strings.Contains(body, "could not be asked") || !strings.Contains(body, "network") {
		t.Errorf("got:  %d %s\nwant: 502, what happened and what to do", status, body)
	}
	w.setDial(func(context.Context, string, string) (net.Conn, error) { return nil, context.DeadlineExceeded })
	if status, _ := w.rawStatus("CONNECT " + alien + ":443 HTTP/1.1\r\nHost: x\r\n\r\n"); status != 504 {
		t.Errorf("a timeout\ngot:  %d\nwant: 504", status)
	}
}

// Trap: the deadlines that drop a dead client must not stay on a connection that became a tunnel.
func TestATunnelKeepsNoDeadline(t *testing.T) {
	w := newWorld(t)
	w.far()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	spied := make(chan *spiedConn, 1)
	go w.server.Serve(spyListener{l, spied})
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "CONNECT "+alien+":22 HTTP/1.1\r\nHost: x\r\n\r\n")
	line(bufio.NewReader(conn))
	spy := <-spied
	w.shutdown()
	if last := spy.last; !last.IsZero() {
		t.Errorf("the last deadline\ngot:  %v\nwant: none", last)
	}
}

type spyListener struct {
	net.Listener
	conns chan *spiedConn
}

func (l spyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	spy := &spiedConn{Conn: c}
	l.conns <- spy
	return spy, nil
}

type spiedConn struct {
	net.Conn
	last time.Time
}

func (c *spiedConn) SetWriteDeadline(t time.Time) error {
	c.last = t
	return c.Conn.SetWriteDeadline(t)
}

func (w *world) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return w.server.Shutdown(ctx)
}

func TestShutdownEndsTunnelsAndSilentConnections(t *testing.T) {
	w := newWorld(t)
	l := w.far()
	silent, _ := w.raw("")
	conn, r := w.raw("CONNECT " + alien + ":22 HTTP/1.1\r\nHost: x\r\n\r\n")
	line(r)
	line(r)
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.shutdown(); err != nil {
		t.Errorf("Shutdown\ngot:  %v\nwant: nil", err)
	}
	for name, c := range map[string]net.Conn{"client": conn, "far end": far, "silent client": silent} {
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, err := c.Read(make([]byte, 1))
		var late net.Error
		if err == nil || errors.As(err, &late) && late.Timeout() {
			t.Errorf("%s after Shutdown\ngot:  %v\nwant: an end", name, err)
		}
	}
}

func TestATunnelHasManyBytes(t *testing.T) {
	w := newWorld(t)
	l := w.far()
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.Write(want)
			c.Close()
		}
	}()
	_, r := w.raw("CONNECT " + alien + ":22 HTTP/1.1\r\nHost: x\r\n\r\n")
	line(r)
	line(r)
	if got, err := io.ReadAll(r); !bytes.Equal(got, want) {
		t.Errorf("got:  %d bytes, %v\nwant: %d", len(got), err, len(want))
	}
}

func TestWhatIsNeitherTLSNorHTTPIsTunnelled(t *testing.T) {
	w := newWorld(t)
	l := w.far()
	_, r := w.raw("CONNECT " + host + ":443 HTTP/1.1\r\nHost: x\r\n\r\n\x05\x01\x00")
	line(r)
	line(r)
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	far.SetReadDeadline(time.Now().Add(20 * time.Second))
	if io.ReadFull(far, got); string(got) != "\x05\x01\x00" {
		t.Errorf("got:  %x\nwant: 050100", got)
	}
}

func TestCurlThroughTheProxy(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl here")
	}
	w := newWorld(t)
	w.setFetch(content("from the cache", nil))
	for _, version := range []string{"--http1.1", "--http2"} {
		out, err := exec.Command(curl, "-sS", "-k", version, "-x", "http://"+w.addr, "-w", " %{http_version}",
			"https://"+host+"/forever/a", "--max-time", "20").CombinedOutput()
		if got := string(out); err != nil || !strings.HasPrefix(got, "from the cache") {
			t.Errorf("curl %s\ngot:  %s, %v\nwant: from the cache", version, got, err)
		}
	}
}
