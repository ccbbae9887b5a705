package lookup

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const right = "reg.example. 60 IN A 192.0.2.1"

// answered makes the reply to q with these records, each a line of a zone file.
func answered(t testing.TB, q *dns.Msg, records ...string) *dns.Msg {
	t.Helper()
	reply := new(dns.Msg).SetReply(q)
	for _, line := range records {
		record, err := dns.NewRR(line)
		if err != nil {
			t.Fatalf("record %q: %v", line, err)
		}
		reply.Answer = append(reply.Answer, record)
	}
	return reply
}

func wire(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	packet, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

// oracle is an Exchanger that is a function.
type oracle func(ctx context.Context, q *dns.Msg) (*dns.Msg, error)

func (o oracle) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) { return o(ctx, q) }

var errDown = errors.New("the network is down")

// after replies when d has gone by, unless the question is withdrawn.
func after(d time.Duration, o oracle) oracle {
	return func(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
		select {
		case <-time.After(d):
			return o(ctx, q)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func down(context.Context, *dns.Msg) (*dns.Msg, error) { return nil, errDown }
