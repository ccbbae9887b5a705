package transport

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"hither/forward/wiretest"
)

// resumed is a client that knows only what the file says: another process, as far as TLS can tell.
func resumed(t *testing.T, w *twin, file string) *Pool {
	return w.pool(t, func(c *Config) { c.Sessions = file })
}

func TestSessionsAreResumedAfterARestart(t *testing.T) {
	w := newTwin(t, false)
	file := filepath.Join(t.TempDir(), "sessions")
	p := resumed(t, w, file)
	prefer(t, w, p)
	until(t, "the ticket has come", func() bool { return p.quic[0].resume.early("127.0.0.1") })
	if w.count("h2 resumed")+w.count("h3 resumed") > 0 {
		t.Fatal("something was resumed in the first process")
	}
	p.Close()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		want(t, info.Mode().String(), "-rw-------")
	}
	p = resumed(t, w, file)
	if s := standing(p); s.Offered != "Alt-Svc" {
		t.Errorf("after the restart\ngot  %+v\nwant the offer", s)
	}
	until(t, "HTTP/3 is connected", func() bool { wiretest.Get(t, p, w.url); return standing(p).Requests > 0 })
	put, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, w.url, nil) // which goes over TCP
	wiretest.Send(p, put)
	if w.count("h2 resumed") == 0 || w.count("h3 resumed")+w.count("h3 early resumed") == 0 {
		t.Errorf("after the restart\ngot  %v\nwant both protocols resumed", w.log)
	}
}

// Who is no longer believed is not believed because of an old session either.
func TestASessionDoesNotOutliveItsRoot(t *testing.T) {
	w := newTwin(t, false)
	file := filepath.Join(t.TempDir(), "sessions")
	p := resumed(t, w, file)
	prefer(t, w, p)
	until(t, "the ticket has come", func() bool { return p.quic[0].resume.early("127.0.0.1") })
	p.Close()
	other := w.pool(t, func(c *Config) { c.Sessions, c.RootCAs = file, x509.NewCertPool() })
	c := other.contestOf(false)
	if _, ok := other.sessions.shelves[chosenTCP].Get("127.0.0.1"); !ok || !c.resume.early("127.0.0.1") {
		t.Fatal("there are no sessions to be refused")
	}
	if got := wiretest.Get(t, other, w.url); !strings.Contains(got, "not vouched for") {
		t.Errorf("over TCP\ngot  %s\nwant that the certificate is not vouched for", got)
	}
	conn, err := c.reach("127.0.0.1", w.udp.Port(), 0)
	if err == nil {
		conn.Close()
		t.Error("over UDP\ngot  a connection\nwant none")
	}
}

func TestStrangersResumeNoSessionOfOthers(t *testing.T) {
	p := New(Config{})
	defer p.Close()
	shelves := map[any]bool{}
	for _, lane := range []*lanes{p.chosen, p.strangers} {
		shelves[lane.take(0).TLSClientConfig.ClientSessionCache] = true
		shelves[lane.take(3).TLSClientConfig.ClientSessionCache] = true
	}
	shelves[p.quic[0].resume], shelves[p.quic[1].resume] = true, true
	if len(shelves) != 4 {
		t.Errorf("got  %d shelves\nwant 4", len(shelves))
	}
}

func TestADamagedSessionFileIsPassedOver(t *testing.T) {
	s := httptest.NewTLSServer(wiretest.Says("ok"))
	defer s.Close()
	secret := "c2VjcmV0LXRpY2tldA=="
	for _, text := range []string{"", "{", `{"version":2}`, `{"version":1,"sessions":[{"ticket":"` + secret + `"`, `{"version":"` + secret + `"}`, strings.Repeat("x", 1<<20)} {
		file := filepath.Join(t.TempDir(), "sessions")
		os.WriteFile(file, []byte(text), 0o600)
		var told bytes.Buffer
		p := New(Config{RootCAs: rootsOf(s), Sessions: file, Log: slog.New(slog.NewTextHandler(&told, nil))})
		want(t, wiretest.Get(t, p, s.URL), "200 ok")
		p.Close()
		if !strings.Contains(told.String(), "cannot be used") || strings.Contains(told.String(), secret) {
			t.Errorf("%.60s\ngot  %q\nwant a word, and no secret", text, told.String())
		}
		if k, err := readKept(file); err != nil || len(k.Sessions) != 1 {
			t.Errorf("afterwards\ngot  %v, %v\nwant one session", k, err)
		}
	}
}

func TestSessionsAreBoundedAndAge(t *testing.T) {
	w := newTwin(t, false)
	p := w.pool(t, nil)
	wiretest.Get(t, p, w.url)
	shelf := p.sessions.shelves[chosenTCP]
	state, ok := shelf.Get("127.0.0.1")
	if !ok {
		t.Fatal("no session was kept")
	}
	for n := range 3 * maxSessions {
		shelf.Put(fmt.Sprint(n), state)
	}
	if got := len(shelf.all()); got != maxSessions {
		t.Errorf("got  %d\nwant %d", got, maxSessions)
	}
	sealed, ok := (&session{"one.example", state, time.Now()}).seal(chosenTCP)
	if !ok {
		t.Fatal("the session cannot be kept")
	}
	for _, c := range []struct {
		after time.Duration
		ok    bool
	}{{time.Second, true}, {maxSessionAge + time.Second, false}, {-time.Hour, false}} {
		if _, err := sealed.open(time.Now().Add(c.after)); (err == nil) != c.ok {
			t.Errorf("after %s\ngot  %v", c.after, err)
		}
	}
}

// The first packet of a connection carries the request.
func TestARequestIsEarlyWhereASessionAllowsIt(t *testing.T) {
	if !speaksEarly {
		t.Skip("not under the race detector: quic-go/quic-go#4303")
	}
	w := newTwin(t, false)
	p := w.pool(t, nil)
	prefer(t, w, p)
	until(t, "the ticket has come", func() bool { return p.quic[0].resume.early("127.0.0.1") })
	for _, c := range []struct {
		name   string
		method string
		header []string
		query  string
		early  bool
	}{
		{"GET", http.MethodGet, nil, "", true},
		{"as we ask", http.MethodGet, []string{"Accept", "*/*", "Range", "bytes=0-9", "User-Agent", "hither"}, "", true},
		{"for a token", http.MethodGet, nil, "?service=reg.example&scope=repository%3Aa%2Fb%3Apull&scope=x", true},
		{"with a secret", http.MethodGet, []string{"Authorization", "Bearer x"}, "", false},
		{"with a secret of some registry's own", http.MethodGet, []string{"Private-Token", "x"}, "", false},
		{"with a signed address", http.MethodGet, nil, "?X-Amz-Expires=1200&X-Amz-Signature=x", false},
		{"with a query that is none", http.MethodGet, nil, "?scope=x;sig=%", false},
		{"HEAD", http.MethodHead, nil, "", false},
	} {
		hangUpAll(t, p)
		before := w.count("h3 early")
		req, _ := http.NewRequestWithContext(t.Context(), c.method, w.url+"/"+c.query, nil)
		for i := 0; i+1 < len(c.header); i += 2 {
			req.Header.Set(c.header[i], c.header[i+1])
		}
		if got := wiretest.Send(p, req); !strings.HasPrefix(got, "200") {
			t.Errorf("%s\ngot  %s", c.name, got)
		}
		if got := w.count("h3 early") > before; got != c.early {
			t.Errorf("%s\ngot  early: %t\nwant %t", c.name, got, c.early)
		}
		until(t, "the connection stands", func() bool { return standing(p).Connected == 1 })
		want(t, wiretest.Get(t, p, w.url), "200 HTTP/3.0")
	}
	if s := standing(p); s.Failures > 0 {
		t.Errorf("got  %+v", s)
	}
}

// hangUpAll closes the HTTP/3 connections, as if they had been idle for long.
func hangUpAll(t *testing.T, p *Pool) {
	t.Helper()
	c := p.quic[0]
	c.mu.Lock()
	for _, l := range c.lines {
		c.retireLocked(l)
	}
	c.mu.Unlock()
	win(p)
}

func TestARefusedEarlyRequestIsAnswered(t *testing.T) {
	if !speaksEarly {
		t.Skip("not under the race detector: quic-go/quic-go#4303")
	}
	for _, c := range []struct {
		name   string
		noZero bool
		status int
	}{{"by TLS", true, 200}, {"by the server, with 425", false, http.StatusTooEarly}} {
		t.Run(c.name, func(t *testing.T) {
			first := newTwin(t, false)
			p := first.pool(t, nil)
			prefer(t, first, p)
			until(t, "the ticket has come", func() bool { return p.quic[0].resume.early("127.0.0.1") })
			// The server changes its mind, as one behind a load balancer that has other keys.
			if c.noZero {
				other := newTwin(t, true)
				p.quic[0].mu.Lock()
				for _, o := range p.quic[0].origins {
					o.last = other.udp
				}
				p.quic[0].mu.Unlock()
				p.quic[0].config.Datagrams = func(context.Context, string) ([]netip.AddrPort, error) { return []netip.AddrPort{other.udp}, nil }
			}
			first.set(func() {
				first.answer = func(rw http.ResponseWriter, req *http.Request) {
					if c.status != 200 && req.ProtoMajor == 3 { // early for the client; here it may have become a whole one by now
						rw.WriteHeader(c.status)
					}
					io.WriteString(rw, req.Proto)
				}
			})
			hangUpAll(t, p)
			want(t, wiretest.Get(t, p, first.url), "200 HTTP/2.0")
			if c.noZero {
				until(t, "it is connected without early requests", func() bool {
					wiretest.Get(t, p, first.url) // the refused connection may be gone before anybody could begin another
					return standing(p).Connected == 1
				})
				if s := standing(p); s.Failures > 0 {
					t.Errorf("got  %+v\nwant no failure: the server may refuse", s)
				}
			}
		})
	}
}

func FuzzSessionFile(f *testing.F) {
	good, _ := json.Marshal(keptSessions{Version: 1, Sessions: []keptSession{{Shelf: chosenTCP, Name: "one.example", Since: time.Now(), Ticket: []byte("t"), State: []byte("s")}},
		Tokens: []keptToken{{Shelf: chosenQUIC, Name: "one.example", Since: time.Now(), Token: []byte("t"), Trip: time.Second}},
		Offers: []keptOffer{{Origin: "one.example:443", Port: 443, Until: time.Now().Add(time.Hour)}}})
	f.Add(good)
	f.Add([]byte(`{"version":1,"sessions":null,"offers":[{"origin":":1"}]}`))
	f.Add([]byte(`{"version":1,"offers":[{"origin":"a.example:443","port":443,"until":"2999-01-01T00:00:00Z","verdict":{"from":"127.0.0.1","to":"127.0.0.1:443","tcp":{"wait":2},"http3":{"wait":1,"rate":1e300},"size":[1,-1]}}]}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		k, err := parseKept(text)
		if err != nil {
			return
		}
		now := time.Now()
		for _, one := range k.Sessions {
			_, _ = one.open(now)
		}
		for _, one := range k.Tokens {
			_, _ = one.open(now)
		}
		c := newContest(Config{}, false, nil, nil)
		defer c.close()
		for _, o := range k.Offers {
			c.recall(o, now)
		}
		for _, o := range c.origins {
			o.revive()
		}
	})
}

// A full file is read; one that is made to fill the memory is not even unpacked.
func TestTheSessionFileIsBoundedInMemory(t *testing.T) {
	full := &keptSessions{Version: sessionsVersion, Sessions: make([]keptSession, 4*maxSessions), Tokens: make([]keptToken, 2*quicTokens), Plain: make([]string, maxOrigins)}
	for n := range 2 * maxOrigins {
		verdict := &keptVerdict{TCP: keptPace{time.Second, 1}, HTTP3: keptPace{time.Second, 1}}
		full.Offers = append(full.Offers, keptOffer{Origin: "one.example:443", Public: true, Port: uint16(n), Persist: true, Verdict: verdict})
	}
	text, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseKept(text); err != nil {
		t.Errorf("a full file\ngot  %v", err)
	}
	for _, list := range []string{`"sessions":[` + strings.Repeat("{},", 1<<20) + `{}`, `"plain":[` + strings.Repeat(`"",`, 1<<20) + `""`} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := parseKept([]byte(`{"version":1,` + list + `]}`))
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 16<<20 {
			t.Errorf("%.20s\ngot  %v and %d MB\nwant an error, and at most what the text has", list, err, took>>20)
		}
	}
}
