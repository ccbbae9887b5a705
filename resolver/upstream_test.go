package resolver_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// script decides what a name server does about one question: it may answer, lie, wait, answer twice, or say nothing. Each
// call has a goroutine of its own.
type script func(*asked)

// upstream is a name server on loopback, over UDP and TCP on one port, that follows a script and remembers what it was
// asked.
type upstream struct {
	Addr netip.AddrPort

	udp  *net.UDPConn
	tcp  net.Listener
	done chan struct{} // closed by close: scripts that wait end

	mu      sync.Mutex
	script  script
	seen    []*asked
	conns   map[net.Conn]struct{}
	running sync.WaitGroup
}

// asked is a question as it came to the upstream.
type asked struct {
	*dns.Msg
	Wire []byte
	TCP  bool
	Nth  int // of equal names and types over any transport, from 1
	From netip.AddrPort

	up   *upstream
	send func([]byte)
	hang func() // closes the connection; over UDP nothing
}

// startUpstream tries ports until one is free for both transports. The caller closes it.
func startUpstream(tb testing.TB, s script) *upstream {
	tb.Helper()
	for range 20 {
		udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
		if err != nil {
			tb.Fatal(err)
		}
		addr := udp.LocalAddr().(*net.UDPAddr).AddrPort()
		tcp, err := net.Listen("tcp", addr.String())
		if err != nil {
			udp.Close()
			continue
		}
		u := &upstream{Addr: addr, udp: udp, tcp: tcp, script: s, done: make(chan struct{}), conns: map[net.Conn]struct{}{}}
		u.running.Go(u.readPackets)
		u.running.Go(u.accept)
		return u
	}
	tb.Fatal("no port is free for both UDP and TCP")
	return nil
}

// close ends it; the ports refuse from then on. It may be called again.
func (u *upstream) close() {
	u.mu.Lock()
	select {
	case <-u.done:
	default:
		close(u.done)
	}
	u.udp.Close()
	u.tcp.Close()
	for conn := range u.conns {
		conn.Close()
	}
	u.mu.Unlock()
	u.running.Wait()
}

// follow changes the script.
func (u *upstream) follow(s script) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.script = s
}

// questions are all that came, repetitions too.
func (u *upstream) questions() []*asked {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*asked(nil), u.seen...)
}

func (u *upstream) readPackets() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := u.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			select {
			case <-u.done:
				return
			default:
				continue // an ICMP message about somebody who has left
			}
		}
		u.play(&asked{Wire: append([]byte(nil), buf[:n]...), From: from, hang: func() {},
			send: func(packet []byte) { u.udp.WriteToUDPAddrPort(packet, from) }})
	}
}

func (u *upstream) accept() {
	for {
		conn, err := u.tcp.Accept()
		if err != nil {
			return
		}
		u.mu.Lock()
		u.conns[conn] = struct{}{}
		u.running.Go(func() { u.readFrames(conn) })
		u.mu.Unlock()
	}
}

func (u *upstream) readFrames(conn net.Conn) {
	defer conn.Close()
	var writing sync.Mutex
	for {
		packet, err := readFramed(conn)
		if err != nil {
			return
		}
		u.play(&asked{Wire: packet, TCP: true, From: conn.RemoteAddr().(*net.TCPAddr).AddrPort(), hang: func() { conn.Close() },
			send: func(packet []byte) {
				writing.Lock()
				defer writing.Unlock()
				conn.Write(framed(packet))
			}})
	}
}

func (u *upstream) play(a *asked) {
	a.Msg, a.up = new(dns.Msg), u
	if err := a.Msg.Unpack(a.Wire); err != nil || len(a.Question) != 1 {
		return // resolvers do not send such things; the rows would see that no answer comes
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, before := range u.seen {
		if strings.EqualFold(before.Question[0].Name, a.Question[0].Name) && before.Question[0].Qtype == a.Question[0].Qtype {
			a.Nth++
		}
	}
	a.Nth++
	u.seen = append(u.seen, a)
	s := u.script
	u.running.Go(func() { s(a) })
}

// wait returns false if the upstream ended meanwhile.
func (a *asked) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-a.up.done:
		return false
	}
}

// is says whether it is about this name.
func (a *asked) is(name string) bool { return strings.EqualFold(a.Question[0].Name, name) }

// answer makes a reply with some records, each a line of a zone file. A "@" stands for the name that was asked.
func (a *asked) answer(lines ...string) *dns.Msg {
	reply := new(dns.Msg).SetReply(a.Msg)
	reply.RecursionAvailable = true
	reply.CheckingDisabled = a.CheckingDisabled
	reply.Answer = a.records(lines...)
	if a.IsEdns0() != nil {
		reply.SetEdns0(1232, a.IsEdns0().Do())
	}
	return reply
}

func (a *asked) records(lines ...string) (out []dns.RR) {
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(line, "@ "); ok {
			line = a.Question[0].Name + " " + rest
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			panic("the test's record " + line + " is none: " + err.Error())
		}
		out = append(out, rr)
	}
	return out
}

// negative makes a reply that has no records, with the zone's SOA.
func (a *asked) negative(rcode int, soa string) *dns.Msg {
	reply := a.answer()
	reply.Rcode = rcode
	if soa != "" {
		reply.Ns = a.records(soa)
	}
	return reply
}

// reply sends messages, as they fit: over UDP what does not is cut and marked.
func (a *asked) reply(messages ...*dns.Msg) {
	for _, m := range messages {
		m = m.Copy()
		m.Compress = true
		if !a.TCP {
			size := 512
			if opt := a.IsEdns0(); opt != nil {
				size = max(size, int(opt.UDPSize()))
			}
			m.Truncate(size)
		}
		a.send(pack(m))
	}
}

func pack(m *dns.Msg) []byte {
	packet, err := m.Pack()
	if err != nil {
		panic("the test's message cannot be packed: " + err.Error())
	}
	return packet
}

// soa is of the zones that the upstream speaks for.
const soa = "example. 300 IN SOA ns.example. admin.example. 1 3600 600 86400 60"

// helpful knows every name but those below none.example. All have the same two addresses.
func helpful(a *asked) {
	switch {
	case dns.IsSubDomain("none.example.", strings.ToLower(a.Question[0].Name)):
		a.reply(a.negative(dns.RcodeNameError, soa))
	case a.Question[0].Qtype == dns.TypeA:
		a.reply(a.answer("@ 300 IN A 192.0.2.1"))
	case a.Question[0].Qtype == dns.TypeAAAA:
		a.reply(a.answer("@ 300 IN AAAA 2001:db8::1"))
	default:
		a.reply(a.negative(dns.RcodeSuccess, soa))
	}
}

// says answers everything with these records.
func says(lines ...string) script { return func(a *asked) { a.reply(a.answer(lines...)) } }

// silent never answers.
func silent(*asked) {}

// fails answers everything with an rcode and nothing else.
func fails(rcode int) script { return func(a *asked) { a.reply(a.negative(rcode, "")) } }

// after waits before it goes on.
func after(d time.Duration, s script) script {
	return func(a *asked) {
		if a.wait(d) {
			s(a)
		}
	}
}

// held goes on when it is let go.
func held(s script) (waiting script, letGo func()) {
	open := make(chan struct{})
	return func(a *asked) {
		select {
		case <-open:
			s(a)
		case <-a.up.done:
		}
	}, func() { close(open) }
}

// framed puts a message behind its length (RFC 1035, 4.2.2).
func framed(packet []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
}

func readFramed(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	packet := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, packet)
	return packet, err
}
