package nameserver

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/exchangetest"
)

const ms = time.Millisecond

// A socket is used again, but not its port, and what comes too late for one question is nothing to the next.
func TestKeptSocketsMoveToAnotherPort(t *testing.T) {
	server := &liar{udp: func(q *dns.Msg) [][]byte {
		reply := exchangetest.Wire(t, exchangetest.Reply(t, q, right))
		forged := exchangetest.Reply(t, q, "reg.example. 60 IN A 203.0.113.66")
		forged.Id++
		late := exchangetest.Wire(t, forged)
		return [][]byte{reply, late, late}
	}}
	plain := NewPlain(server.start(t))
	const times = 30
	for i := range times {
		q := new(dns.Msg).SetQuestion(fmt.Sprintf("h%d.example.", i), dns.TypeTXT)
		if _, err := plain.Exchange(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	ports := map[uint16]bool{}
	for _, s := range server.questions() {
		ports[s.from.Port()] = true
	}
	if len(ports) < times*2/3 {
		t.Errorf("got  %d ports for %d questions\nwant one each", len(ports), times)
	}
	if kept := len(plain.past.idle); runtime.GOOS == "linux" && kept > 1 {
		t.Errorf("got  %d sockets kept after one question at a time\nwant one at most", kept)
	}
	plain.Close()
	if _, err := plain.Exchange(t.Context(), ask()); err != nil || len(plain.past.idle) != 0 {
		t.Errorf("got  %v and %d sockets kept\nwant none by one that is closed", err, len(plain.past.idle))
	}
}

func TestSocketOfAWithdrawnQuestionIsNotKept(t *testing.T) {
	server := &liar{udp: func(*dns.Msg) [][]byte { return nil }}
	plain := NewPlain(server.start(t))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*ms, cancel)
	begin := time.Now()
	_, err := plain.Exchange(ctx, ask())
	if !errors.Is(err, context.Canceled) || len(plain.past.idle) != 0 || time.Since(begin) > prompt {
		t.Errorf("got  %v, %d sockets kept after %v\nwant the end at once and none", err, len(plain.past.idle), time.Since(begin))
	}
}

func TestAQuestionThatWasSentOftenEnoughIsWaitedFor(t *testing.T) {
	server := &liar{udp: func(*dns.Msg) [][]byte { return nil }}
	at := server.start(t)
	ctx := exchange.WithAllowance(t.Context())
	for _, network := range []string{"udp", "tcp"} {
		for exchange.MaySend(ctx, network, at) {
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 50*ms)
	defer cancel()
	if _, err := NewPlain(at).Exchange(ctx, ask()); !errors.Is(err, context.DeadlineExceeded) || len(server.questions()) != 0 {
		t.Errorf("got  %v and %d questions\nwant a wait for what was sent before", err, len(server.questions()))
	}
}

// bomb is a record whose reader has a fault.
type bomb struct{ dns.PrivateRdata }

func (bomb) Unpack([]byte) (int, error) { panic("a fault of the library") }

func TestReplyThatBreaksTheReaderIsPassedOver(t *testing.T) {
	const kind = 65500
	dns.PrivateHandle("BOMB", kind, func() dns.PrivateRdata { return bomb{} })
	t.Cleanup(func() { dns.PrivateHandleRemove(kind) })
	server := &liar{udp: func(q *dns.Msg) [][]byte {
		deadly := exchangetest.Reply(t, q)
		deadly.Answer = []dns.RR{&dns.RFC3597{Hdr: dns.RR_Header{Name: "reg.example.", Rrtype: kind, Class: dns.ClassINET}, Rdata: "00"}}
		return [][]byte{exchangetest.Wire(t, deadly), exchangetest.Wire(t, exchangetest.Reply(t, q, right))}
	}}
	if got, err := NewPlain(server.start(t)).Exchange(t.Context(), ask()); err != nil || len(got.Answer) != 1 {
		t.Errorf("got  %v, %v\nwant the answer behind it", got, err)
	}
}
