package exchange

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/miekg/dns"
)

const (
	// patience is for one whole exchange with a server. Stubs give up or repeat themselves after 5 s.
	patience = 2500 * time.Millisecond
	// resend is when a silent server is asked again; the gap doubles. Without it one lost packet costs all of patience.
	resend = 600 * time.Millisecond
	// udpSize is the largest reply that crosses the usual paths in one piece (DNS flag day 2020).
	udpSize = 1232
	// inbox holds what a server sends although we asked for less. A longer packet does not parse and is passed over.
	inbox = 4096
	// headerLen is in bytes (RFC 1035, 4.1.1).
	headerLen = 12
)

// Plain asks one server over UDP, and over TCP when the reply does not fit. Each question leaves from a port of its own
// under a random id. A reply that does not repeat the id and the question byte for byte is passed over and the wait goes
// on: giving up on the first wrong packet would let anyone who can send one stop us (RFC 5452).
type Plain struct {
	Server  netip.AddrPort
	Timeout time.Duration // for one exchange; 0: 2.5 s
}

// Exchange implements [Exchanger]. The hop's own things in q (EDNS size and options) are replaced by ours. If the reply
// is cut short and TCP fails, the short one is returned with its Truncated bit.
func (p Plain) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(p.Timeout, patience))
	defer cancel()
	reply, err := p.ask(ctx, q, true)
	if err == nil && q.IsEdns0() == nil && (reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented) {
		reply, err = p.ask(ctx, q, false) // a server from before EDNS
	}
	if err != nil {
		return nil, fmt.Errorf("name server %s: %w", p.Server, err)
	}
	return readdress(reply, q), nil
}

func (p Plain) ask(ctx context.Context, q *dns.Msg, edns bool) (*dns.Msg, error) {
	l, err := write(q, edns)
	if err != nil {
		return nil, err
	}
	short, err := p.overUDP(ctx, l)
	if err != nil || !short.Truncated {
		return short, err
	}
	whole, err := p.overTCP(ctx, l)
	if err != nil {
		return short, nil
	}
	return whole, nil
}

// overUDP sends the letter, again while nobody answers, until ctx ends.
func (p Plain) overUDP(ctx context.Context, l letter) (*dns.Msg, error) {
	conn, release, err := p.connect(ctx, "udp")
	if err != nil {
		return nil, err
	}
	defer release()
	buf := make([]byte, inbox)
	for gap := resend; ; gap *= 2 {
		if _, err := conn.Write(l.wire); err != nil {
			return nil, late(ctx, err)
		}
		reply, err := listen(ctx, conn, l, buf, time.Now().Add(gap))
		if err == nil || ctx.Err() != nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return reply, late(ctx, err)
		}
	}
}

// listen waits for the reply to l and passes over everything else.
func listen(ctx context.Context, conn net.Conn, l letter, buf []byte, until time.Time) (*dns.Msg, error) {
	conn.SetReadDeadline(until)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if reply, ok := l.answered(buf[:n]); ok {
			return reply, nil
		}
	}
}

// overTCP sends the letter behind its length (RFC 1035, 4.2.2).
func (p Plain) overTCP(ctx context.Context, l letter) (*dns.Msg, error) {
	conn, release, err := p.connect(ctx, "tcp")
	if err != nil {
		return nil, err
	}
	defer release()
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(l.wire)))
	if _, err := conn.Write(append(framed, l.wire...)); err != nil {
		return nil, late(ctx, err)
	}
	for {
		packet, err := readFrame(conn)
		if err != nil {
			return nil, late(ctx, err)
		}
		if reply, ok := l.answered(packet); ok {
			return reply, nil
		}
	}
}

func readFrame(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	packet := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, packet)
	return packet, err
}

// connect opens a socket on a port that the kernel picks. The end of ctx wakes whoever reads or writes.
func (p Plain) connect(ctx context.Context, network string) (net.Conn, func(), error) {
	if !p.Server.IsValid() {
		return nil, nil, errors.New("has no address; name one in the setting dns")
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, p.Server.String())
	if err != nil {
		return nil, nil, late(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() { stop(); conn.Close() }, nil
}

// late says that nobody answered, if that is why.
func late(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("does not answer; look whether this machine is online: %w", context.DeadlineExceeded)
	}
	return cmp.Or(ctx.Err(), err)
}

// letter is a question as it is sent.
type letter struct {
	wire     []byte
	question []byte // name, type and class; part of wire
}

// write packs q under a new random id.
func write(q *dns.Msg, edns bool) (letter, error) {
	if len(q.Question) != 1 {
		return letter{}, fmt.Errorf("a DNS message with %d questions cannot be passed on", len(q.Question))
	}
	out := q.Copy()
	out.Id = dns.Id()
	if opt := out.IsEdns0(); opt != nil {
		opt.SetUDPSize(udpSize)
		opt.Option = nil // cookies and the like are between the client and us
	} else if edns {
		out.SetEdns0(udpSize, false)
	}
	wire, err := out.Pack()
	if err != nil {
		return letter{}, fmt.Errorf("this DNS question cannot be written: %w", err)
	}
	return letter{wire: wire, question: wire[headerLen:questionEnd(wire)]}, nil
}

// questionEnd finds the byte behind the first question. Its name is never compressed: nothing stands before it.
func questionEnd(wire []byte) int {
	at := headerLen
	for wire[at] != 0 {
		at += 1 + int(wire[at])
	}
	return at + 1 + 2 + 2
}

// answered reads packet if it is a reply to l.
func (l letter) answered(packet []byte) (*dns.Msg, bool) {
	end := headerLen + len(l.question)
	const isReply, opcode = 0x80, 0x78 // in the third byte
	switch {
	case len(packet) < end,
		packet[0] != l.wire[0] || packet[1] != l.wire[1],
		packet[2]&isReply == 0 || packet[2]&opcode != l.wire[2]&opcode,
		binary.BigEndian.Uint16(packet[4:]) != 1,
		!slices.Equal(packet[headerLen:end], l.question):
		return nil, false
	}
	reply := new(dns.Msg)
	if err := reply.Unpack(packet); err != nil || len(reply.Question) != 1 {
		return nil, false
	}
	return reply, true
}

// readdress makes a server's reply to our letter the reply to q.
func readdress(reply, q *dns.Msg) *dns.Msg {
	reply.Id = q.Id
	if q.IsEdns0() == nil {
		reply.Extra = slices.DeleteFunc(reply.Extra, func(r dns.RR) bool { return r.Header().Rrtype == dns.TypeOPT })
	}
	return reply
}
