package nameserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange/exchangetest"
	"hither/resolver/exchange/lookup"
)

func TestParse(t *testing.T) {
	us := func(a netip.AddrPort) bool { return a.String() == "127.0.0.1:53" }
	for text, want := range map[string]string{
		"192.0.2.1":                             "192.0.2.1:53",
		" 192.0.2.1:5353 ":                      "192.0.2.1:5353",
		"2001:db8::1":                           "[2001:db8::1]:53",
		"[2001:db8::1]":                         "[2001:db8::1]:53",
		"[2001:db8::1]:54":                      "[2001:db8::1]:54",
		"udp://192.0.2.1":                       "192.0.2.1:53",
		"tcp://192.0.2.1:54":                    "tcp://192.0.2.1:54",
		"tls://dns.example":                     "tls://dns.example",
		"TLS://Dns.Example:8853/":               "tls://Dns.Example:8853/",
		"tls://dns.example#192.0.2.1,[::1]":     "tls://dns.example",
		"tls://192.0.2.1":                       "tls://192.0.2.1",
		"quic://dns.example":                    "quic://dns.example",
		"https://dns.example":                   "https://dns.example",
		"https://dns.example/q{?dns}#192.0.2.1": "https://dns.example/q",
		"h3://dns.example/dns-query":            "h3://dns.example/dns-query",
		// and what is none:
		"":                               "write an address like 192.0.2.1 or a URL like tls://dns.example",
		"dns.example":                    "or tls://dns.example or https://dns.example/dns-query",
		"dns.example:53":                 "or tls://dns.example or https://dns.example/dns-query",
		"192.0.2.1:0":                    "write 192.0.2.1 or 192.0.2.1:53",
		"nonsense":                       "write 192.0.2.1 or 192.0.2.1:53",
		"udp://dns.example":              "write udp://192.0.2.1",
		"tcp://192.0.2.1#192.0.2.2":      "write tcp://192.0.2.1",
		"http://dns.example/dns-query":   "write https://",
		"sdns://AgcAAAAAAAAABzEuMC4wLjE": "write the server they stand for",
		"ftp://dns.example":              "write udp, tcp, tls, https, h3 or quic",
		"tls://dns.example/dns-query":    "leave it out",
		"tls://dns.example:0":            "write one from 1 to 65535",
		"tls://dns.example:99999":        "write one from 1 to 65535",
		"tls://dns.example#dns2.example": "write #192.0.2.1,2001:db8::1",
		"tls://":                         "write it like tls://dns.example",
		"tls://u:secret@dns.example":     "leave them out",
		"tls://u:secret@dns.example:x":   "write it like tls://dns.example",
		"127.0.0.1":                      "Hither itself",
		"tcp://127.0.0.1":                "Hither itself",
		"tls://127.0.0.1:53":             "Hither itself",
		strings.Repeat("x", maxURL+1):    "too long",
	} {
		e, err := Parse(text, Options{Self: us})
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprint(e)
			shut(e)
		}
		if got != want && (err == nil || !strings.Contains(got, want)) || strings.Contains(got, "secret") {
			t.Errorf("%.60q\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"192.0.2.1:53", "tls://dns.example#192.0.2.1", "https://dns.example/q{?dns}#::1", "h3://[::1]:443/x?y=z", "udp://%zz", "a@b://c"} {
		f.Add(seed, `h3=":443"; ma=86400, h2="x:1"`)
	}
	f.Fuzz(func(t *testing.T, text, alt string) {
		e, err := Parse(text, Options{})
		if (e == nil) == (err == nil) {
			t.Errorf("got  %v, %v", e, err)
		}
		if err == nil {
			shut(e)
		}
		offersH3(alt, "dns.example")
	})
}

func TestAltSvc(t *testing.T) {
	for field, want := range map[string]uint16{
		`h3=":443"; ma=86400`: 443, `h2=":1", h3="dns.example:8443"`: 8443, `h3="other.example:443"`: 0, `h3-29=":443"`: 0,
		`clear`: 0, `h3=":0"`: 0, `h3=":x"`: 0, `h3=":443`: 0, ``: 0,
	} {
		if got := offersH3(field, "dns.example"); got != want {
			t.Errorf("%s\ngot  %d\nwant %d", field, got, want)
		}
	}
}

func TestHostIsLookedUpUnlessItsAddressesAreGiven(t *testing.T) {
	a := newAuthority(t, "dns.example")
	u := &upstream{kind: "tls", tls: serverTLS(a)}
	u.answer = right1(t)
	u.start(t)
	asked := 0
	lookup := func(_ context.Context, host string) ([]netip.Addr, error) {
		if asked++; host != "dns.example" {
			t.Errorf("got  %s\nwant dns.example", host)
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.77"), netip.MustParseAddr("127.0.0.1")}, nil // nobody listens at the first
	}
	plain, _, _ := strings.Cut(u.url(), "#")
	for _, url := range []string{plain, u.url(), strings.Replace(u.url(), "127.0.0.1", "127.0.0.78,127.0.0.1", 1)} {
		e, err := Parse(url, Options{RootCAs: a.roots, Lookup: lookup})
		if err != nil {
			t.Fatal(err)
		}
		exchanged(t, e, ask())
		shut(e)
	}
	if asked != 1 {
		t.Errorf("got  %d look-ups\nwant 1", asked)
	}
	e, err := Parse(plain, Options{RootCAs: a.roots, Lookup: lookup, Self: func(netip.AddrPort) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(e)
	if _, err := e.Exchange(t.Context(), ask()); err == nil || !strings.Contains(err.Error(), "our own") {
		t.Errorf("got  %v\nwant a refusal: the name leads to us", err)
	}
}

// Behind a sign-in page all names lead to it for as long as it said, also that of the name server.
func TestAHostThatIsSomebodyElseIsLookedUpAnew(t *testing.T) {
	a := newAuthority(t, "dns.example")
	for _, kind := range []string{"tls", "https", "h3", "quic"} {
		t.Run(kind, func(t *testing.T) {
			u := &upstream{kind: kind, tls: serverTLS(a)}
			u.answer = right1(t)
			u.start(t)
			const page = "127.0.0.77" // on other systems than Linux nobody is there
			if l, err := tls.Listen("tcp", fmt.Sprintf("%s:%d", page, u.port), serverTLS(newAuthority(t, "login.example"))); err == nil {
				t.Cleanup(func() { l.Close() })
				go (&http.Server{ErrorLog: quiet()}).Serve(l)
			}
			leads, now := page, time.Now()
			names := &lookup.Resolver{Now: func() time.Time { return now }, Exchange: exchangetest.Oracle(func(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
				if q.Question[0].Qtype == dns.TypeAAAA {
					return exchangetest.Reply(t, q), nil
				}
				return exchangetest.Reply(t, q, "dns.example. 300 IN A "+leads), nil
			})}
			plain, _, _ := strings.Cut(u.url(), "#")
			e, err := Parse(plain, Options{RootCAs: a.roots, Lookup: names.LookupNetIP, Doubt: names.Doubt})
			if err != nil {
				t.Fatal(err)
			}
			defer shut(e)
			for _, when := range []string{"behind the page", "just signed in"} {
				if reply, err := e.Exchange(t.Context(), ask()); err == nil {
					t.Errorf("%s\ngot  %v\nwant an error", when, reply)
				}
				leads, now = "127.0.0.1", now.Add(10*time.Second)
			}
			exchanged(t, e, ask())
		})
	}
}

func TestHTTPSIsAskedOverHTTP3WhenThatIsOffered(t *testing.T) {
	a := newAuthority(t, "dns.example")
	three := &upstream{kind: "h3", tls: serverTLS(a), answer: right1(t)}
	three.start(t)
	two := &upstream{kind: "https", tls: serverTLS(a), answer: right1(t), header: http.Header{"Alt-Svc": {fmt.Sprintf(`h3=":%d"`, three.port)}}}
	two.start(t)
	e := two.parse(t, a).(*webUpstream)
	exchanged(t, e, ask()) // offers it
	exchanged(t, e, ask()) // tries it beside
	e.trials.Wait()
	before := len(two.seen())
	for range 3 {
		exchanged(t, e, ask())
	}
	if n := len(two.seen()); n != before || len(three.seen()) != 4 {
		t.Errorf("got  %d by HTTP/2, %d by HTTP/3\nwant %d and 4", n, len(three.seen()), before)
	}
	e.Forget()
	exchanged(t, e, ask())
	if len(two.seen()) != before+1 {
		t.Error("on another network HTTP/3 was believed unseen")
	}
}

func TestHTTP3ThatDoesNotWorkIsLeft(t *testing.T) {
	a := newAuthority(t, "dns.example")
	two := &upstream{kind: "https", tls: serverTLS(a), answer: right1(t), header: http.Header{"Alt-Svc": {`h3=":9"`}}}
	two.start(t)
	e := two.parse(t, a).(*webUpstream)
	begin := time.Now()
	for range 5 {
		exchanged(t, e, ask())
	}
	if time.Since(begin) > openPatience/2 || len(two.seen()) != 5 {
		t.Errorf("got  %d questions in %v\nwant 5 that wait for nothing", len(two.seen()), time.Since(begin))
	}
}

func TestHTTP3IsNotTriedBehindClose(t *testing.T) {
	u := newWebUpstream("https://far.example/", new(page), &endpoint{host: "far.example"}, false)
	u.port = 443
	u.Close()
	_, err := u.Exchange(t.Context(), ask())
	u.trials.Wait()
	if !errors.Is(err, errClosed) || !u.later.IsZero() {
		t.Errorf("got  %v, and HTTP/3 tried: %t\nwant %v, and not", err, !u.later.IsZero(), errClosed)
	}
}

func TestPortWhereNobodyListensIsToldAtOnce(t *testing.T) {
	for _, scheme := range []string{"quic", "h3", "tls", "tcp"} {
		e, err := Parse(scheme+"://127.0.0.1:9", Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if _, err := e.Exchange(ctx, ask()); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s\ngot  %v\nwant a refusal", scheme, err)
		}
		cancel()
		shut(e)
	}
}

func TestHTTPTrouble(t *testing.T) {
	a := newAuthority(t, "dns.example")
	for want, u := range map[string]*upstream{
		"HTTP 404":     {status: http.StatusNotFound},
		"sign-in page": {header: http.Header{"Content-Type": {"text/html"}}},
		"":             {noPOST: true}, // it is asked by GET from then on
	} {
		u.kind, u.tls, u.answer = "https", serverTLS(a), right1(t)
		u.start(t)
		_, err := u.parse(t, a).Exchange(t.Context(), ask())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestTimeInCachesIsTakenOff(t *testing.T) {
	a := newAuthority(t, "dns.example")
	u := &upstream{kind: "https", tls: serverTLS(a), answer: right1(t), header: http.Header{"Age": {"50"}}}
	u.start(t)
	if got := exchanged(t, u.parse(t, a), ask()); got.Answer[0].Header().Ttl != 10 {
		t.Errorf("got  %v\nwant 10 s left of 60", got.Answer[0])
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	a := newAuthority(t, "dns.example")
	for _, kind := range []string{"tls", "https"} {
		u := &upstream{kind: kind, tls: &tls.Config{Certificates: []tls.Certificate{a.leaf}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, answer: right1(t)}
		u.start(t)
		if _, err := u.parse(t, a).Exchange(t.Context(), ask()); err == nil || len(u.seen()) != 0 {
			t.Errorf("%s\ngot  %v, %d questions\nwant a refusal before any question", kind, err, len(u.seen()))
		}
	}
}
