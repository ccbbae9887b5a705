package resolver

import (
	"encoding/binary"
	"time"

	"github.com/miekg/dns"
)

// appendReply writes e as the answer to q behind what is in out. now is Unix time in ns. stale: e is too old and says so.
// It allocates nothing if out is large enough.
func appendReply(out []byte, q *question, e *entry, now int64, stale bool) []byte {
	size := len(e.wire)
	if q.edns {
		size += optLen
	}
	if size > q.size {
		return appendShort(out, q, e.wire[3]&bitsRcode)
	}
	start := len(out)
	out = append(out, e.wire...)
	wire := out[start:]
	copy(wire, q.header[:2])
	wire[2] = wire[2]&^bitRD | q.header[2]&bitRD
	wire[3] = wire[3]&^bitCD | q.header[3]&bitCD
	copy(wire[headerLen:], q.asked)
	age := uint32(max(0, now-e.stored) / int64(time.Second))
	for _, at := range e.ttls {
		ttl := binary.BigEndian.Uint32(wire[at:])
		if ttl = ttl - min(age, ttl); stale {
			ttl = staleTTL
		}
		binary.BigEndian.PutUint32(wire[at:], ttl)
	}
	if q.edns {
		out = appendOPT(out, start, q.do, 0)
		const staleLen = 6
		if bare := len(out); (stale || len(e.options) > 0) && size+len(e.options)+staleLen <= q.size {
			if out = append(out, e.options...); stale {
				out = appendStale(out, e.rcode())
			}
			binary.BigEndian.PutUint16(out[bare-2:], uint16(len(out)-bare))
		}
	}
	return out
}

// appendStale says which kind of answer is old (RFC 8914, 4.4 and 4.20).
func appendStale(out []byte, rcode int) []byte {
	if rcode == dns.RcodeNameError {
		return appendError(out, dns.ExtendedErrorCodeStaleNXDOMAINAnswer, "")
	}
	return appendError(out, dns.ExtendedErrorCodeStaleAnswer, "")
}

// appendOPT ends the message that begins at start with an OPT record without options, and counts it.
func appendOPT(out []byte, start int, do bool, extended byte) []byte {
	var flags byte
	if do {
		flags = 0x80
	}
	count := out[start+10 : start+12]
	binary.BigEndian.PutUint16(count, binary.BigEndian.Uint16(count)+1)
	return append(out, 0, 0, byte(dns.TypeOPT), ednsSize>>8, ednsSize&0xff, extended, 0, flags, 0, 0, 0)
}

// appendShort writes an answer that says to ask again over TCP (RFC 2181, 9).
func appendShort(out []byte, q *question, rcode byte) []byte {
	start := len(out)
	out = appendHead(out, q, rcode)
	out[start+2] |= bitTC
	if q.edns {
		out = appendOPT(out, start, q.do, 0)
	}
	return out
}

// appendHead writes an answer without records.
func appendHead(out []byte, q *question, rcode byte) []byte {
	h := q.header
	out = append(out, h[0], h[1], bitQR|h[2]&(bitsOp|bitRD), bitRA|h[3]&bitCD|rcode, 0, 0, 0, 0, 0, 0, 0, 0)
	if q.asked != nil {
		out[len(out)-headerLen+5] = 1
		out = append(out, q.asked...)
	}
	return out
}

// appendFailure writes an answer of an rcode, with the reason (RFC 8914).
func appendFailure(out []byte, q *question, rcode byte, code uint16, text string) []byte {
	start := len(out)
	out = appendHead(out, q, rcode)
	if q.edns {
		out = appendOPT(out, start, q.do, 0)
		bare := len(out)
		out = appendError(out, code, text)
		binary.BigEndian.PutUint16(out[bare-2:], uint16(len(out)-bare))
	}
	return out
}

// appendRejection answers what the parser did not find good.
func appendRejection(out []byte, q *question, v verdict) []byte {
	start := len(out)
	switch v {
	case formErr, notImp:
		out = appendHead(out, q, dns.RcodeFormatError)
		if v == notImp {
			out[start+3] = bitRA | dns.RcodeNotImplemented
		}
		if q.edns {
			out = appendOPT(out, start, q.do, 0)
		}
		return out
	case badVers:
		out = appendHead(out, q, dns.RcodeSuccess)
		return appendOPT(out, start, q.do, dns.RcodeBadVers>>4)
	}
	return appendFailure(out, q, dns.RcodeRefused, dns.ExtendedErrorCodeNotSupported, "")
}

const (
	oursTTL = 5 // seconds; after that the real address is asked for when we are gone
	anyTTL  = 60
)

// passedOn says which types of our hosts are not changed by where they are: those about the zone, its mail and who may
// certify it. A host may be the top of a zone: without the true word of its keys (DS, DNSKEY), who validates takes all below it
// for forged.
func passedOn(qtype uint16) bool {
	switch qtype {
	case dns.TypeTXT, dns.TypeMX, dns.TypeNS, dns.TypeSOA, dns.TypeCAA, dns.TypeTLSA, dns.TypeDS, dns.TypeDNSKEY:
		return true
	}
	return false
}

// appendOurs answers for a host of ours with address, or that it has none of that kind if address is empty. It says so
// with an SOA, so that the client may remember it.
func appendOurs(out []byte, q *question, address []byte) []byte {
	start := len(out)
	out = appendHead(out, q, dns.RcodeSuccess)
	if len(address) > 0 {
		out[start+7] = 1
		out = append(out, 0xc0, headerLen, byte(q.qtype>>8), byte(q.qtype), 0, dns.ClassINET, 0, 0, 0, oursTTL, 0, byte(len(address)))
		out = append(out, address...)
	} else {
		out[start+9] = 1
		out = append(out, 0xc0, headerLen, 0, byte(dns.TypeSOA), 0, dns.ClassINET, 0, 0, 0, oursTTL, 0, 24)
		out = append(out, 0xc0, headerLen, 0xc0, headerLen) // of itself, and whoever that is
		for _, n := range [...]uint32{1, 3600, 600, 86400, oursTTL} {
			out = binary.BigEndian.AppendUint32(out, n)
		}
	}
	if q.edns {
		out = appendOPT(out, start, q.do, 0)
	}
	return out
}

// appendAny answers ANY with the one record that is enough (RFC 8482, 4.2).
func appendAny(out []byte, q *question) []byte {
	const text = "RFC8482"
	start := len(out)
	out = appendHead(out, q, dns.RcodeSuccess)
	out[start+7] = 1
	out = append(out, 0xc0, headerLen, 0, byte(dns.TypeHINFO), 0, dns.ClassINET, 0, 0, 0, anyTTL, 0, byte(len(text)+2), byte(len(text)))
	out = append(append(out, text...), 0)
	if q.edns {
		out = appendOPT(out, start, q.do, 0)
	}
	return out
}
