// Package exchangetest is what the tests of those who ask name servers have in common: replies from lines of a zone file, and an
// Exchanger that is a function.
package exchangetest

import (
	"context"
	"testing"

	"github.com/miekg/dns"
)

// Reply makes the reply to q with these records, each a line of a zone file.
func Reply(t testing.TB, q *dns.Msg, records ...string) *dns.Msg {
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

// Wire packs a message.
func Wire(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	packet, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

// Oracle is an Exchanger that is a function.
type Oracle func(ctx context.Context, q *dns.Msg) (*dns.Msg, error)

// Exchange implements exchange.Exchanger.
func (o Oracle) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) { return o(ctx, q) }
