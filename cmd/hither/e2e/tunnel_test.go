package e2e_test

import (
	"bufio"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"path/filepath"
	"strings"
	"testing"
)

// Done when 6: what is in no rule is untouched. The clients of these tests trust only the world's own roots, so that a
// certificate of Hither's would fail them.

func TestGitCloneThroughATunnelIsUntouched(t *testing.T) {
	w := newWorld(t)
	repo := w.gitRepository()
	core := strings.TrimSpace(w.shell(w.dir, w.clientEnv("git"), "git", "--exec-path"))
	server := w.serveTLS("git.world.test", &cgi.Handler{
		Path: filepath.Join(core, "git-http-backend"), Root: "/",
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(repo), "GIT_HTTP_EXPORT_ALL=1"},
	})
	h := w.hither()
	w.shell(w.dir, w.clientEnv("git", proxied(h.addr, w.roots)...), "git", "clone", "--quiet", server.URL+"/repo", "clone")
	same(t, "the cloned file", w.read(w.dir, "clone", "file"), w.read(repo, "file"))
	if server.Asked(nil) == 0 {
		t.Error("git did not come to its server")
	}
}

// gitRepository makes a repository with one commit.
func (w *world) gitRepository() string {
	w.t.Helper()
	dir := w.mkdir("git/repo")
	w.write("git/repo/file", noise(3, 1<<16))
	env := w.clientEnv("git")
	for _, args := range [][]string{
		{"init", "--quiet"}, {"add", "file"},
		{"-c", "user.name=World", "-c", "user.email=world@world.test", "commit", "--quiet", "-m", "One file."},
	} {
		w.shell(dir, env, "git", args...)
	}
	return dir
}

func TestCurlThroughATunnelSeesTheSameCertificate(t *testing.T) {
	w := newWorld(t)
	server := w.serveTLS("plain.world.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto+" "+r.Header.Get("Via")+r.Header.Get("X-Forwarded-For")+"\n")
	}))
	h := w.hither()
	curl := []string{"-sS", "--cacert", w.roots, "-w", "%{certs}", server.URL + "/"}
	without := w.shell(w.dir, w.clientEnv("without"), "curl", curl...)
	with := w.shell(w.dir, w.clientEnv("with", proxied(h.addr, w.roots)...), "curl", curl...)
	same(t, "what curl got and from whom", with, without)
	has(t, "curl without Hither", without, "BEGIN CERTIFICATE", "HTTP/2")
}

func TestAWebSocketThroughATunnelIsUntouched(t *testing.T) {
	w := newWorld(t)
	server := w.serveTLS("ws.world.test", http.HandlerFunc(echoSocket))
	h := w.hither()
	conn := h.tunnel(server.addr)
	config := w.trusting(w.roots)
	config.ServerName = "ws.world.test"
	socket := tls.Client(conn, config)
	w.must(socket.HandshakeContext(t.Context()))
	_, err := io.WriteString(socket, "GET /chat HTTP/1.1\r\nHost: ws.world.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	w.must(err)
	reader := bufio.NewReader(socket)
	answer, err := http.ReadResponse(reader, nil)
	w.must(err)
	if got, want := answer.Header.Get("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; got != want {
		t.Fatalf("Sec-WebSocket-Accept\n got %s %q\nwant 101 Switching Protocols %q", answer.Status, got, want)
	}
	for _, frame := range []string{"\x81\x05hello", "\x82\x04\x00\x01\x02\x03"} {
		_, err = io.WriteString(socket, frame)
		w.must(err)
		back := make([]byte, len(frame))
		_, err = io.ReadFull(reader, back)
		w.must(err)
		same(t, "the frame that came back", string(back), frame)
	}
}

// tunnel asks for a CONNECT by hand.
func (h *hither) tunnel(addr string) net.Conn {
	h.w.t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	h.w.must(err)
	h.w.t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, "CONNECT "+addr+" HTTP/1.1\r\nHost: "+addr+"\r\n\r\n")
	h.w.must(err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	h.w.must(err)
	if answer.StatusCode != http.StatusOK {
		h.w.t.Fatalf("CONNECT %s\n got %s\nwant 200", addr, answer.Status)
	}
	return conn
}

// echoSocket accepts a WebSocket (RFC 6455 section 4.2.2) and sends every byte back as it came.
func echoSocket(w http.ResponseWriter, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
	_, _ = io.Copy(conn, buffered)
}

// A tunnel tells of a closed half, and passes on what comes after it.
func TestATunnelMayBeHalfClosed(t *testing.T) {
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		all, _ := io.ReadAll(conn)
		_, _ = conn.Write(append(all, " was all"...))
		_ = conn.Close()
	}()
	h := w.hither()
	conn := h.tunnel(listener.Addr().String())
	_, err = io.WriteString(conn, "this")
	w.must(err)
	w.must(conn.(*net.TCPConn).CloseWrite())
	got, err := io.ReadAll(conn)
	w.must(err)
	same(t, "the answer after the end of the question", string(got), "this was all")
}
