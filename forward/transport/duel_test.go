package transport

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"hither/forward/dial"
	"hither/forward/mark"
	"hither/forward/wiretest"
)

// A body may break or stand still as well as its head.
func TestABodyThatBreaksOverHTTP3IsNotAskedForThereAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		end   func(context.Context)
		rests bool
	}{
		{"it is cut off", func(context.Context) { panic(http.ErrAbortHandler) }, true},
		{"it stands still until the client gives up", func(ctx context.Context) { <-ctx.Done() }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newTwin(t, false)
			p := w.pool(t, nil)
			prefer(t, w, p)
			headed := make(chan struct{})
			w.set(func() {
				w.answer = func(rw http.ResponseWriter, req *http.Request) {
					if req.ProtoMajor == 3 {
						io.WriteString(rw, "the beginning")
						rw.(http.Flusher).Flush()
						<-headed
						c.end(req.Context())
					}
					io.WriteString(rw, req.Proto)
				}
			})
			p.quic[0].mu.Lock()
			line := p.quic[0].lines[lineKey{strings.TrimPrefix(w.url, "https://"), 0}]
			p.quic[0].mu.Unlock()
			ctx, cancel := context.WithTimeout(t.Context(), standstill+standstill/5)
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
			resp, err := p.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			close(headed)
			if body, err := io.ReadAll(resp.Body); err == nil {
				t.Fatalf("got  %s\nwant an error", body)
			}
			resp.Body.Close()
			p.quic[0].mu.Lock()
			retired := line.retired
			p.quic[0].mu.Unlock()
			if s := standing(p); !retired || (s.Failures > 0) != c.rests {
				t.Errorf("the line is retired: %t, want true\ngot  %+v\nwant a rest: %t", retired, s, c.rests)
			}
		})
	}
}

// Where small packets come through and large bodies do not, each connection begins well.
func TestBodiesThatStandStillEachTimeRestHTTP3(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps string // s: bodies stand still in two lanes at once; w: a large one comes whole
		rests bool
	}{
		{"each time", "sss", true},
		{"now and then", "sswss", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newTwin(t, false)
			p := w.pool(t, nil)
			w.set(func() {
				w.answer = func(rw http.ResponseWriter, req *http.Request) {
					if req.URL.Path == "/large" {
						rw.Write(make([]byte, rateBytes))
					}
					io.WriteString(rw, req.Proto)
					if rw.(http.Flusher).Flush(); req.URL.Path == "/still" {
						<-req.Context().Done()
					}
				}
			})
			prefer(t, w, p)
			for _, step := range c.steps {
				until(t, "all lanes are connected", func() bool {
					for n := range 3 {
						lined(t, p, w.url, n)
					}
					return standing(p).Connected == 3 || standing(p).Failures > 0
				})
				win(p)
				if step == 'w' {
					want(t, strings.Trim(lined(t, p, w.url+"/large", 1), "\x00"), "HTTP/3.0")
					continue
				}
				var both sync.WaitGroup
				for n := range 2 {
					both.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), standstill+standstill/20)
						defer cancel()
						req, _ := http.NewRequestWithContext(mark.Lane(ctx, n+1), http.MethodGet, w.url+"/still", nil)
						wiretest.Send(p, req)
					})
				}
				both.Wait()
				p.quic[0].mu.Lock()
				for _, o := range p.quic[0].origins {
					o.stood = o.stood.Add(-stallApart)
				}
				p.quic[0].mu.Unlock()
			}
			if s := standing(p); (s.Failures > 0) != c.rests {
				t.Errorf("got  %+v\nwant a rest: %t", s, c.rests)
			}
		})
	}
}

// Heads come where bodies stand still, and some are always under way.
func TestAHeadThatWasUnderWayDoesNotEndTheRestOfBodies(t *testing.T) {
	w := newTwin(t, false)
	p := w.pool(t, nil)
	prefer(t, w, p)
	asked, release := make(chan struct{}), make(chan struct{})
	w.set(func() {
		w.answer = func(rw http.ResponseWriter, req *http.Request) {
			if req.ProtoMajor < 3 {
				<-req.Context().Done()
				return
			}
			close(asked)
			<-release
			io.WriteString(rw, req.Proto)
		}
	})
	var answered sync.WaitGroup
	answered.Go(func() { want(t, wiretest.Get(t, p, w.url), "200 HTTP/3.0") })
	<-asked
	p.quic[0].mu.Lock()
	for _, o := range p.quic[0].origins {
		for range maxStalls {
			o.stall(time.Now())
			o.stood = o.stood.Add(-stallApart)
		}
	}
	p.quic[0].mu.Unlock()
	close(release)
	answered.Wait()
	if s := standing(p); s.Failures == 0 || s.Retry.IsZero() {
		t.Errorf("got  %+v\nwant a rest", s)
	}
}

// A server that restarts, or that carries no more than so many requests on a connection, says so (RFC 9114, 5.2).
func TestAServerThatSaysGoodbyeHasNotFailed(t *testing.T) {
	w := newTwin(t, false)
	p := w.pool(t, nil)
	prefer(t, w, p)
	w.set(func() {
		w.answer = func(rw http.ResponseWriter, req *http.Request) {
			io.WriteString(rw, req.Proto)
			if req.URL.Path == "/long" {
				rw.(http.Flusher).Flush()
				<-req.Context().Done()
			}
		}
	})
	p.quic[0].mu.Lock()
	line := p.quic[0].lines[lineKey{strings.TrimPrefix(w.url, "https://"), 0}]
	p.quic[0].mu.Unlock()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/long", nil)
	resp, err := p.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{})
	go func() { defer close(left); w.leave() }()
	until(t, "the goodbye has come", func() bool {
		stream, err := line.h3.OpenRequestStream(t.Context())
		if err == nil {
			stream.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
			stream.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
		}
		return err != nil
	})
	want(t, wiretest.Get(t, p, w.url), "200 HTTP/2.0")
	if s := standing(p); s.Failures > 0 || !s.Retry.IsZero() {
		t.Errorf("got  %+v\nwant no failure and no rest", s)
	}
	resp.Body.Close()
	<-left
}

// While TCP is what is chosen, nobody waits to see how slow HTTP/3 is.
func TestATrialEndsWhenTCPWouldHaveAnswered(t *testing.T) {
	w := newTwin(t, false)
	p := w.pool(t, nil)
	prefer(t, w, p)
	w.set(func() { w.slow[3] = time.Second })
	c := p.quic[0]
	c.mu.Lock()
	for _, o := range c.origins {
		o.chosen, o.owed = [kinds]bool{}, [kinds]bool{true, true, true}
		o.tcp, o.h3 = pace{waits: 9, wait: time.Millisecond}, pace{waits: 9, wait: 10 * time.Second}
	}
	c.mu.Unlock()
	before := w.count("h3")
	want(t, wiretest.Get(t, p, w.url), "200 HTTP/2.0")
	if s := standing(p); w.count("h3") == before || s.Connected != 1 || s.WaitHTTP3 == 10*time.Second {
		t.Errorf("%d requests over HTTP/3\ngot  %+v\nwant a trial that was measured, and the connection kept", w.count("h3")-before, s)
	}
}

// Whole large bodies are no test objects.
func TestALargeBodyIsNoTrial(t *testing.T) {
	w := newTwin(t, false)
	p := w.pool(t, nil)
	wiretest.Get(t, p, w.url)
	before := w.count("h3")
	for range 2 * steadyShare {
		want(t, lined(t, p, w.url, 1), "HTTP/2.0")
		req, _ := http.NewRequestWithContext(mark.Lane(t.Context(), 1), http.MethodGet, w.url, nil)
		req.Header.Set("Range", "bytes=0-8388607")
		want(t, wiretest.Send(p, req), "200 HTTP/2.0")
	}
	if s := standing(p); s.Connected > 0 || w.count("h3") > before {
		t.Errorf("got  %+v\nwant nothing tried", s)
	}
	until(t, "one that is said to be small is tried with", func() bool {
		req, _ := http.NewRequestWithContext(mark.Brief(mark.Lane(t.Context(), 1)), http.MethodGet, w.url, nil)
		wiretest.Send(p, req)
		return w.count("h3") > before
	})
}

// npm's tarballs come in many lanes and are small: none of them ever has a rate, and one connection shows who answers sooner.
func TestSmallObjectsInLanesAreJudgedTogether(t *testing.T) {
	w := newTwin(t, false)
	w.set(func() { w.slow[2] = 20 * time.Millisecond })
	p := w.pool(t, nil)
	n, most := 0, 0
	small := func() string {
		n++
		req, _ := http.NewRequestWithContext(mark.Brief(mark.Lane(t.Context(), 1+n%maxLanes)), http.MethodGet, w.url, nil)
		if n%2 == 0 {
			req.Header.Set("Range", "bytes=0-65535")
		}
		return wiretest.Send(p, req)
	}
	until(t, "HTTP/3 is chosen", func() bool {
		most = max(most, standing(p).Connected)
		small()
		return standing(p).Used
	})
	if s := standing(p); most > 1 || s.UsedParts {
		t.Errorf("%d connections at once, %+v\nwant one as long as nothing was chosen, and no word on large bodies", most, s)
	}
	win(p)                                                                    // as it is now, however busy the machine is
	if a, b := small(), small(); a != "200 HTTP/3.0" && b != "200 HTTP/3.0" { // one of them may be TCP's turn
		t.Errorf("got  %s and %s\nwant HTTP/3: no lane waits for a connection of its own", a, b)
	}
	until(t, "each lane has one", func() bool { small(); return standing(p).Connected == 1+maxLanes })
}

// Where HTTP/3 is chosen, TCP is tried now and then, but not at the price of a handshake.
func TestTCPIsTriedWhereItIsConnected(t *testing.T) {
	w := newTwin(t, false)
	p := w.pool(t, nil)
	prefer(t, w, p)
	for _, c := range []struct {
		name      string
		connected bool
	}{{"connected", true}, {"not connected", false}} {
		if !c.connected {
			p.chosen.renew(new(tightHosts))
		}
		before := w.count("h2")
		for range 2 * steadyShare {
			wiretest.Get(t, p, w.url)
		}
		if got := w.count("h2") - before; (got > 0) != c.connected {
			t.Errorf("%s\ngot  %d requests over TCP", c.name, got)
		}
	}
}

// Behind an upstream proxy names are found by the proxy.
func TestNoHTTPSRecordIsAskedForBehindAProxy(t *testing.T) {
	d := &dial.Dialer{Proxy: &url.URL{Scheme: "socks5h", Host: "192.0.2.1:1080"}}
	asked := make(chan string, 9)
	c := newContest(Config{Datagrams: d.Datagrams, HTTPS: func(_ context.Context, host string) ([]string, uint16, error) {
		asked <- host
		return []string{"h3"}, 443, nil
	}}, false, nil, nil)
	c.mu.Lock()
	c.originLocked("far.example:443", time.Now())
	c.mu.Unlock()
	c.close()
	if len(asked) > 0 {
		t.Errorf("a name server was asked about %s", <-asked)
	}
}

// Once an answer did not come in time, only what is under way pays for that: the next request does not speak first to
// somebody who may not be there, but goes over TCP while a handshake finds out.
func TestAfterALateAnswerNoRequestBeginsAConnection(t *testing.T) {
	w := newTwin(t, false)
	p := w.pool(t, nil)
	prefer(t, w, p)
	until(t, "the ticket has come", func() bool { return p.quic[0].resume.early("127.0.0.1") })
	silent := func(rw http.ResponseWriter, req *http.Request) {
		if req.ProtoMajor == 3 {
			<-req.Context().Done()
		}
		io.WriteString(rw, req.Proto)
	}
	w.set(func() { w.answer = silent })
	want(t, wiretest.Get(t, p, w.url), "200 HTTP/2.0")
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url, nil)
	if next := p.quic[0].choose(req, originOf(req.URL), p.way(req.Context())); next.line != nil {
		t.Errorf("got  %+v\nwant TCP, and nobody waits", next)
	}
}

func TestAfterAFailureNoRequestBeginsAConnection(t *testing.T) {
	o := &origin{last: netip.MustParseAddrPort("192.0.2.1:443")}
	if o.fail(time.Now()); o.last.IsValid() {
		t.Errorf("got  %s\nwant nobody to speak to first", o.last)
	}
}

// What Alt-Svc says replaces what it said before: nobody speaks first to the port of then.
func TestNoRequestBeginsAConnectionToAPortOfYesterday(t *testing.T) {
	w := newTwin(t, false)
	p := w.pool(t, nil)
	prefer(t, w, p)
	c := p.quic[0]
	until(t, "the ticket has come", func() bool { return c.resume.early("127.0.0.1") })
	hangUpAll(t, p)
	w.set(func() { w.altSvc = `h3=":40443"` })
	c.learn(strings.TrimPrefix(w.url, "https://"), &http.Response{Header: http.Header{"Alt-Svc": {`h3=":40443"`}}})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url, nil)
	if next := c.choose(req, originOf(req.URL), p.way(req.Context())); next.line != nil {
		t.Errorf("got  a request to %s\nwant none, for it is not offered any more", next.early)
	}
}

// An answer from the network before would be the first figure of the next one, and bound what the others can say.
func TestWhatWasUnderWaySaysNothingOfAnotherNetwork(t *testing.T) {
	w := newTwin(t, false)
	p := w.pool(t, nil)
	prefer(t, w, p)
	asked, moved := make(chan struct{}, 2), make(chan struct{}) // TCP may be asked too, if the machine is slow
	w.set(func() {
		w.answer = func(rw http.ResponseWriter, req *http.Request) {
			asked <- struct{}{}
			<-moved
			io.WriteString(rw, req.Proto)
		}
	})
	said := make(chan string)
	go func() { said <- wiretest.Get(t, p, w.url) }()
	<-asked
	p.CloseIdleConnections()
	close(moved)
	want(t, strings.TrimRight(<-said, "23.0"), "200 HTTP/")
	c := p.quic[0]
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.origins {
		if o.tcp.waits > 0 || o.h3.waits > 0 || o.size != [kinds]float64{} {
			t.Errorf("got  %+v\nwant nothing", o.rivals)
		}
	}
}
