package resolver

import (
	"encoding/binary"

	"hither/resolver/socket"

	"github.com/miekg/dns"
)

const (
	headerLen = 12
	maxName   = 255 // bytes in wire form (RFC 1035, 2.3.4)
	maxLabel  = 63
	optLen    = 11 // an OPT record without options
	// plainSize is what a client without EDNS takes over UDP (RFC 1035, 4.2.1).
	plainSize = 512
	// ednsSize is the longest answer over UDP, in bytes; more is asked for over TCP.
	ednsSize = socket.ReplySize
	// streamSize is what fits the length before a message over TCP (RFC 1035, 4.2.2).
	streamSize = 65535
	// typeNXNAME stands in signed answers for names that do not exist; it is no type to ask for (RFC 9824, 3.5).
	typeNXNAME = 128
)

// Bits of the third and fourth byte of a header.
const (
	bitQR     = 0x80
	bitsOp    = 0x78
	bitAA     = 0x04
	bitTC     = 0x02
	bitRD     = 0x01
	bitRA     = 0x80
	bitAD     = 0x20
	bitCD     = 0x10
	bitsRcode = 0x0f
)

// What of a question, beside its name and type, asks for another answer. It is the last byte of a key.
const (
	wantsDO = 1 << iota
	wantsCD
	wantsAD
)

// verdict is what the parser says of a packet.
type verdict byte

const (
	good     verdict = iota
	silence          // no question, or too broken to answer: whoever sent it may be a server like us
	formErr          // RFC 1035, 4.1.1; perhaps answered with a bare header
	notImp           // an opcode other than QUERY; perhaps answered with a bare header
	badVers          // RFC 6891, 6.1.3
	refused          // what a server like us does not do: transfers, other classes
	wantsAny         // RFC 8482
)

// question is a packet as the parser understood it. Its slices point into the packet.
type question struct {
	header []byte
	asked  []byte // name, type and class, as they came
	qtype  uint16
	edns   bool
	do     bool
	size   int    // the longest answer that may be sent, in bytes
	key    []byte // name in lower case, type, wants; in room
	room   [maxName + 3]byte
}

func (q *question) name() []byte { return q.key[:len(q.key)-3] }
func (q *question) wants() byte  { return q.key[len(q.key)-1] }
func (q *question) recursive() bool {
	return q.header[2]&bitRD != 0
}

// parse reads a packet that came over UDP (limit is ednsSize) or TCP (streamSize). If it is not good, header may be
// used, and asked unless it is nil. It keeps packet and allocates nothing.
func (q *question) parse(packet []byte, limit int) verdict {
	if len(packet) < headerLen || packet[2]&bitQR != 0 {
		return silence
	}
	q.header, q.asked, q.edns, q.do = packet[:headerLen], nil, false, false
	if q.size = limit; limit != streamSize {
		q.size = plainSize
	}
	if packet[2]&bitsOp != 0 {
		q.readForeign(packet, limit)
		return notImp
	}
	if binary.BigEndian.Uint16(packet[4:]) != 1 { // RFC 9619
		return formErr
	}
	at, ok := q.readName(packet)
	if !ok || at+4 > len(packet) {
		return formErr
	}
	q.qtype = binary.BigEndian.Uint16(packet[at:])
	class := binary.BigEndian.Uint16(packet[at+2:])
	at += 4
	q.asked = packet[headerLen:at]
	version, ok := q.readRecords(packet, at, limit)
	if !ok {
		q.asked, q.edns = nil, false
		return formErr
	}
	q.seal()
	return q.judge(class, version)
}

// readForeign looks for an OPT record in a message of another opcode, which has other records but the same form. If it
// has not, so much the worse for it.
func (q *question) readForeign(packet []byte, limit int) {
	at := headerLen
	for range min(binary.BigEndian.Uint16(packet[4:]), 1) {
		end, ok := skipName(packet, at)
		if at = end + 4; !ok || at > len(packet) {
			return
		}
	}
	if _, ok := q.readRecords(packet, at, limit); !ok {
		q.edns = false
	}
}

// readName copies the name into the key in lower case. Labels are at most 63 long, so that their lengths are no letters.
func (q *question) readName(packet []byte) (end int, ok bool) {
	at := headerLen
	for {
		if at >= len(packet) || packet[at] > maxLabel { // a pointer has nothing to point at
			return 0, false
		}
		n := int(packet[at])
		at += 1 + n
		if at > len(packet) || at-headerLen > maxName {
			return 0, false
		}
		if n == 0 {
			break
		}
	}
	q.key = q.room[:at-headerLen]
	for i, b := range packet[headerLen:at] {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		q.key[i] = b
	}
	return at, true
}

// seal ends the key.
func (q *question) seal() {
	var wants byte
	if q.do {
		wants |= wantsDO
	}
	if q.header[3]&bitCD != 0 {
		wants |= wantsCD
	}
	if q.header[3]&bitAD != 0 {
		wants |= wantsAD
	}
	q.key = append(q.key, byte(q.qtype>>8), byte(q.qtype), wants)
}

// readRecords walks over what follows the question, of which only OPT (RFC 6891) matters.
func (q *question) readRecords(packet []byte, at, limit int) (version byte, ok bool) {
	records := 0
	for i := 6; i < headerLen; i += 2 {
		records += int(binary.BigEndian.Uint16(packet[i:]))
	}
	additional := records - int(binary.BigEndian.Uint16(packet[10:]))
	for i := range records {
		start := at
		if at, ok = skipName(packet, at); !ok || at+10 > len(packet) {
			return 0, false
		}
		length := int(binary.BigEndian.Uint16(packet[at+8:]))
		if at+10+length > len(packet) {
			return 0, false
		}
		if binary.BigEndian.Uint16(packet[at:]) == dns.TypeOPT {
			if q.edns || i < additional || packet[start] != 0 || !wellFormed(packet[at+10:at+10+length]) {
				return 0, false
			}
			q.edns, version, q.do = true, packet[at+5], packet[at+6]&0x80 != 0
			if limit != streamSize {
				q.size = min(max(int(binary.BigEndian.Uint16(packet[at+2:])), plainSize), limit)
			}
		}
		at += 10 + length
	}
	return version, true
}

// skipName passes over a name that may be compressed. What it points to is not read.
func skipName(packet []byte, at int) (end int, ok bool) {
	for at < len(packet) {
		switch n := int(packet[at]); {
		case n == 0:
			return at + 1, true
		case n >= 0xc0:
			return at + 2, at+2 <= len(packet)
		case n > maxLabel:
			return 0, false
		default:
			at += 1 + n
		}
	}
	return 0, false
}

// wellFormed says whether options are as long as they say.
func wellFormed(options []byte) bool {
	for len(options) > 0 {
		if len(options) < 4 {
			return false
		}
		n := 4 + int(binary.BigEndian.Uint16(options[2:]))
		if n > len(options) {
			return false
		}
		options = options[n:]
	}
	return true
}

// judge says whether a well-formed question is one for us.
func (q *question) judge(class uint16, version byte) verdict {
	switch {
	case version > 0:
		return badVers
	case q.qtype == dns.TypeOPT, q.qtype == dns.TypeNone, q.qtype == typeNXNAME:
		return formErr
	case class != dns.ClassINET:
		return refused
	case q.qtype == dns.TypeANY && !q.do: // who validates wants no record of our making
		return wantsAny
	case q.qtype >= 128 && q.qtype < 255: // the meta types (RFC 6895, 3.1): transfers, keys, signatures
		return refused
	}
	return good
}
