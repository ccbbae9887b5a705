package e2e_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// What `hither up` cannot work with it refuses, in a sentence that names the place of the mistake.
func TestUpRefusesWhatItCannotWorkWith(t *testing.T) {
	tests := map[string]struct {
		spoil func(w *world, h *hither)
		want  []string
	}{
		"a rule file that is no TOML": {
			func(w *world, _ *hither) { w.write("rules.d/go.toml", []byte("name = \"go\"\nhome = \n")) }, []string{"go.toml:2"}},
		"a rule file with an unknown key": {
			func(w *world, _ *hither) { w.write("rules.d/mine.toml", []byte("name = \"mine\"\ncolour = \"red\"\n")) }, []string{"mine.toml:2", "colour"}},
		"a configuration with an unknown key": {
			func(w *world, h *hither) { w.write(filepath.Base(h.state)+".toml", []byte("\n\nlissen = \"x\"\n")) }, []string{".toml:3", "lissen"}},
		"a file of roots that is not there": {
			func(w *world, h *hither) { h.args = append(h.args, "--ca-files", filepath.Join(w.dir, "no-such.pem")) }, []string{"--ca-files: ", "no-such.pem"}},
		"a file of roots without a certificate": {
			func(w *world, h *hither) {
				h.args = append(h.args, "--ca-files", w.write("empty.pem", []byte("nothing\n")))
			}, []string{"empty.pem"}},
		"a state directory that is a file": {
			func(w *world, h *hither) {
				w.must(os.Remove(h.state))
				w.must(os.WriteFile(h.state, nil, 0o600))
			}, []string{"hither-1"}},
		"an authority that cannot be read": {
			func(w *world, h *hither) {
				name := filepath.Base(h.state)
				w.write(name+"/ca.pem", []byte("garbage\n"))
				w.write(name+"/ca-key.pem", []byte("garbage\n"))
			}, []string{"ca", "remove"}},
		"an address that everybody can reach": {
			func(_ *world, h *hither) { h.args = append(h.args, "--listen", "0.0.0.0:0") }, []string{"0.0.0.0"}},
		"a proxy that is none": {
			func(_ *world, h *hither) { h.args = append(h.args, "--upstream-proxy", "ftp://127.0.0.1:1") }, []string{"upstream-proxy"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			h := w.newHither(racingHither, nil)
			test.spoil(w, h)
			out := h.failToStart()
			has(t, "hither up", out, test.want...)
			if strings.Contains(out, "goroutine ") {
				t.Errorf("a panic is no sentence:\n%s", out)
			}
		})
	}
}

// failToStart runs up, which must end by itself and with an error.
func (h *hither) failToStart() string {
	h.w.t.Helper()
	args := append([]string{"up", "--listen", "127.0.0.1:0", "--state", h.state, "--rules", h.w.rules}, h.args...)
	out, err := h.w.try(h.w.dir, h.env, h.bin, args...)
	if err == nil {
		h.w.t.Fatalf("hither up succeeded:\n%s", out)
	}
	return out
}

func TestASecondHitherNamesTheFirst(t *testing.T) {
	w := newWorld(t)
	first := w.hither()
	second := w.newHither(racingHither, nil)
	second.state = first.state
	has(t, "a second hither up", second.failToStart(), strconv.Itoa(first.cmd.Process.Pid), "--state")

	third := w.newHither(racingHither, nil, "--listen", first.addr)
	has(t, "a third hither up, at the same port", third.failToStart(), first.addr, "--listen")
}

// A bad rule file while Hither runs is told, and the last good ones stay in force.
func TestABadRuleFileLaterChangesNothing(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	w.npmRule(o)
	h := w.hither()
	h.get(t, "https://"+npmHost+"/pkg-001")
	w.write("rules.d/npm.toml", []byte("name = \"npm\"\nbroken\n"))
	w.await("the report of the bad rule file", func() bool { return strings.Contains(h.CLI("status"), "npm.toml:2") })
	h.get(t, "https://"+npmHost+"/pkg-002")
	w.npmRule(o)
	w.await("the end of the report", func() bool { return !strings.Contains(h.CLI("status"), "npm.toml:2") })
}

// An origin that shows a login page, or breaks off, is not believed and not remembered.
func TestABadOriginIsNotRemembered(t *testing.T) {
	for name, f := range map[string]fault{"login page": logsIn, "breaks off": truncates, "too busy": answers(http.StatusServiceUnavailable)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.npmWorld()
			w.npmRule(o)
			h := w.hither()
			o.Bend(f)
			url := "https://" + npmHost + npmTarball(o.packages[3])
			status, body, err := h.ask(t, url)
			if err == nil && (status < 500 || status > 504) {
				t.Errorf("a tarball from a bad origin\n got %d %.80q\nwant 502, 503 or 504, or a broken connection", status, body)
			}
			o.Bend(nil)
			same(t, "the tarball afterwards", string(h.get(t, url)), string(o.tarballs[npmTarball(o.packages[3])]))
		})
	}
}

// A stale copy is better than none for what may change, and says that it is stale.
func TestAStalePackumentIsBetterThanNone(t *testing.T) {
	w := newWorld(t)
	o := w.npmWorld()
	w.npmRule(o)
	w.shorten("npm", "5m", "1ms")
	w.shorten("npm", "1h", "1ms") // the time for which it is good enough while a new one comes
	h := w.hither()
	url := "https://" + npmHost + "/pkg-001"
	first := h.get(t, url)
	w.Dark()
	same(t, "the packument while the origin is off", string(h.get(t, url)), string(first))
	has(t, "why", h.Why(url), "stale")
}

// shorten changes how long a rule file keeps things.
func (w *world) shorten(rule, from, to string) {
	w.t.Helper()
	name := filepath.Join("rules.d", rule+".toml")
	text := w.read(w.dir, name)
	if !strings.Contains(text, "'"+from+"'") {
		w.t.Fatalf("%s keeps nothing for %s", name, from)
	}
	w.write(name, []byte(strings.ReplaceAll(text, "'"+from+"'", "'"+to+"'")))
}

// What is no good HTTP is refused with a status, and the next client is served.
func TestMalformedRequestsAreRefused(t *testing.T) {
	w := newWorld(t)
	h := w.hither()
	for name, request := range map[string]string{
		"two lengths":            "POST http://x.test/ HTTP/1.1\r\nHost: x.test\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
		"a length and chunks":    "POST http://x.test/ HTTP/1.1\r\nHost: x.test\r\nContent-Length: 3\r\nTransfer-Encoding: cow\r\n\r\nabc",
		"a header over all size": "GET / HTTP/1.1\r\nHost: " + h.addr + "\r\nX-A: " + strings.Repeat("a", 2<<20) + "\r\n\r\n",
		"CONNECT to nowhere":     "CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT to no port":     "CONNECT example.test HTTP/1.1\r\nHost: example.test\r\n\r\n",
		"CONNECT to a bad port":  "CONNECT example.test:99999 HTTP/1.1\r\nHost: example.test:99999\r\n\r\n",
		"no host":                "GET / HTTP/1.1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			status := h.raw(t, request)
			if status != 0 && (status < 400 || status > 505) {
				t.Errorf("status\n got %d\nwant 4xx, or a closed connection", status)
			}
		})
	}
	has(t, "status afterwards", h.CLI("status"), h.addr)
}

// raw sends bytes as they are and returns the status; 0 if the connection was closed without one.
func (h *hither) raw(t *testing.T, request string) int {
	t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	go func() { _, _ = io.WriteString(conn, request) }()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	defer func() { _ = answer.Body.Close() }()
	return answer.StatusCode
}

// What a server sends behind its answer is no news for who runs Hither: bytes of answers have no place in a log.
func TestWhatAServerSendsUnaskedIsNotLogged(t *testing.T) {
	w := newWorld(t)
	server, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	defer func() { _ = server.Close() }()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := server.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret") // to a HEAD
		_, _ = io.Copy(io.Discard, conn)                                                  // until Hither gives it up
	}()
	h := w.hither()
	answer, err := h.Client().Head("http://" + server.Addr().String() + "/")
	w.must(err)
	_ = answer.Body.Close()
	<-ended
	h.Stop()
	if log := w.read(h.log()); strings.Contains(log, "secret") {
		t.Errorf("log\n got %s\nwant nothing of what the server sent", log)
	}
}
