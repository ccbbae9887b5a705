package resolver

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxTTL bounds how long a record is believed, and told to be.
	maxTTL = 24 * 60 * 60
	// maxNegative bounds how long "there is none" is believed, in seconds: it may be a name that is just being made.
	maxNegative = 60
	// staleTTL is what is told of answers that are too old, in seconds (RFC 8767, 4).
	staleTTL = 30
	// staleFor is how long they may be used. RFC 8767 would allow days; addresses of a day ago mislead more than they help.
	staleFor = time.Hour
)

// entry is an answer in wire form, without OPT, and how long it may be used. Only the atomics change.
type entry struct {
	key     string // see question.key
	wire    []byte
	ttls    []uint16 // where in wire TTLs are
	options []byte   // for the OPT of the answer: extended errors (RFC 8914)
	kind    string   // for the trace: where it came from
	private bool     // from a server of this network
	signed  bool     // with signatures by a zone that the name is in, so that who validates takes nothing else

	stored  int64 // Unix time in ns, as are the following
	expires int64 // fresh before; stored or less: not kept
	stale   int64 // of use before

	hits   atomic.Uint32 // up to hotHits
	used   atomic.Uint32 // since the cache last looked, up to 3
	failed atomic.Int64  // when it could last not be had anew; 0: never
}

func (e *entry) rcode() int { return int(e.wire[3] & bitsRcode) }

// isSigned says no of what is not known.
func (e *entry) isSigned() bool { return e != nil && e.signed }

// fresh also says no if the clock went back.
func (e *entry) fresh(now int64) bool { return now < e.expires && now >= e.stored-int64(time.Second) }

func (e *entry) usable(now int64) bool {
	return now < e.stale && now >= e.stored-int64(time.Second)
}

// lately says whether something was less than so long ago. What a clock that went back left in the future was not.
func lately(then int64, now time.Time, long time.Duration) bool {
	age := time.Duration(now.UnixNano() - then)
	return age >= 0 && age < long
}

// newEntry makes an answer of a message, which it changes: the names that are the question's are written like it, so that
// they become pointers to it and each client gets its own letter case back. lasting is false for answers not to be kept.
func newEntry(q *question, m *dns.Msg, kind string, now time.Time, lasting bool) (*entry, error) {
	name, _, err := dns.UnpackDomainName(q.asked, 0)
	if err != nil {
		return nil, err
	}
	e := &entry{key: string(q.key), kind: kind, stored: now.UnixNano(), options: extendedErrors(m), signed: isSigned(m, name)}
	m.Extra = withoutOPT(m.Extra)
	life := limitTTLs(m, q.qtype)
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, record := range section {
			if h := record.Header(); equalFold(h.Name, name) {
				h.Name = name
			}
		}
	}
	m.Question = []dns.Question{{Name: name, Qtype: q.qtype, Qclass: dns.ClassINET}}
	m.Response, m.Opcode, m.Authoritative, m.RecursionAvailable, m.Zero, m.Compress = true, dns.OpcodeQuery, false, true, false, true
	m.AuthenticatedData = m.AuthenticatedData && q.wants()&(wantsAD|wantsDO) != 0 // RFC 6840, 5.8
	if m.Rcode > bitsRcode {
		m.Rcode = dns.RcodeServerFailure
	}
	if e.wire, err = m.Pack(); err != nil {
		return nil, err
	}
	if end, ok := skipName(e.wire, headerLen); !ok || end+4 != headerLen+len(q.asked) || len(e.wire) > streamSize {
		return nil, errors.New("the answer does not fit a message")
	}
	if e.ttls, err = findTTLs(e.wire); err != nil {
		return nil, err
	}
	e.expires = e.stored
	if lasting && !m.Truncated && life > 0 && (m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError) {
		e.expires += int64(life) * int64(time.Second)
		e.stale = e.expires + int64(staleFor)
	}
	return e, nil
}

// isSigned says whether m has a signature over what name has, over an alias of it (its own, or a DNAME above), or over the proof
// that it has nothing. One over what an alias leads to elsewhere is none of it.
func isSigned(m *dns.Msg, name string) bool {
	if len(m.Answer) == 0 {
		final := slices.ContainsFunc(m.Ns, func(r dns.RR) bool { return r.Header().Rrtype == dns.TypeSOA }) // no referral
		return final && slices.ContainsFunc(m.Ns, func(r dns.RR) bool {
			sig, ok := r.(*dns.RRSIG)
			return ok && dns.IsSubDomain(sig.SignerName, name)
		})
	}
	return slices.ContainsFunc(m.Answer, func(r dns.RR) bool {
		sig, ok := r.(*dns.RRSIG)
		return ok && (equalFold(sig.Hdr.Name, name) || sig.TypeCovered == dns.TypeDNAME && dns.IsSubDomain(sig.Hdr.Name, name))
	})
}

// limitTTLs sets each TTL to what may be told, and returns for how many seconds the whole may be used.
func limitTTLs(m *dns.Msg, qtype uint16) uint32 {
	life, found := uint32(maxTTL), false
	for i, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		alike := true
		for _, record := range section {
			h := record.Header()
			if h.Ttl > 1<<31-1 { // RFC 2181, 8
				h.Ttl = 0
			}
			h.Ttl = min(h.Ttl, maxTTL)
			if alike = alike && h.Ttl == section[0].Header().Ttl; i == 0 {
				life = min(life, h.Ttl)
				found = found || h.Rrtype == qtype
			}
		}
		if !alike {
			evenTTLs(section)
		}
	}
	if found && m.Rcode == dns.RcodeSuccess {
		return life
	}
	return min(life, negativeTTL(m))
}

// evenTTLs gives records of one set one TTL, the least (RFC 2181, 5.2).
func evenTTLs(section []dns.RR) {
	type set struct {
		name   string
		rrtype uint16
	}
	least := map[set]uint32{}
	for _, record := range section {
		h := record.Header()
		of := set{canonical(h.Name), h.Rrtype}
		if known, ok := least[of]; !ok || h.Ttl < known {
			least[of] = h.Ttl
		}
	}
	for _, record := range section {
		h := record.Header()
		h.Ttl = least[set{canonical(h.Name), h.Rrtype}]
	}
}

// negativeTTL is how long it may be believed that there is nothing (RFC 2308, 5), which the SOA then tells too. An answer
// without one is not kept.
func negativeTTL(m *dns.Msg) uint32 {
	for _, record := range m.Ns {
		if soa, ok := record.(*dns.SOA); ok {
			soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl, maxNegative)
			return soa.Hdr.Ttl
		}
	}
	return 0
}

func withoutOPT(records []dns.RR) []dns.RR {
	var rest []dns.RR
	for _, record := range records {
		if record.Header().Rrtype != dns.TypeOPT {
			rest = append(rest, record)
		}
	}
	return rest
}

// findTTLs walks over a message that we packed.
func findTTLs(wire []byte) (ttls []uint16, err error) {
	broken := errors.New("a packed answer cannot be read")
	at, ok := skipName(wire, headerLen)
	if !ok {
		return nil, broken
	}
	at += 4
	records := 0
	for i := 6; i < headerLen; i += 2 {
		records += int(binary.BigEndian.Uint16(wire[i:]))
	}
	for range records {
		if at, ok = skipName(wire, at); !ok || at+10 > len(wire) {
			return nil, broken
		}
		ttls = append(ttls, uint16(at+4))
		at += 10 + int(binary.BigEndian.Uint16(wire[at+8:]))
	}
	if at != len(wire) {
		return nil, broken
	}
	return ttls, nil
}

// equalFold compares names in presentation form, in which all bytes but ASCII are escaped.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// maxErrorText bounds the text of an extended error that is passed on, in bytes.
const maxErrorText = 128

// extendedErrors are those of a message, as options.
func extendedErrors(m *dns.Msg) (options []byte) {
	opt := m.IsEdns0()
	if opt == nil {
		return nil
	}
	for _, option := range opt.Option {
		if e, ok := option.(*dns.EDNS0_EDE); ok && len(options) < 2*maxErrorText {
			options = appendError(options, e.InfoCode, e.ExtraText[:min(len(e.ExtraText), maxErrorText)])
		}
	}
	return options
}

// appendError appends an option that says why (RFC 8914).
func appendError(options []byte, code uint16, text string) []byte {
	options = binary.BigEndian.AppendUint16(options, dns.EDNS0EDE)
	options = binary.BigEndian.AppendUint16(options, uint16(2+len(text)))
	options = binary.BigEndian.AppendUint16(options, code)
	return append(options, text...)
}
