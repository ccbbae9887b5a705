package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/cmd/hither/doctor/kernel"
	"hither/forward/authority"
	"hither/install/stage"
	"hither/rules"
	rulesd "hither/rules.d"
)

// world is a false machine: a tree of files, an environment, and a network in which nobody answers unless a test says so.
// In it Hither runs on 127.0.0.1:7890.
type world struct {
	*Patient
	t    *testing.T
	env  map[string]string
	says map[string]string       // what commands print
	up   map[string]bool         // HOST:PORT where somebody listens and says nothing
	ips  map[string][]netip.Addr // what names mean to this machine's programs
	here map[string]bool         // commands that are installed; nil: all
}

const ourAddress = "127.0.0.1:7890"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, env: map[string]string{}, says: map[string]string{}, up: map[string]bool{ourAddress: true}, ips: map[string][]netip.Addr{}}
	set, err := rules.Load(rulesd.Files)
	if err != nil {
		t.Fatal(err)
	}
	w.Patient = &Patient{
		OS: "linux", Root: t.TempDir(), Home: "/home/u", Dir: "/home/u/project", State: "/home/u/.local/state/hither", Listen: []string{ourAddress},
		Env: func(name string) (string, bool) { value, ok := w.env[name]; return value, ok },
		Run: func(_ context.Context, argv ...string) ([]byte, error) {
			return []byte(w.says[strings.Join(argv, " ")]), nil
		},
		Has: func(command string) bool { return w.here == nil || w.here[command] },
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			if !w.up[address] {
				return nil, errors.New("connection refused")
			}
			near, far := net.Pipe()
			far.Close()
			return near, nil
		},
		Look: func(_ context.Context, host string) ([]netip.Addr, error) {
			if addrs := w.ips[host]; addrs != nil {
				return addrs, nil
			}
			return []netip.Addr{netip.MustParseAddr("203.0.113.9")}, nil
		},
		Ask: func(context.Context, netip.AddrPort, *dns.Msg) (*dns.Msg, error) {
			return nil, errors.New("nobody answers")
		},
		Links:  func() ([]kernel.Link, error) { return nil, nil },
		Held:   func(string) (int, os.FileMode, error) { return 1000, os.ModeDir | 0o700, nil },
		Rules:  func() (*rules.Set, error) { return set, nil },
		Daemon: Daemon{Running: true, PID: 4711, Proxy: []string{ourAddress}, CA: "/home/u/.local/state/hither/ca.pem"},
		CA:     stage.RootPEM("Hither local authority (host) 00aaff"),
		Quick:  true,
	}
	w.write("/home/u/.local/state/hither/ca.pem", string(w.CA))
	return w
}

// write writes a file of the false machine.
func (w *world) write(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.Root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// dns makes Hither answer DNS at 127.0.0.1:53 and wait on 127.0.0.1:443.
func (w *world) dns(mode string) {
	w.Daemon.DNS, w.Daemon.Transparent, w.Daemon.Mode = []string{"127.0.0.1:53"}, []string{"127.0.0.1:443", "127.0.0.1:80"}, mode
	w.Ask = func(_ context.Context, _ netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
		return answerWith(q, "127.0.0.1"), nil
	}
}

// answerWith replies to a question for an address.
func answerWith(q *dns.Msg, addr string) *dns.Msg {
	reply := new(dns.Msg).SetReply(q)
	if q.Question[0].Qtype == dns.TypeA {
		reply.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(addr)}}
	}
	return reply
}

// answering makes Hither lead to hosts, which say what time it is there.
func (w *world) answering(hosts []string, clock func(host string) time.Time) {
	w.t.Helper()
	dir := w.t.TempDir()
	ca, err := authority.Open(dir, hosts, time.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.CA, err = os.ReadFile(filepath.Join(dir, "ca.pem")); err != nil {
		w.t.Fatal(err)
	}
	there := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		rw.Header().Set("Date", clock(req.Host).UTC().Format(http.TimeFormat))
	}))
	there.TLS = &tls.Config{GetCertificate: ca.Certificate}
	there.StartTLS()
	w.t.Cleanup(there.Close)
	w.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", there.Listener.Addr().String())
		return &consenting{Conn: conn}, err
	}
}

// consenting is a connection to a proxy that consents to the CONNECT, and leads where it led.
type consenting struct {
	net.Conn
	asked, said bool
}

func (c *consenting) Write(b []byte) (int, error) {
	if !c.asked {
		c.asked = true
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *consenting) Read(b []byte) (int, error) {
	if !c.said {
		c.said = true
		return copy(b, "HTTP/1.1 200 OK\r\n\r\n"), nil
	}
	return c.Conn.Read(b)
}

// run1 runs one check.
func (w *world) run1(c Check) []Finding {
	w.t.Helper()
	return Examine(w.t.Context(), []Check{c}, w.Patient).Findings
}

// text is a report in lines, for comparing.
func text(findings []Finding) string {
	var out strings.Builder
	for _, f := range findings {
		out.WriteString(f.Check + " " + string(f.Level) + ": " + f.Cause + "\n")
		if f.Remedy != "" {
			out.WriteString("\t" + f.Remedy + "\n")
		}
	}
	return out.String()
}

// holds fails unless the findings have every part.
func holds(t *testing.T, findings []Finding, parts ...string) {
	t.Helper()
	all := text(findings)
	for _, part := range parts {
		if !strings.Contains(all, part) {
			t.Errorf("\n got %s\nwant in it %s", all, part)
		}
	}
}

// lacks fails if the findings have one of the parts.
func lacks(t *testing.T, findings []Finding, parts ...string) {
	t.Helper()
	all := text(findings)
	for _, part := range parts {
		if strings.Contains(all, part) {
			t.Errorf("\n got %s\nwant nothing with %s", all, part)
		}
	}
}
