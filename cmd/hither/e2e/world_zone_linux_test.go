package e2e_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// zone is a name server that knows all names of a space.
type zone struct {
	mu      sync.Mutex
	records map[string][]dns.RR // by name, in lower case
	asked   map[string]int      // by name and type
}

const zoneSOA = "world.example. 60 IN SOA ns.world.example. root.world.example. 1 3600 600 86400 60"

// newZone answers at addr, by UDP and TCP, until the test ends.
func newZone(w *world, addr string) *zone {
	w.t.Helper()
	z := &zone{records: map[string][]dns.RR{}, asked: map[string]int{}}
	packets, err := net.ListenPacket("udp", addr)
	w.must(err)
	streams, err := net.Listen("tcp", addr)
	w.must(err)
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: z}, {Listener: streams, Handler: z}} {
		go func() { _ = server.ActivateAndServe() }() // it ends with the process of the test
	}
	return z
}

// add takes records as in a zone file.
func (z *zone) add(lines ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		made(err)
		name := strings.ToLower(rr.Header().Name)
		z.records[name] = append(z.records[name], rr)
	}
}

// Asked counts the questions of one name and type.
func (z *zone) Asked(name string, kind uint16) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked[name+" "+dns.TypeToString[kind]]
}

// ServeDNS implements dns.Handler.
func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	reply := new(dns.Msg).SetReply(q)
	reply.RecursionAvailable = true
	z.mu.Lock()
	z.answer(reply, q.Question[0])
	z.mu.Unlock()
	if len(reply.Answer) == 0 {
		soa, err := dns.NewRR(zoneSOA)
		made(err)
		reply.Ns = []dns.RR{soa}
	}
	size := dns.MinMsgSize
	if edns := q.IsEdns0(); edns != nil {
		size = int(edns.UDPSize())
		reply.SetEdns0(1232, edns.Do())
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		reply.Truncate(size)
	}
	_ = w.WriteMsg(reply)
}

// answer follows aliases.
func (z *zone) answer(reply *dns.Msg, q dns.Question) {
	name := strings.ToLower(q.Name)
	z.asked[name+" "+dns.TypeToString[q.Qtype]]++
	for range 8 {
		records, known := z.records[name]
		if !known {
			reply.Rcode = dns.RcodeNameError
		}
		next := ""
		for _, rr := range records {
			alias, isAlias := rr.(*dns.CNAME)
			if rr.Header().Rrtype == q.Qtype || isAlias {
				reply.Answer = append(reply.Answer, dns.Copy(rr))
			}
			if isAlias && q.Qtype != dns.TypeCNAME {
				next = strings.ToLower(alias.Target)
			}
		}
		if name = next; name == "" {
			return
		}
	}
}

// question is one of a space's, with EDNS(0) as the C library of today sends it.
func (s *space) question(server, network, name string, kind uint16) *dns.Msg {
	s.t.Helper()
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind).SetEdns0(1232, false)
	client := &dns.Client{Net: network, Timeout: 5 * time.Second}
	reply, _, err := client.ExchangeContext(s.t.Context(), q, server)
	if err != nil {
		s.t.Fatalf("ask %s for %s %s by %s: %v", server, name, dns.TypeToString[kind], network, err)
	}
	return reply
}

// says is what a server says of a name and type: code and records, without how long they hold.
func (s *space) says(server, network, name string, kind uint16) string {
	s.t.Helper()
	reply := s.question(server, network, name, kind)
	lines := []string{}
	for _, rr := range slices.Concat(reply.Answer, reply.Ns) {
		if rr = dns.Copy(rr); rr.Header().Ttl > 0 {
			rr.Header().Ttl = 1
		}
		lines = append(lines, rr.String())
	}
	slices.Sort(lines)
	return fmt.Sprintf("%s truncated %v\n%s", dns.RcodeToString[reply.Rcode], reply.Truncated, strings.Join(lines, "\n"))
}

// leads is the address that a server gives for a name.
func (s *space) leads(server, name string) string {
	s.t.Helper()
	return addressIn(s.question(server, "udp", name, dns.TypeA))
}

func addressIn(reply *dns.Msg) string {
	for _, rr := range reply.Answer {
		if a, ok := rr.(*dns.A); ok {
			return a.A.String()
		}
	}
	return dns.RcodeToString[reply.Rcode]
}
