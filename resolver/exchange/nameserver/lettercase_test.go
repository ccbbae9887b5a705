package nameserver

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/exchangetest"
)

const evil = "reg.example. 60 IN A 203.0.113.66"

// lowering is a router that answers in lower case whatever it is asked. What it says to a question in mixed case is wrong, to
// show that nobody believes it.
func lowering(t *testing.T, q *dns.Msg) [][]byte {
	record := right
	if name := q.Question[0].Name; name != strings.ToLower(name) {
		record = evil
	}
	reply := exchangetest.Reply(t, q, record)
	reply.Question[0].Name = strings.ToLower(q.Question[0].Name)
	return [][]byte{exchangetest.Wire(t, reply)}
}

func mixed() *dns.Msg { return new(dns.Msg).SetQuestion("rEg.Example.", dns.TypeA) }

// mustAsk asks the mixed question and wants the right answer under it soon.
func mustAsk(t *testing.T, e exchange.Exchanger) {
	t.Helper()
	begin, q := time.Now(), mixed()
	got := exchanged(t, e, q)
	if took := time.Since(begin); took > resend {
		t.Errorf("got  an answer after %v\nwant one soon", took)
	}
	if got.Question[0] != q.Question[0] || len(got.Answer) != 1 || got.Answer[0].(*dns.A).A.String() != "192.0.2.1" {
		t.Errorf("got  %v\nwant the right answer in the question's letter case", got)
	}
}

func TestRouterThatLowersLetterCaseIsAskedInLowerCase(t *testing.T) {
	server := &liar{udp: func(q *dns.Msg) [][]byte { return lowering(t, q) }}
	plain := NewPlain(server.start(t))
	defer plain.Close()
	wantAsked := func(want ...string) {
		t.Helper()
		var got []string
		for _, s := range server.questions() {
			got = append(got, s.msg.Question[0].Name)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("asked\ngot  %v\nwant %v", got, want)
		}
	}
	mustAsk(t, plain)
	wantAsked("rEg.Example.", "reg.example.")
	if s := server.questions(); s[0].from == s[1].from || s[0].msg.Id == s[1].msg.Id {
		t.Error("got  the same port or id again\nwant others")
	}
	mustAsk(t, plain)
	wantAsked("rEg.Example.", "reg.example.", "reg.example.")
	plain.Forget()
	mustAsk(t, plain)
	wantAsked("rEg.Example.", "reg.example.", "reg.example.", "rEg.Example.", "reg.example.")
	mustAsk(t, Plain{Server: netip.MustParseAddrPort(plain.String())})
}

func TestWhatMayNotBeSentOnceMoreInLowerCaseIsAskedOverTCP(t *testing.T) {
	server := &liar{
		udp: func(q *dns.Msg) [][]byte { return lowering(t, q) },
		tcp: func(q *dns.Msg) []byte { return exchangetest.Wire(t, exchangetest.Reply(t, q, right)) },
	}
	at, ctx, begin := server.start(t), exchange.WithAllowance(t.Context()), time.Now()
	for range 2 { // of three
		exchange.MaySend(ctx, "udp", at)
	}
	got, err := (Plain{Server: at}).Exchange(ctx, mixed())
	if err != nil || len(got.Answer) != 1 || time.Since(begin) > resend {
		t.Errorf("got  %v, %v after %v\nwant the answer soon", got, err, time.Since(begin))
	}
}

func TestForgedLetterCaseTeachesNothing(t *testing.T) {
	server := &liar{udp: func(q *dns.Msg) [][]byte {
		if q.Question[0].Name == "reg.example." {
			return nil // the right one to the first letter is on its way
		}
		return append(lowering(t, q), exchangetest.Wire(t, exchangetest.Reply(t, q, right)))
	}}
	plain := NewPlain(server.start(t))
	defer plain.Close()
	mustAsk(t, plain)
	mustAsk(t, plain)
	first := 0
	for _, s := range server.questions() {
		if s.msg.Question[0].Name == mixed().Question[0].Name {
			first++
		}
	}
	if first != 2 {
		t.Errorf("got  %d questions in their letter case\nwant 2", first)
	}
}

func TestLetterCaseMeansNothingOverTCP(t *testing.T) {
	server := &liar{
		udp: func(q *dns.Msg) [][]byte {
			reply := exchangetest.Reply(t, q)
			reply.Truncated = true
			return [][]byte{exchangetest.Wire(t, reply)}
		},
		tcp: func(q *dns.Msg) []byte {
			reply := exchangetest.Reply(t, q, right)
			reply.Question[0].Name = strings.ToLower(q.Question[0].Name)
			return exchangetest.Wire(t, reply)
		},
	}
	at := server.start(t)
	for _, url := range []string{"udp://" + at.String(), "tcp://" + at.String()} {
		e, err := Parse(url, Options{})
		if err != nil {
			t.Fatal(err)
		}
		mustAsk(t, e)
		shut(e)
	}
}
