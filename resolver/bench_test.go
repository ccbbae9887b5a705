package resolver

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/hosts"
)

func packed(tb testing.TB, q *dns.Msg) []byte {
	tb.Helper()
	wire, err := q.Pack()
	if err != nil {
		tb.Fatal(err)
	}
	return wire
}

// BenchmarkCached is the way of a cached question without its sockets.
func BenchmarkCached(b *testing.B) {
	s := &Server{Exchange: &upstream{say: records("300 IN A 192.0.2.1")}}
	b.Cleanup(s.work.Wait)
	q := query("www.example.com", dns.TypeA, func(q *dns.Msg) { q.SetEdns0(1232, false) })
	ask(b, s, q)
	wire, out, room := packed(b, q), make([]byte, 0, ednsSize), new(question)
	a := asker{addr: netip.MustParseAddrPort("127.0.0.1:4444"), host: true, size: ednsSize, when: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		if reply, done := s.quick(out, room, wire, &a); !done || len(reply) < headerLen {
			b.Fatal("not answered from memory")
		}
	}
}

// BenchmarkUncached is the way of a question whose upstream answers at once, without sockets.
func BenchmarkUncached(b *testing.B) {
	s := &Server{Exchange: &upstream{say: records("300 IN A 192.0.2.1")}, Hosts: new(hosts.File)}
	s.init()
	wire := packed(b, query("aaaaaaaa.example.com", dns.TypeA, nil))
	b.ReportAllocs()
	for i := range b.N {
		for j := range 8 {
			wire[headerLen+1+j] = 'a' + byte(i>>(4*j)&15)
		}
		if len(roundTrip(b.Context(), s, bytes.Clone(wire), "127.0.0.1", ednsSize)) < headerLen {
			b.Fatal("not answered")
		}
	}
}

// BenchmarkOurs is the way of a question for a host of ours.
func BenchmarkOurs(b *testing.B) {
	names := NewNames([]string{"registry.npmjs.org"}, netip.MustParseAddr("127.0.0.1"), netip.Addr{})
	s := &Server{Names: func() *Names { return names }}
	s.init()
	wire, out, room := packed(b, query("registry.npmjs.org", dns.TypeA, nil)), make([]byte, 0, ednsSize), new(question)
	a := asker{addr: netip.MustParseAddrPort("127.0.0.1:4444"), host: true, size: ednsSize, when: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		if reply, done := s.quick(out, room, wire, &a); !done || len(reply) < headerLen {
			b.Fatal("not answered")
		}
	}
}
