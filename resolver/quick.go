package resolver

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"hither/resolver/socket"

	"github.com/miekg/dns"
)

const (
	// maxReadErrors in a row mean that a socket is of no use any more. Some systems report a client's closed port as an
	// error of the next read, so a few mean nothing.
	maxReadErrors = 1000
)

// asker is who asks, and how much it takes.
type asker struct {
	addr netip.AddrPort
	host bool // a process of this machine
	net  string
	when time.Time
	size int // the longest answer that its transport carries, in bytes
}

// serves says whether a is one of those we answer, and fills in whether it is of this machine. local is our address. The
// zone of a link's own address is only needed to send there; no prefix contains an address that has one.
func (s *Server) serves(a *asker, local netip.Addr) bool {
	client := a.addr.Addr().WithZone("")
	a.addr = netip.AddrPortFrom(client, a.addr.Port())
	a.host = client.IsLoopback() || client == local.WithZone("")
	return a.host || s.Clients != nil && s.Clients(client)
}

// servePackets answers what comes over one UDP socket. A packet that breaks us costs itself only.
func (s *Server) servePackets(ctx context.Context, conn *net.UDPConn, local netip.AddrPort) error {
	for ctx.Err() == nil {
		err := s.guard(func() error { return s.readPackets(ctx, conn, local.Addr()) })
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// readPackets is the way of nearly all questions. Nothing on it allocates, waits or logs.
func (s *Server) readPackets(ctx context.Context, conn *net.UDPConn, local netip.Addr) error {
	b, err := socket.NewBatch(conn)
	if err != nil {
		return err
	}
	q := new(question)
	failed := 0
	for {
		n, err := b.Receive()
		if err != nil {
			if failed++; ctx.Err() != nil || errors.Is(err, net.ErrClosed) || failed > maxReadErrors {
				return err
			}
			continue
		}
		failed = 0
		now := s.now()
		for i := range n {
			packet, addr := b.Packet(i)
			a := asker{addr: addr, net: "udp", size: ednsSize, when: now}
			if !s.serves(&a, local) {
				s.counts.questions.Add(1)
				s.counts.dropped.Add(1)
				continue
			}
			reply, done := s.quick(b.Room(), q, packet, &a)
			switch {
			case !done:
				s.slowly(ctx, bytes.Clone(packet), a, &datagrams{conn, addr})
			case len(reply) > 0:
				b.Reply(i, reply)
			}
		}
		b.Send()
	}
}

// datagrams sends to one client.
type datagrams struct {
	conn *net.UDPConn
	addr netip.AddrPort
}

func (d *datagrams) send(wire []byte) { _, _ = d.conn.WriteToUDPAddrPort(wire, d.addr) }

// quick answers what needs nobody else, into out. No answer and done: say nothing.
func (s *Server) quick(out []byte, q *question, packet []byte, a *asker) (reply []byte, done bool) {
	s.counts.questions.Add(1)
	switch v := q.parse(packet, a.size); v {
	case good:
	case silence:
		s.counts.dropped.Add(1)
		return nil, true
	case wantsAny:
		return s.traced(appendAny(out, q), q, a, "special"), true
	default:
		s.counts.refused.Add(1)
		return s.traced(appendRejection(out, q, v), q, a, "refused"), true
	}
	here, ours := s.leads(q, a)
	if ours && !q.do {
		return s.led(out, q, a, here), true
	}
	now := a.when.UnixNano()
	e := s.memory.get(q.key)
	if e == nil || !e.fresh(now) {
		return nil, false
	}
	s.note(e)
	how := "memory"
	if ours {
		if how = "signed"; !e.signed {
			return s.led(out, q, a, here), true
		}
	}
	s.counts.hits.Add(1)
	return s.traced(appendReply(out, q, e, now, false), q, a, how), true
}

// doors are where a client finds us. An invalid address: it has none of that family.
type doors struct{ v4, v6 netip.Addr }

// leads says whether q is about a host that leads a to us, and where. Who asks for signatures (DO) may validate, and would take
// our address for a forged one if the true answer is signed: such a question is passed on, and what comes is given if it is.
func (s *Server) leads(q *question, a *asker) (here doors, ours bool) {
	if s.Names == nil || passedOn(q.qtype) {
		return here, false
	}
	here.v4, here.v6, ours = s.Names().lookup(q.name(), a.addr.Addr(), a.host)
	return here, ours
}

// led answers with our address.
func (s *Server) led(out []byte, q *question, a *asker, here doors) []byte {
	s.counts.ours.Add(1)
	return s.traced(appendAddress(out, q, here.v4, here.v6), q, a, "ours")
}

// appendAddress answers for a host of ours.
func appendAddress(out []byte, q *question, v4, v6 netip.Addr) []byte {
	switch {
	case q.qtype == dns.TypeA && v4.Is4():
		raw := v4.As4()
		return appendOurs(out, q, raw[:])
	case q.qtype == dns.TypeAAAA && v6.Is6():
		raw := v6.As16()
		return appendOurs(out, q, raw[:])
	case q.qtype == dns.TypeANY:
		return appendAny(out, q)
	}
	return appendOurs(out, q, nil)
}

// traced remembers the answer if somebody looks.
func (s *Server) traced(reply []byte, q *question, a *asker, how string) []byte {
	if s.trace.on.Load() {
		s.remember(reply, q, a, how)
	}
	return reply
}

func (s *Server) remember(reply []byte, q *question, a *asker, how string) {
	t := Traced{When: a.when, Client: a.addr, Net: a.net, How: how, Took: s.now().Sub(a.when)}
	if len(reply) >= headerLen {
		t.Rcode = dns.RcodeToString[int(reply[3]&bitsRcode)]
	}
	if q.asked != nil {
		t.Name, _, _ = dns.UnpackDomainName(q.asked, 0)
		t.Type = dns.Type(q.qtype).String()
	}
	s.trace.add(t)
}
