package e2e_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// quicWorld is a registry that speaks HTTP/1.1, 2 and 3 on one port, and a mirror that speaks no HTTP/3.
func quicWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	handler := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(thing)) })
	both := w.serveTLS("127.0.0.1", handler)
	udp, err := net.ListenPacket("udp", both.addr)
	for range 20 {
		if err == nil {
			break
		}
		both = w.serveTLS("127.0.0.1", handler) // somebody has that port for UDP
		udp, err = net.ListenPacket("udp", both.addr)
	}
	w.must(err)
	server := &http3.Server{Handler: handler, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: both.secure.Certificates})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(udp) })
	t.Cleanup(func() { _ = server.Close(); _ = udp.Close(); serving.Wait() })
	w.write(filepath.Join("rules.d", "lab.toml"), fmt.Appendf(nil, "name = \"lab\"\ngateway = \"/lab\"\n[[host]]\nname = \"lab.test\"\norigin = [%q]\n[[mirror]]\nurl = %q\n"+
		"[probe]\npath = %q\ndigest = %q\n[[path]]\nmatch = \"/blob/{digest:digest}\"\nkeep = \"forever\"\nfrom = \"any\"\nnotary = \"path\"\n",
		both.URL, w.serveTLS("127.0.0.1", handler).URL, blobOf(thing), strings.TrimPrefix(blobOf(thing), "/blob/")))
	return w
}

// Each protocol is measured by itself, and what an upstream does not speak is no failure of its.
func TestMirrorsAreMeasuredOverEachProtocol(t *testing.T) {
	h := quicWorld(t).lightHither()
	var s struct {
		Rules []struct {
			Upstreams []struct {
				Origin   bool
				Measured []struct {
					Proto, HTTP  string
					OK           int
					Connect, TLS *struct{ Count int }
					TTFB         *struct{ P50 time.Duration }
					Outcomes     map[string]int
				}
			}
		}
	}
	h.w.must(json.Unmarshal([]byte(h.CLI("mirrors", "lab", "--json", "--http1", "--http3", "--count", "2", "--interval", "100ms")), &s))
	for _, u := range s.Rules[0].Upstreams {
		name := fmt.Sprintf("origin %t", u.Origin)
		var spoken []string
		for _, m := range u.Measured {
			spoken = append(spoken, fmt.Sprintf("%q %s %d %v", m.Proto, m.HTTP, m.OK, m.Outcomes))
			if m.OK > 0 && (m.TLS == nil || m.TTFB == nil || (m.Connect == nil) != (m.HTTP == "h3")) {
				t.Errorf("%s: phases over %s\ngot  connect %v, TLS %v, TTFB %v\nwant all, but of h3 no connect", name, m.HTTP, m.Connect, m.TLS, m.TTFB)
			}
		}
		want := `"" h2 2 map[ok:2], "h1" h1 2 map[ok:2], "h3" h3 2 map[ok:2]`
		if !u.Origin {
			want = `"" h2 2 map[ok:2], "h1" h1 2 map[ok:2], "h3"  0 map[not spoken:2]`
		}
		same(t, name, strings.Join(spoken, ", "), want)
	}
}

// Ctrl-C ends --watch as its user means it: at once, also in the middle of a measurement, with the last table whole on the
// screen, and with the exit status of its figures.
func TestWatchEndsWithASignal(t *testing.T) {
	w, wires := mirrorWorld(t, 0, 0)
	h := w.newHither(plainHither, nil)
	for _, c := range []struct {
		name   string
		bend   fault // of all upstreams, before the signal
		tables int   // that were shown before it is bent
		status int
	}{
		{"between two measurements", nil, 2, 0},
		{"in the middle of one", hangs, 2, 0},
		{"before the first table", hangs, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, wire := range wires {
				wire.Bend(nil)
				if c.tables == 0 {
					wire.Bend(c.bend)
				}
			}
			asks := func() int { return wires[0].Asked(gotten(blobOf(thing))) }
			before := asks()
			out := w.watched(h, "--interval", "300ms")
			w.await("tables", func() bool { return strings.Count(out.String(), "UPSTREAM") >= c.tables })
			for _, wire := range wires {
				wire.Bend(c.bend)
			}
			if c.tables > 0 {
				before = asks()
			}
			w.await("another measurement", func() bool { return asks() > before })
			began := time.Now()
			w.must(out.cmd.Process.Signal(os.Interrupt))
			_ = out.cmd.Wait()
			same(t, "exit status: "+out.String(), strconv.Itoa(out.cmd.ProcessState.ExitCode()), strconv.Itoa(c.status))
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("the end\ngot  after %s\nwant at once", took)
			}
			if text := out.String(); text != "" && !strings.HasSuffix(text, "\n\n") || strings.Contains(text, "hither:") {
				t.Errorf("the last table\ngot  %s\nwant it whole, and no complaint", tail(text, 12))
			}
		})
	}
}

// watching is a `hither mirrors --watch` and what it says.
type watching struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *watching) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *watching) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *world) watched(h *hither, args ...string) *watching {
	w.t.Helper()
	out := &watching{cmd: exec.Command(h.bin, append([]string{"mirrors", "lab", "--watch", "--state", h.state, "--rules", w.rules}, args...)...)}
	out.cmd.Env, out.cmd.Dir, out.cmd.Stdout, out.cmd.Stderr = h.env, w.dir, out, out
	w.must(out.cmd.Start())
	w.t.Cleanup(func() { _ = out.cmd.Process.Kill() })
	return out
}
