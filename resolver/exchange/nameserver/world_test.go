package nameserver

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"hither/resolver/exchange/letter"
)

// liar is a name server whose replies the test makes, packet by packet.
type liar struct {
	host string                    // an address of this machine; empty: 127.0.0.1
	udp  func(q *dns.Msg) [][]byte // nil reply: silence
	tcp  func(q *dns.Msg) []byte   // nil: nobody listens
	mu   sync.Mutex
	seen []seen
}

type seen struct {
	from netip.AddrPort
	msg  *dns.Msg
}

func (l *liar) start(t testing.TB) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(cmp.Or(l.host, "127.0.0.1"))})
	if err != nil {
		t.Fatal(err)
	}
	addr := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(func() { conn.Close() })
	running.Go(func() { l.serveUDP(conn) })
	if l.tcp != nil {
		listener, err := net.Listen("tcp", addr.String())
		if err != nil {
			t.Skipf("the TCP port beside the UDP one is taken: %v", err)
		}
		t.Cleanup(func() { listener.Close() })
		running.Go(func() { l.serveTCP(listener) })
	}
	return addr
}

func (l *liar) serveUDP(conn *net.UDPConn) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		if q.Unpack(buf[:n]) != nil {
			continue
		}
		l.mu.Lock()
		l.seen = append(l.seen, seen{from, q})
		l.mu.Unlock()
		for _, packet := range l.udp(q) {
			conn.WriteToUDPAddrPort(packet, from)
		}
	}
}

func (l *liar) serveTCP(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if packet, err := letter.ReadFrame(conn); err == nil {
			q := new(dns.Msg)
			q.Unpack(packet)
			reply := l.tcp(q)
			conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
		}
		conn.Close()
	}
}

func (l *liar) questions() []seen {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]seen(nil), l.seen...)
}

var errDown = errors.New("the network is down")

func down(context.Context, *dns.Msg) (*dns.Msg, error) { return nil, errDown }
