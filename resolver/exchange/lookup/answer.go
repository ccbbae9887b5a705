package lookup

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange/chain"
)

// maxAddrs bounds what is taken of one answer: more are not tried anyway.
const maxAddrs = 16

// found is what the servers say of one name: addresses, or err. An err that wraps ErrNotFound is an answer too.
type found struct {
	addrs []netip.Addr
	ttl   time.Duration // of the shortest-lived record used
	err   error
}

// with joins what the two families found.
func (f found) with(other found) found {
	switch {
	case len(f.addrs) > 0 && len(other.addrs) > 0:
		return found{addrs: append(f.addrs, other.addrs...), ttl: min(f.ttl, other.ttl)}
	case len(f.addrs) > 0:
		if !errors.Is(other.err, ErrNotFound) {
			f.ttl = 0 // half an answer: asked again soon
		}
		return f
	case len(other.addrs) > 0:
		return other.with(f)
	case errors.Is(f.err, ErrNotFound) && !errors.Is(other.err, ErrNotFound):
		return other // one family's "none" says nothing about the other
	}
	return f
}

// read takes the addresses of name out of a reply: what stands at the end of the chain of aliases that begins at name.
// Records beside the chain are passed over; nobody asked for them.
func read(reply *dns.Msg, name string, qtype uint16) found {
	host := strings.TrimSuffix(name, ".")
	switch reply.Rcode {
	case dns.RcodeSuccess:
	case dns.RcodeNameError:
		return found{err: fmt.Errorf("%s: %w", host, ErrNotFound)}
	default:
		return found{err: fmt.Errorf("look up %s: the name server says %s", host, rcode(reply.Rcode))}
	}
	end, ttl := chase(reply.Answer, name)
	var f found
	for _, record := range reply.Answer {
		h := record.Header()
		if h.Rrtype != qtype || h.Class != dns.ClassINET || !strings.EqualFold(h.Name, end) || len(f.addrs) == maxAddrs {
			continue
		}
		if addr := address(record); addr.IsValid() {
			f.addrs, ttl = append(f.addrs, addr), min(ttl, seconds(h.Ttl))
		}
	}
	if len(f.addrs) == 0 && reply.Truncated {
		return found{err: fmt.Errorf("look up %s: the name server's reply was cut short, and TCP did not bring the rest", host)}
	}
	if len(f.addrs) == 0 {
		return found{err: fmt.Errorf("%s has no address: %w", host, ErrNotFound)}
	}
	f.ttl = ttl
	return f
}

// chase follows the aliases of name and returns the last name with the shortest life on the way.
func chase(records []dns.RR, name string) (string, time.Duration) {
	ttl := maxFresh
	for range chain.Max {
		next := chain.Next(records, name)
		if next == nil {
			break
		}
		name, ttl = next.Target, min(ttl, seconds(next.Hdr.Ttl))
	}
	return name, ttl
}

// address is invalid for anything but an A or AAAA record.
func address(record dns.RR) netip.Addr {
	var addr netip.Addr
	switch r := record.(type) {
	case *dns.A:
		addr, _ = netip.AddrFromSlice(r.A)
	case *dns.AAAA:
		addr, _ = netip.AddrFromSlice(r.AAAA)
	}
	return addr.Unmap()
}

// seconds reads a TTL; one with the highest bit set is 0 (RFC 2181, 8).
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

func rcode(code int) string {
	if name, ok := dns.RcodeToString[code]; ok {
		return name
	}
	return fmt.Sprintf("RCODE%d", code)
}
