package nameserver

import (
	"net"
	"net/netip"
	"testing"

	"hither/resolver/exchange"
	"hither/resolver/exchange/group"
)

// mirrorServer answers each question with an empty answer, as cheaply as can be.
func mirrorServer(b *testing.B) netip.AddrPort {
	b.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, inboxSize)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			buf[2] |= 0x80
			conn.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func BenchmarkPlain(b *testing.B) {
	benchmark(b, NewPlain(mirrorServer(b)))
}

func BenchmarkGroup(b *testing.B) {
	g := &group.Group{Upstreams: []exchange.Exchanger{NewPlain(mirrorServer(b)), NewPlain(mirrorServer(b))}}
	defer g.Close()
	benchmark(b, g)
}

func benchmark(b *testing.B, e exchange.Exchanger) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Exchange(b.Context(), ask()); err != nil {
			b.Fatal(err)
		}
	}
}
