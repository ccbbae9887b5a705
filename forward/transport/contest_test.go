package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hither/forward/dial"
	"hither/forward/field"
	"hither/forward/mark"
	"hither/forward/wiretest"
)

func TestHTTP3IsUsedWhereItIsOfferedAndWins(t *testing.T) {
	w := newTwin(t, false)
	w.slow[2] = 40 * time.Millisecond // in a test on a busy machine, less would be noise
	p := w.pool(t, nil)
	until(t, "HTTP/3 is chosen", func() bool { wiretest.Get(t, p, w.url); return standing(p).Used })
	s := standing(p)
	before := w.count("h3")
	for range 20 {
		wiretest.Get(t, p, w.url)
	}
	if got := w.count("h3") - before; got < 10 {
		t.Errorf("of 20 requests, by the server's log\ngot  %d over HTTP/3\nwant most", got)
	}
	if s.Offered != "Alt-Svc" || s.Port != w.udp.Port() || s.WaitHTTP3 >= s.WaitTCP || s.Requests == 0 || s.Failures != 0 {
		t.Errorf("got  %+v", s)
	}
}

func TestHTTP3IsLeftWhereItIsSlower(t *testing.T) {
	w := newTwin(t, false)
	w.slow[3] = 40 * time.Millisecond
	p := w.pool(t, nil)
	until(t, "both are measured", func() bool {
		wiretest.Get(t, p, w.url)
		s := standing(p)
		return s.WaitHTTP3 > 0 && s.WaitTCP > 0 && known(p)
	})
	if s := standing(p); s.Used {
		t.Errorf("got  %+v\nwant TCP", s)
	}
	before := w.count("h3")
	for range 20 {
		wiretest.Get(t, p, w.url)
	}
	if got := w.count("h3") - before; got > 20/eagerShare+2 {
		t.Errorf("of 20 requests\ngot  %d over HTTP/3\nwant a small share", got)
	}
}

func known(p *Pool) bool {
	c := p.quic[0]
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.origins {
		return o.known(whole)
	}
	return false
}

func TestARuleAndAnHTTPSRecordOfferToo(t *testing.T) {
	w := newTwin(t, false)
	w.altSvc = "clear"
	toTwin := func(c *Config) {
		c.Datagrams = func(context.Context, string) ([]netip.AddrPort, error) { return []netip.AddrPort{w.udp}, nil }
		c.Dial = new(dial.Dialer).DialContext
	}
	p := w.pool(t, func(c *Config) { toTwin(c); c.Offers = func(host string) bool { return host == "127.0.0.1" } })
	until(t, "the rule's word is taken", func() bool { wiretest.Get(t, p, w.url); return w.count("h3") > 0 })
	want(t, standing(p).Offered, "rule")

	asked := make(chan string, 9)
	c := newContest(Config{HTTPS: func(_ context.Context, host string) ([]string, uint16, error) {
		asked <- host
		return []string{"h2", "h3"}, 8443, nil
	}}, false, nil, nil)
	defer c.close()
	now := time.Now()
	for range 3 {
		c.mu.Lock()
		c.originLocked("one.example:443", now)
		c.originLocked("one.example:8443", now) // whose record has another name
		c.originLocked("192.0.2.1:443", now)
		c.mu.Unlock()
	}
	until(t, "the record is known", func() bool {
		r := c.report(time.Now())
		return len(r) == 1 && r[0].Offered == "DNS" && r[0].Port == 8443
	})
	if len(asked) != 1 {
		t.Errorf("asked\ngot  %d times\nwant once", len(asked))
	}
}

// blackhole is a UDP socket that hears and never answers.
func blackhole(t *testing.T) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	return udp, udp.LocalAddr().(*net.UDPAddr).AddrPort()
}

// A handshake that nobody answers goes on for seconds, and all requests are done before it ends.
func TestABlackholedPathCostsNoRequestAnything(t *testing.T) {
	w := newTwin(t, false)
	hole, at := blackhole(t)
	p := w.pool(t, func(c *Config) {
		c.Dial = new(dial.Dialer).DialContext
		c.Datagrams = func(context.Context, string) ([]netip.AddrPort, error) { return []netip.AddrPort{at}, nil }
	})
	for range 50 {
		want(t, wiretest.Get(t, p, w.url), "200 HTTP/2.0")
	}
	if s := standing(p); s.Offered == "" || s.Failures != 0 || s.Requests != 0 {
		t.Errorf("while nobody answers\ngot  %+v\nwant an offer and no verdict yet: the requests waited for it", s)
	}
	hole.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := hole.Read(make([]byte, 2000)); err != nil {
		t.Errorf("nothing was tried: %v", err)
	}
}

func TestHTTP3RestsAfterAFailure(t *testing.T) {
	w := newTwin(t, false)
	_, dead := blackhole(t)
	var asked atomic.Int64
	p := w.pool(t, func(c *Config) {
		c.Dial = new(dial.Dialer).DialContext
		c.Datagrams = func(context.Context, string) ([]netip.AddrPort, error) {
			asked.Add(1)
			return nil, fmt.Errorf("no way to %s", dead)
		}
	})
	until(t, "it failed", func() bool { wiretest.Get(t, p, w.url); return standing(p).Failures == 1 })
	for range 40 {
		want(t, wiretest.Get(t, p, w.url), "200 HTTP/2.0")
	}
	if s := standing(p); asked.Load() != 1 || s.Retry.Before(time.Now().Add(backOff-time.Minute)) {
		t.Errorf("got  %d attempts, the next one %s\nwant one, and none for %s", asked.Load(), s.Retry, backOff)
	}
	p.CloseIdleConnections() // another network
	until(t, "it is tried again", func() bool { wiretest.Get(t, p, w.url); return asked.Load() > 1 })
}

func TestTheRestDoublesToADay(t *testing.T) {
	o, now := new(origin), time.Now()
	for n, want := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440} {
		o.fail(now)
		o.fail(now) // of another lane at the same time
		if got := o.retry.Sub(now); got != want*time.Minute {
			t.Errorf("failure %d\ngot  %s\nwant %s", n+1, got, want*time.Minute)
		}
		now = o.retry
	}
}

func TestAnAnswerThatHTTP3DoesNotBringComesOverTCP(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		rests  bool
	}{
		{"a stream that is cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true},
		{"a server that is silent", func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }, false},
		{"a server that takes up a protocol that nobody named", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusSwitchingProtocols) }, true},
		{"a server that wants another connection", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMisdirectedRequest) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newTwin(t, false)
			p := w.pool(t, nil)
			prefer(t, w, p)
			w.set(func() {
				w.answer = func(rw http.ResponseWriter, req *http.Request) {
					if req.ProtoMajor == 3 {
						c.answer(rw, req)
						return
					}
					io.WriteString(rw, req.Proto)
				}
			})
			before := w.count("h3")
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // long before HTTP/3 is given up
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
			want(t, wiretest.Send(p, req), "200 HTTP/2.0")
			if w.count("h3") == before {
				t.Error("HTTP/3 was not tried")
			}
			if s := standing(p); (s.Failures > 0) != c.rests {
				t.Errorf("got  %+v\nwant a rest: %t", s, c.rests)
			}
		})
	}
}

func TestWhatMayNotBeSentTwiceGoesOverTCP(t *testing.T) {
	w := newTwin(t, false)
	p := w.pool(t, nil)
	prefer(t, w, p)
	for _, c := range []struct {
		name string
		want string
		make func() *http.Request
	}{
		{"GET", "200 HTTP/3.0", func() *http.Request { return &http.Request{Method: http.MethodGet} }},
		{"a body", "200 HTTP/2.0", func() *http.Request {
			return &http.Request{Method: http.MethodGet, Body: io.NopCloser(strings.NewReader("x"))}
		}},
		{"PUT", "200 HTTP/2.0", func() *http.Request { return &http.Request{Method: http.MethodPut} }},
		{"a patient request", "200 HTTP/2.0", func() *http.Request {
			return (&http.Request{Method: http.MethodGet}).WithContext(mark.Patient(t.Context()))
		}},
	} {
		req := c.make()
		req.URL, _ = url.Parse(w.url)
		if got := wiretest.Send(p, req); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// The first address is silent; the second answers.
func TestHTTP3TriesEveryAddress(t *testing.T) {
	w := newTwin(t, false)
	_, at := blackhole(t)
	p := w.pool(t, func(c *Config) {
		c.Dial = new(dial.Dialer).DialContext
		c.Datagrams = func(context.Context, string) ([]netip.AddrPort, error) { return []netip.AddrPort{at, w.udp}, nil }
	})
	prefer(t, w, p)
	want(t, wiretest.Get(t, p, w.url), "200 HTTP/3.0")
}

func TestEachLaneHasAnHTTP3ConnectionOfItsOwn(t *testing.T) {
	w := newTwin(t, false)
	w.set(func() { w.answer = remote })
	p := w.pool(t, nil)
	prefer(t, w, p)
	until(t, "both lanes are connected", func() bool {
		lined(t, p, w.url, 1)
		lined(t, p, w.url, 2)
		return standing(p).Connected == 3
	})
	if a, b, again := lined(t, p, w.url, 1), lined(t, p, w.url, 2), lined(t, p, w.url, 1); a == b || a != again {
		t.Errorf("got  %s, %s, %s\nwant two connections", a, b, again)
	}
}

// What a hostile mirror says changes nothing for those whom the user chose.
func TestStrangersHaveAContestOfTheirOwn(t *testing.T) {
	w := newTwin(t, false)
	p := w.pool(t, func(c *Config) {
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return new(dial.Dialer).DialContext(mark.Private(ctx), network, addr)
		}
		c.Datagrams = new(dial.Dialer).Datagrams
	})
	for range 5 {
		req, _ := http.NewRequestWithContext(mark.Public(t.Context()), http.MethodGet, w.url, nil)
		want(t, wiretest.Send(p, req), "200 HTTP/2.0")
	}
	until(t, "the address is refused", func() bool { return standing(p).Failures == 1 })
	if s := p.Report(); len(s) != 1 || !s[0].Public || s[0].Requests != 0 {
		t.Errorf("got  %+v\nwant one, of strangers, that never went over UDP to this machine", s)
	}
	want(t, fmt.Sprint(w.count("h3")), "0")
}

func TestBehindAProxyThereIsNoHTTP3(t *testing.T) {
	d := &dial.Dialer{Proxy: &url.URL{Scheme: "http", Host: "192.0.2.1:3128"}, Resolver: wiretest.Names{"far.example": "192.0.2.7"}}
	c := newContest(Config{Datagrams: d.Datagrams}, false, nil, nil)
	defer c.close()
	if _, err := c.reach("far.example", 443, 0); !errors.Is(err, dial.ErrProxied) {
		t.Errorf("got  %v\nwant %v", err, dial.ErrProxied)
	}
}

func TestAlternativesAreBelievedWithCare(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		field string
		port  uint16
	}{
		{`h3=":443"`, 443},
		{`h3=":8443"`, 8443},
		{`h3="one.example:443"`, 443},
		{`h3="evil.example:443", h3=":444"`, 0},
		{`h3=":25"`, 0},
		{`h2=":443", h3-29=":443"`, 0},
		{`h3=":443"; ma=0`, 0},
	} {
		o := &origin{host: "one.example", port: 443}
		found, clear, err := field.Alternatives(http.Header{"Alt-Svc": {c.field}})
		if err != nil {
			t.Fatal(err)
		}
		o.listen(found, clear, now)
		if got, _ := o.offered(now); got != c.port {
			t.Errorf("%s\ngot  %d\nwant %d", c.field, got, c.port)
		}
	}
	o := &origin{host: "one.example", port: 443}
	o.listen([]field.Alternative{{Proto: "h3", Port: 443, Age: time.Hour}}, false, now)
	if o.usable(now.Add(2 * time.Hour)) {
		t.Error("an offer outlives its age")
	}
	o.move()
	if o.usable(now) {
		t.Error("an offer without persist outlives the network")
	}
	o.listen([]field.Alternative{{Proto: "h3", Port: 443, Age: time.Hour, Persist: true}}, false, now)
	o.move()
	if !o.usable(now) {
		t.Error("an offer with persist does not outlive the network")
	}
	o.listen(nil, true, now)
	if o.usable(now) {
		t.Error("clear is not obeyed")
	}
}

func TestOriginsAreBounded(t *testing.T) {
	c := newContest(Config{}, false, nil, nil)
	defer c.close()
	for n := range maxOrigins + 50 {
		resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Alt-Svc": {`h3=":443"`}}}
		c.learn(fmt.Sprintf("host%d.example:443", n), resp)
	}
	if len(c.origins) != maxOrigins {
		t.Errorf("got  %d\nwant %d", len(c.origins), maxOrigins)
	}
}

func TestClosingFreesEverything(t *testing.T) {
	w := newTwin(t, false)
	_, at := blackhole(t)
	wiretest.Get(t, measured(t, Config{RootCAs: w.roots}, "h3"), "https://"+w.udp.String()) // the server makes goroutines of its own
	before := runtime.NumGoroutine()
	for _, to := range [][]netip.AddrPort{{w.udp}, {at}} {
		p := New(Config{RootCAs: w.roots, Dial: new(dial.Dialer).DialContext, Datagrams: func(context.Context, string) ([]netip.AddrPort, error) { return to, nil }})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 8 {
					wiretest.Get(t, p, w.url)
				}
			})
		}
		all.Wait()
		p.Close()
		p.Close()
	}
	until(t, "all goroutines are gone", func() bool { return runtime.NumGoroutine() <= before && clients() == 0 })
}

func TestBodiesThatStandStillNowAndThenRestNothing(t *testing.T) {
	var o origin
	now := time.Unix(1e9, 0)
	for range 2 * maxStalls {
		o.stall(now)
		now = now.Add(stallLife + time.Second)
	}
	if o.failures != 0 {
		t.Errorf("failures\n got %d\nwant none", o.failures)
	}
	for range maxStalls {
		o.stall(now)
		now = now.Add(stallApart)
	}
	if o.failures != 1 || !o.retry.After(now) {
		t.Errorf("in a row\n got %d failures, a rest until %v\nwant one, and one that has begun", o.failures, o.retry)
	}
}
