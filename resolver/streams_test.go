package resolver

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"hither/resolver/socket"

	"github.com/miekg/dns"
)

func framed(wire []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)
}

func readReply(tb testing.TB, conn net.Conn) *dns.Msg {
	tb.Helper()
	packet, err := readFrame(conn, nil)
	if err != nil {
		tb.Fatal(err)
	}
	m := new(dns.Msg)
	if err := m.Unpack(packet); err != nil {
		tb.Fatal(err)
	}
	return m
}

// TestAnswersOverTCPComeAsTheyAreReady is RFC 7766, 6.2.1.1.
func TestAnswersOverTCPComeAsTheyAreReady(t *testing.T) {
	gate := make(chan struct{})
	s := &Server{Exchange: &upstream{say: func(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
		if strings.HasPrefix(q.Question[0].Name, "slow") {
			<-gate
		}
		return records("300 IN A 192.0.2.1")(ctx, q)
	}}}
	conn := dial(t, "tcp", serve(t, s))
	var all []byte
	for i, name := range []string{"slow.example", "fast.example"} {
		all = append(all, framed(packed(t, query(name, dns.TypeA, func(q *dns.Msg) { q.Id = uint16(i) })))...)
	}
	for _, piece := range [][]byte{all[:1], all[1:9], all[9:]} { // the network may cut anywhere
		if _, err := conn.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if got := readReply(t, conn).Id; got != 1 {
		t.Errorf("got  the answer to question %d first\nwant 1, which did not have to wait", got)
	}
	_ = conn.(*net.TCPConn).CloseWrite()                        // the client still wants its answer
	time.AfterFunc(50*time.Millisecond, func() { close(gate) }) // after we have seen that
	if got := readReply(t, conn).Id; got != 0 {
		t.Errorf("got  the answer to question %d\nwant 0", got)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got  %v\nwant the end", err)
	}
}

func TestManyQuestionsOverOneConnection(t *testing.T) {
	conn := dial(t, "tcp", serve(t, &Server{Exchange: &upstream{say: records("300 IN A 192.0.2.1")}}))
	const count = 1000 // no limit but that on those waiting
	go func() {
		for i := range count {
			_, _ = conn.Write(framed(packed(t, query("www.example.com", dns.TypeA, func(q *dns.Msg) { q.Id = uint16(i) }))))
		}
	}()
	seen := map[uint16]bool{}
	for range count {
		seen[readReply(t, conn).Id] = true
	}
	if len(seen) != count {
		t.Errorf("got  %d different answers\nwant %d", len(seen), count)
	}
}

func TestLargeAnswersAreAskedForOverTCP(t *testing.T) {
	var lines []string
	for range 20 {
		lines = append(lines, `300 IN TXT "`+strings.Repeat("t", 200)+`"`)
	}
	at := serve(t, &Server{Exchange: &upstream{say: records(lines...)}})
	for _, row := range []struct {
		network string
		edit    func(*dns.Msg)
		short   bool
	}{
		{"udp", nil, true}, {"udp", func(q *dns.Msg) { q.SetEdns0(65535, false) }, true}, {"tcp", nil, false},
	} {
		conn := dial(t, row.network, at)
		wire := packed(t, query("www.example.com", dns.TypeTXT, row.edit))
		if row.network == "tcp" {
			wire = framed(wire)
		}
		var reply *dns.Msg
		if _, err := conn.Write(wire); err != nil {
			t.Fatal(err)
		}
		if row.network == "tcp" {
			reply = readReply(t, conn)
		} else {
			buf := make([]byte, streamSize)
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			reply = new(dns.Msg)
			if err := reply.Unpack(buf[:n]); err != nil {
				t.Fatal(err)
			}
		}
		if want := map[bool]int{true: 0, false: 20}[row.short]; reply.Truncated != row.short || len(reply.Answer) != want {
			t.Errorf("%s\ngot  %d records, TC %v\nwant %d, TC %v", row.network, len(reply.Answer), reply.Truncated, want, row.short)
		}
	}
}

func TestAFullHouseClosesTheQuietestConnection(t *testing.T) {
	at := serve(t, &Server{Exchange: &upstream{say: records("300 IN A 192.0.2.1")}})
	wire := framed(packed(t, query("www.example.com", dns.TypeA, nil)))
	var conns []net.Conn
	for range maxStreams + 1 {
		conn := dial(t, "tcp", at)
		if _, err := conn.Write(wire); err != nil {
			t.Fatal(err)
		}
		readReply(t, conn)
		conns = append(conns, conn)
	}
	if _, err := conns[0].Read(make([]byte, 1)); err == nil {
		t.Error("got  a byte from the quietest connection\nwant it closed")
	}
	for _, conn := range conns[1:] {
		if _, err := conn.Write(wire); err != nil {
			t.Fatal(err)
		}
		readReply(t, conn)
	}
}

// TestOverUDP asks from several clients at once over real sockets.
func TestOverUDP(t *testing.T) {
	at := serve(t, &Server{Exchange: &upstream{say: records("300 IN A 192.0.2.1")}})
	for c := range 4 {
		conn := dial(t, "udp", at)
		for i := range 100 {
			q := query("WWW.example.com", dns.TypeA, func(q *dns.Msg) { q.Id = uint16(c*100 + i) })
			wire := packed(t, q)
			if _, err := conn.Write(wire); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, socket.PacketSize)
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			m := new(dns.Msg)
			if err := m.Unpack(buf[:n]); err != nil || m.Id != q.Id || len(m.Answer) != 1 || !bytes.Equal(buf[headerLen:headerLen+4], wire[headerLen:headerLen+4]) {
				t.Fatalf("got  %v, %v\nwant the answer to %v", m, err, q)
			}
		}
	}
}

func TestAServerThatEndsLeavesNoSocketOpen(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	sockets, err := socket.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Exchange: &upstream{say: silent}}
	done := make(chan error)
	go func() { done <- s.Serve(ctx, sockets) }()
	conn := dial(t, "udp", sockets.Addr())
	_, _ = conn.Write(packed(t, query("www.example.com", dns.TypeA, nil)))
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("got  %v\nwant nil", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Serve does not end")
	}
	again, err := socket.Listen(t.Context(), sockets.Addr().String())
	if err != nil {
		t.Fatalf("got  %v\nwant the port free again", err)
	}
	again.Close()
}

func TestASocketThatFailsIsAnError(t *testing.T) {
	sockets, err := socket.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Exchange: &upstream{say: silent}}
	sockets.Packets[0].Close()
	if err := s.Serve(t.Context(), sockets); err == nil {
		t.Error("got  nil\nwant an error: somebody has to end or begin anew")
	}
	if _, err := net.Dial("tcp", sockets.Addr().String()); err == nil {
		t.Error("a socket is still open and mute")
	}
}

func TestTrace(t *testing.T) {
	s := &Server{Exchange: &upstream{say: records("300 IN A 192.0.2.1")}}
	ask(t, s, query("www.example.com", dns.TypeA, nil))
	if got := s.Trace(""); len(got) != 0 {
		t.Errorf("got  %v\nwant nothing: nobody asked for it", got)
	}
	s.SetTrace(true)
	ask(t, s, query("WWW.example.com", dns.TypeA, nil))
	ask(t, s, query("localhost", dns.TypeAAAA, nil))
	ask(t, s, query("new.example.com", dns.TypeA, nil))
	var how []string
	for _, q := range s.Trace("") {
		how = append(how, q.Name+" "+q.Type+" "+q.How+" "+q.Rcode)
	}
	if got, want := strings.Join(how, "; "), "WWW.example.com. A memory NOERROR; localhost. AAAA special NOERROR; new.example.com. A upstream NOERROR"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := s.Trace("www.EXAMPLE.com"); len(got) != 1 {
		t.Errorf("got  %v\nwant one", got)
	}
	for range 2 * maxTraced {
		ask(t, s, query("www.example.com", dns.TypeA, nil))
	}
	if got := len(s.Trace("")); got != maxTraced {
		t.Errorf("got  %d remembered\nwant %d", got, maxTraced)
	}
	if s.SetTrace(false); len(s.Trace("")) != 0 {
		t.Error("it remembers after it was switched off")
	}
}
