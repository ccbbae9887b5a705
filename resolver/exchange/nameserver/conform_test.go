package nameserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/exchangetest"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// kinds are all ways to ask.
var kinds = []string{"udp", "tcp", "tls", "https", "h3", "quic"}

func encrypted(kind string) bool { return kind != "udp" && kind != "tcp" }

// promise is one thing that every Exchanger of Parse keeps.
type promise struct {
	says   string
	answer func(t *testing.T, q *dns.Msg) *dns.Msg // nil: the right record
	check  func(t *testing.T, u *upstream, e exchange.Exchanger)
}

func TestEveryKindKeepsItsPromises(t *testing.T) {
	a := newAuthority(t, "dns.example")
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for _, p := range promises() {
				t.Run(p.says, func(t *testing.T) {
					u := &upstream{kind: kind, tls: serverTLS(a), authority: a}
					u.answer = func(q *dns.Msg) *dns.Msg {
						if p.answer != nil {
							return p.answer(t, q)
						}
						return exchangetest.Reply(t, q, right)
					}
					u.start(t)
					p.check(t, u, u.parse(t, a))
				})
			}
		})
	}
}

func promises() []promise {
	return []promise{
		{says: "the reply has the question's id and the question stays as it was", check: func(t *testing.T, _ *upstream, e exchange.Exchanger) {
			q := ask()
			q.Id = 7
			before := q.String()
			got := exchanged(t, e, q)
			if got.Id != 7 || q.String() != before || len(got.Answer) != 1 || got.IsEdns0() != nil {
				t.Errorf("got  %v\nfor  %v", got, q)
			}
		}},
		{says: "no such name is a reply, no error", answer: rcoded(dns.RcodeNameError), check: wantRcode(dns.RcodeNameError)},
		{says: "a server's failure is a reply, no error", answer: rcoded(dns.RcodeServerFailure), check: wantRcode(dns.RcodeServerFailure)},
		{says: "DO and CD go out and AD comes back", answer: func(t *testing.T, q *dns.Msg) *dns.Msg {
			r := exchangetest.Reply(t, q, right)
			r.AuthenticatedData = q.IsEdns0() != nil && q.IsEdns0().Do() && q.CheckingDisabled
			return r.SetEdns0(4096, true)
		}, check: func(t *testing.T, _ *upstream, e exchange.Exchanger) {
			q := ask().SetEdns0(4096, true)
			q.CheckingDisabled = true
			if got := exchanged(t, e, q); !got.AuthenticatedData || got.IsEdns0() == nil || !got.IsEdns0().Do() {
				t.Errorf("got  %v\nwant AD and DO", got)
			}
		}},
		{says: "the hop's options stay on the hop, an extended error comes back", answer: func(t *testing.T, q *dns.Msg) *dns.Msg {
			for _, o := range q.IsEdns0().Option {
				if o.Option() != dns.EDNS0PADDING {
					return rcoded(dns.RcodeRefused)(t, q)
				}
			}
			r := exchangetest.Reply(t, q, right).SetEdns0(4096, false)
			r.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0011223344556677"},
				&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeStaleAnswer}}
			return r
		}, check: func(t *testing.T, _ *upstream, e exchange.Exchanger) {
			q := ask().SetEdns0(4096, false)
			q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0011223344556677"}}
			got := exchanged(t, e, q)
			if o := got.IsEdns0().Option; got.Rcode != 0 || len(o) != 1 || o[0].Option() != dns.EDNS0EDE {
				t.Errorf("got  %v\nwant the extended error alone", got)
			}
		}},
		{says: "a large answer comes whole", answer: func(t *testing.T, q *dns.Msg) *dns.Msg {
			r := exchangetest.Reply(t, q)
			for i := range 700 {
				r.Answer = append(r.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: "reg.example.", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: []string{fmt.Sprint(i, strings.Repeat("x", 40))}})
			}
			return r
		}, check: func(t *testing.T, _ *upstream, e exchange.Exchanger) {
			if got := exchanged(t, e, ask()); len(got.Answer) != 700 || got.Truncated {
				t.Errorf("got  %d records, cut %v\nwant 700", len(got.Answer), got.Truncated)
			}
		}},
		{says: "unknown types, odd bytes and letter case pass", answer: func(t *testing.T, q *dns.Msg) *dns.Msg {
			r := exchangetest.Reply(t, q)
			r.Answer = []dns.RR{&dns.RFC3597{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: 65280, Class: 1, Ttl: 1}, Rdata: "abcd"}}
			return r
		}, check: func(t *testing.T, _ *upstream, e exchange.Exchanger) {
			q := new(dns.Msg).SetQuestion(`O\.d\000d\255.RegistrY.example.`, 65280)
			got := exchanged(t, e, q)
			if len(got.Answer) != 1 || got.Question[0] != q.Question[0] {
				t.Errorf("got  %v\nwant the record", got)
			}
		}},
		{says: "records that nobody asked for are dropped", answer: func(t *testing.T, q *dns.Msg) *dns.Msg {
			r := exchangetest.Reply(t, q, "reg.example. 60 IN CNAME a.example.", "a.example. 60 IN A 192.0.2.1", "bank.example. 60 IN A 203.0.113.66")
			r.Ns = exchangetest.Reply(t, q, "example. 60 IN NS ns.example.", "test. 60 IN NS ns.evil.test.").Answer
			r.Extra = exchangetest.Reply(t, q, "ns.example. 60 IN A 192.0.2.53", "bank.example. 60 IN A 203.0.113.66").Answer
			return r
		}, check: func(t *testing.T, _ *upstream, e exchange.Exchanger) {
			got := exchanged(t, e, ask())
			if strings.Contains(got.String(), "bank") || strings.Contains(got.String(), "evil") || len(got.Answer)+len(got.Ns)+len(got.Extra) != 4 {
				t.Errorf("got  %v\nwant no bank and no evil", got)
			}
		}},
		{says: "many at once share a connection and each has its own answer", answer: func(t *testing.T, q *dns.Msg) *dns.Msg {
			return exchangetest.Reply(t, q, q.Question[0].Name+" 60 IN TXT "+q.Question[0].Name)
		}, check: func(t *testing.T, u *upstream, e exchange.Exchanger) {
			exchanged(t, e, ask())
			var running sync.WaitGroup
			for i := range 50 {
				running.Go(func() {
					name := fmt.Sprintf("n%d.example.", i)
					got, err := e.Exchange(t.Context(), new(dns.Msg).SetQuestion(name, dns.TypeTXT))
					if err != nil || got.Answer[0].(*dns.TXT).Txt[0] != name {
						t.Errorf("%s: got %v, %v", name, got, err)
					}
				})
			}
			running.Wait()
			if n := u.conns.Load(); u.kind != "udp" && n != 1 {
				t.Errorf("got  %d connections\nwant 1", n)
			}
		}},
		{says: "a connection that the server closed is opened again", check: func(t *testing.T, u *upstream, e exchange.Exchanger) {
			for range 3 {
				exchanged(t, e, ask())
				u.drop()
			}
		}},
		{says: "after a change of the network everything is opened again", check: func(t *testing.T, u *upstream, e exchange.Exchanger) {
			exchanged(t, e, ask())
			e.(interface{ Forget() }).Forget()
			exchanged(t, e, ask())
			if n := u.conns.Load(); u.kind != "udp" && n != 2 {
				t.Errorf("got  %d connections\nwant 2", n)
			}
		}},
		{says: "the end of the context ends the wait", answer: func(*testing.T, *dns.Msg) *dns.Msg { return nil }, check: func(t *testing.T, _ *upstream, e exchange.Exchanger) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(100*time.Millisecond, cancel)
			if _, err := e.Exchange(ctx, ask()); !errors.Is(err, context.Canceled) {
				t.Errorf("got  %v\nwant canceled", err)
			}
			late, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, err := e.Exchange(late, ask()); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "does not answer") {
				t.Errorf("got  %v\nwant the deadline in words", err)
			}
		}},
		{says: "an answer to another question is none", answer: func(t *testing.T, q *dns.Msg) *dns.Msg {
			r := exchangetest.Reply(t, q, "bank.example. 60 IN A 203.0.113.66")
			r.Question[0].Name = "bank.example."
			return r
		}, check: func(t *testing.T, _ *upstream, e exchange.Exchanger) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if got, err := e.Exchange(ctx, ask()); err == nil {
				t.Errorf("got  %v\nwant an error", got)
			}
		}},
		{says: "what goes out is padded, has EDNS, and no id where the connection tells questions apart", check: func(t *testing.T, u *upstream, e exchange.Exchanger) {
			exchanged(t, e, ask())
			exchanged(t, e, new(dns.Msg).SetQuestion("a-much-longer-name-than-the-other-one.example.", dns.TypeAAAA))
			for _, packet := range u.seen() {
				q := new(dns.Msg)
				if err := q.Unpack(packet); err != nil || q.IsEdns0() == nil || q.IsEdns0().UDPSize() != 1232 {
					t.Errorf("got  %v, %v\nwant EDNS with 1232", q, err)
				}
				if encrypted(u.kind) != (len(packet)%128 == 0) {
					t.Errorf("got  %d bytes", len(packet))
				}
				if id := binary.BigEndian.Uint16(packet); id != 0 && (u.kind == "https" || u.kind == "h3" || u.kind == "quic") {
					t.Errorf("got  id %d\nwant 0", id)
				}
			}
		}},
		{says: "a server that another root vouches for is not asked", check: func(t *testing.T, u *upstream, _ exchange.Exchanger) {
			refused(t, u, Options{RootCAs: newAuthority(t, "dns.example").roots}, u.url())
		}},
		{says: "a server with another name is not asked", check: func(t *testing.T, u *upstream, _ exchange.Exchanger) {
			refused(t, u, Options{RootCAs: u.authority.roots}, strings.Replace(u.url(), "dns.example", "other.example", 1))
		}},
		{says: "once closed it is an error", check: func(t *testing.T, u *upstream, e exchange.Exchanger) {
			exchanged(t, e, ask())
			shut(e)
			if _, err := e.Exchange(t.Context(), ask()); err == nil && u.kind != "udp" {
				t.Error("got  an answer\nwant an error")
			}
		}},
	}
}

// refused wants an error that names the certificate, and that the server was never told the name.
func refused(t *testing.T, u *upstream, o Options, url string) {
	t.Helper()
	if !encrypted(u.kind) {
		t.Skip("nobody vouches for it")
	}
	e, err := Parse(url, o)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(e)
	if _, err := e.Exchange(t.Context(), ask()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got  %v\nwant word of the certificate", err)
	}
	if n := len(u.seen()); n != 0 {
		t.Errorf("got  %d questions\nwant none", n)
	}
}

func exchanged(t *testing.T, e exchange.Exchanger, q *dns.Msg) *dns.Msg {
	t.Helper()
	got, err := e.Exchange(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func rcoded(rcode int) func(*testing.T, *dns.Msg) *dns.Msg {
	return func(_ *testing.T, q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, rcode).SetEdns0(1232, false) }
}

func wantRcode(rcode int) func(*testing.T, *upstream, exchange.Exchanger) {
	return func(t *testing.T, _ *upstream, e exchange.Exchanger) {
		if got := exchanged(t, e, ask()); got.Rcode != rcode {
			t.Errorf("got  rcode %d\nwant %d", got.Rcode, rcode)
		}
	}
}
