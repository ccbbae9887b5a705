// Package letter writes a question as it goes out to a name server, and says whether a packet is the reply to it. What is
// between us and our client stays out of the one, what is between us and the server out of the other.
//
//	l, err := letter.Write(q, letter.Sealed)
//	reply, err := l.Answered(packet)
//	reply = letter.Readdress(reply, q, true)
package letter

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"hither/resolver/exchange/chain"
)

const (
	// udpSize is the largest reply that crosses the usual paths in one piece (DNS flag day 2020).
	udpSize = 1232
	// HeaderLen is in bytes (RFC 1035, 4.1.1).
	HeaderLen = 12
	// block is what encrypted questions are padded to a multiple of, in bytes (RFC 8467, 4.1). Without it their length
	// gives the name away.
	block = 128
	// optHead is the length of an OPT record without options (RFC 6891, 6.1.2).
	optHead = 11
	// optionHead is the length of an EDNS option without its content (RFC 6891, 6.1.2).
	optionHead = 4
)

// ErrNotOurs is for a reply that is not to the question of its stream or request.
var ErrNotOurs = errors.New("the reply is not to our question")

// ErrGarbled is for a reply to our question that nobody can read: a record in it is malformed, or somebody on the way cut it off
// without saying so.
var ErrGarbled = errors.New("the reply breaks off or is malformed")

// Envelope is how a question goes out.
type Envelope int

const (
	Open   Envelope = iota // in the clear, with EDNS
	Bare                   // in the clear, to a server from before EDNS
	Either                 // open, and bare right behind: to where EDNS was met with silence
	Sealed                 // inside an encrypted connection: with EDNS and padding
)

// Letter is a question as it is sent. Those from [Write] have letter case that the reply must keep, those from Under not. It may be
// read by many at once; only Lower changes it, in place.
type Letter struct {
	Wire     []byte // to be sent as it is, or Framed
	question []byte // name, type and class; part of Wire
	anyCase  bool   // the reply may write the name in another letter case
	with     []byte // id of the letter that this one was stripped of EDNS from; nil: it was not
}

// Write packs q under a new random id. Only its question, how it is to be treated, and what its EDNS says of DO and CO go
// out: cookies, client subnets and the like are between the client and us.
func Write(q *dns.Msg, as Envelope) (Letter, error) {
	if len(q.Question) != 1 {
		return Letter{}, fmt.Errorf("a DNS message with %d questions cannot be passed on", len(q.Question))
	}
	asked := q.Question[0]
	const moreThanName = 1 + 4 + optHead + optionHead + block
	wire := make([]byte, HeaderLen+len(asked.Name)+moreThanName)
	end, err := dns.PackDomainName(asked.Name, wire, HeaderLen, nil, false)
	if err != nil {
		return Letter{}, fmt.Errorf("this DNS question cannot be written: %w", err)
	}
	rand.Read(wire[:2])
	wire[2] = flag(q.RecursionDesired, 0x01) | byte(q.Opcode&0xf)<<3
	wire[3] = flag(q.AuthenticatedData, 0x20) | flag(q.CheckingDisabled, 0x10)
	wire[5] = 1
	wire = binary.BigEndian.AppendUint16(wire[:end], asked.Qtype)
	wire = binary.BigEndian.AppendUint16(wire, asked.Qclass)
	end += 4
	if as != Bare {
		wire = appendOPT(wire, q.IsEdns0(), as == Sealed)
	}
	return Letter{Wire: wire, question: wire[HeaderLen:end:end]}, nil
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

// appendOPT ends a message with what we take, and what of opt is meant for the server too (RFC 6891, 6.1.2); nil: nothing.
// padded: filled up to the next whole block (RFC 7830).
func appendOPT(wire []byte, opt *dns.OPT, padded bool) []byte {
	wire[11] = 1
	var flags byte
	if opt != nil {
		flags = flag(opt.Do(), 0x80) | flag(opt.Co(), 0x40)
	}
	wire = append(wire, 0, 0, byte(dns.TypeOPT), udpSize>>8, udpSize&0xff, 0, 0, flags, 0, 0, 0)
	if !padded {
		return wire
	}
	fill := (block - (len(wire)+optionHead)%block) % block
	binary.BigEndian.PutUint16(wire[len(wire)-2:], uint16(optionHead+fill))
	wire = append(wire, 0, dns.EDNS0PADDING, 0, byte(fill))
	return append(wire, make([]byte, fill)...)
}

// Under is the same letter with another id, for a connection: nobody else can answer there, so that letter case proves nothing.
func (l Letter) Under(id uint16) Letter {
	wire := slices.Clone(l.Wire)
	binary.BigEndian.PutUint16(wire, id)
	return Letter{Wire: wire, question: wire[HeaderLen : HeaderLen+len(l.question)], anyCase: true}
}

// Strip is the same letter without EDNS, under a random id of its own. A reply to either is one to it; ToEDNS tells them apart.
func (l Letter) Strip() Letter {
	if !l.hasEDNS() {
		return l
	}
	wire := slices.Clone(l.Wire[:HeaderLen+len(l.question)])
	for bytes.Equal(wire[:2], l.Wire[:2]) {
		rand.Read(wire[:2])
	}
	wire[11] = 0
	return Letter{Wire: wire, question: wire[HeaderLen:], anyCase: l.anyCase, with: l.Wire[:2]}
}

func (l Letter) hasEDNS() bool { return len(l.Wire) > HeaderLen+len(l.question) }

// ToEDNS says whether reply, as Answered has read it, is to the letter with EDNS. What a reply itself has is no sign: some
// servers put EDNS into each.
func (l Letter) ToEDNS(reply *dns.Msg) bool {
	return l.hasEDNS() || l.with != nil && binary.BigEndian.Uint16(l.with) == reply.Id
}

// name is a part of wire, too. Labels are at most 63 long, so that their lengths are no letters.
func (l Letter) name() []byte { return l.question[:len(l.question)-4] }

// Mixed says whether the name has letters that are not lower case.
func (l Letter) Mixed() bool { return bytes.ContainsAny(l.name(), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") }

// Lower writes the name in lower case.
func (l Letter) Lower() {
	for i, b := range l.name() {
		l.question[i] = lower(b)
	}
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// repeats says whether a reply's question is that of l. In names letter case means nothing (RFC 4343, 3), in the numbers behind
// them all bits do.
func (l Letter) repeats(question []byte) bool {
	if !l.anyCase {
		return bytes.Equal(question, l.question)
	}
	end := len(l.name())
	for i, b := range l.name() {
		if lower(b) != lower(question[i]) {
			return false
		}
	}
	return bytes.Equal(question[end:], l.question[end:])
}

// Framed is the letter behind its length (RFC 1035, 4.2.2), in bytes of its own.
func (l Letter) Framed() []byte {
	frame := make([]byte, 0, 2+len(l.Wire))
	return append(binary.BigEndian.AppendUint16(frame, uint16(len(l.Wire))), l.Wire...)
}

// ReadFrame reads one message behind its length, and returns it without that. An end before its first byte is io.EOF.
func ReadFrame(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	packet := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, packet)
	return packet, err
}

// Answered reads packet if it is a reply to l: it must repeat the id and the question. Only who does not understand may leave the
// question out: many servers from before EDNS read no further than the header. A reply with fewer answers than it counts is marked as cut
// short. The error is [ErrNotOurs] or [ErrGarbled].
func (l Letter) Answered(packet []byte) (*dns.Msg, error) {
	end := HeaderLen + len(l.question)
	if unread(packet) {
		packet = append(packet[:HeaderLen:HeaderLen], l.question...)
		packet[5] = 1
	}
	const isReply, opcode = 0x80, 0x78 // in the third byte
	switch {
	case len(packet) < end,
		!bytes.Equal(packet[:2], l.Wire[:2]) && (l.with == nil || !bytes.Equal(packet[:2], l.with)),
		packet[2]&isReply == 0 || packet[2]&opcode != l.Wire[2]&opcode,
		binary.BigEndian.Uint16(packet[4:]) != 1,
		!l.repeats(packet[HeaderLen:end]):
		return nil, ErrNotOurs
	}
	reply, err := unpack(packet)
	if err != nil || len(reply.Question) != 1 {
		return nil, ErrGarbled
	}
	if answers := int(binary.BigEndian.Uint16(packet[6:])); len(reply.Answer) < answers {
		reply.Truncated = true // by somebody on the way, right behind a record
	}
	return reply, nil
}

// AnsweredInAnotherCase says whether letter case is all that is wrong with packet.
func (l Letter) AnsweredInAnotherCase(packet []byte) bool {
	l.anyCase = true
	_, err := l.Answered(packet)
	return !errors.Is(err, ErrNotOurs)
}

// unread says whether packet is a header alone, by which a server may say that it does not understand EDNS (RFC 6891, 7), or
// the question without it. All that somebody who forges one brings about is that questions go without, or fail.
func unread(packet []byte) bool {
	if len(packet) != HeaderLen {
		return false
	}
	rcode := int(packet[3] & 0xf)
	return (rcode == dns.RcodeFormatError || rcode == dns.RcodeNotImplemented) && bytes.Equal(packet[4:], make([]byte, 8))
}

// unpack reads a message. If that breaks the reader, the message is to blame, and nothing else ends: it came from outside, and
// most goroutines that read one have nobody above them who would stop a panic.
func unpack(packet []byte) (m *dns.Msg, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a DNS message broke its reader; please report this: %v", p)
		}
	}()
	m = new(dns.Msg)
	return m, m.Unpack(packet)
}

// dockersServer is where Docker answers its containers. It passes on what far servers say in plain.
func dockersServer() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 11}) }

// OfThisMachine says that nobody else can change what comes from there.
func OfThisMachine(server netip.Addr) bool {
	return server.IsLoopback() && server.Unmap() != dockersServer()
}

// Readdress makes a server's reply to our letter the reply to q: under q's id and in its letter case, with EDNS only if q had it,
// without the options of the hop behind us, and without records that nobody asked for. The server's word that it has validated the
// reply (AD) is passed on only if it came on a trusted way (RFC 6840, 5.8; RFC 4035, 4.9.3): in plain sight anybody could
// have set the bit. reply is changed, and returned; q is not.
func Readdress(reply, q *dns.Msg, trusted bool) *dns.Msg {
	reply.Id, reply.Question[0].Name = q.Id, q.Question[0].Name
	reply.AuthenticatedData = reply.AuthenticatedData && trusted
	chain.Prune(reply)
	opt := reply.IsEdns0()
	if opt == nil {
		return reply
	}
	if q.IsEdns0() == nil {
		reply.Extra = slices.DeleteFunc(reply.Extra, func(r dns.RR) bool { return r.Header().Rrtype == dns.TypeOPT })
		return reply
	}
	opt.Option = slices.DeleteFunc(opt.Option, func(o dns.EDNS0) bool { return o.Option() != dns.EDNS0EDE })
	return reply
}
