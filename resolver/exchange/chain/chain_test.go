package chain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestPrune(t *testing.T) {
	tests := map[string]struct {
		qtype             uint16
		answer, ns, extra string // records with semicolons between
		want              string // owner and type of what stays
	}{
		"a chain in any order and letter case": {dns.TypeA, "b.other. A 192.0.2.1; a.example. CNAME B.Other.; Reg.example. CNAME a.example.", "", "",
			"b.other. A, a.example. CNAME, Reg.example. CNAME"},
		"a chain that bites itself ends":     {dns.TypeA, "reg.example. CNAME a.example.; a.example. CNAME reg.example.", "", "", "reg.example. CNAME, a.example. CNAME"},
		"a DNAME stays with what it makes":   {dns.TypeA, "example. DNAME other.; reg.example. CNAME reg.other.; reg.other. A 192.0.2.1", "", "", "example. DNAME, reg.example. CNAME, reg.other. A"},
		"the SOA of the chain's last zone":   {dns.TypeA, "reg.example. CNAME a.other.", "other. SOA ns. m. 1 1 1 1 1; bank. SOA ns. m. 1 1 1 1 1", "", "reg.example. CNAME, other. SOA"},
		"proofs of absence stay":             {dns.TypeA, "", "example. SOA ns. m. 1 1 1 1 1; q.example. NSEC z.example. A", "", "example. SOA, q.example. NSEC"},
		"what an answer points to stays":     {dns.TypeMX, "reg.example. MX 1 mail.other.", "", "mail.other. A 192.0.2.1; bank. A 203.0.113.66", "reg.example. MX, mail.other. A"},
		"another class is another question":  {dns.TypeA, "reg.example. CH A 192.0.2.1", "", "", ""},
		"asked for the alias, it ends there": {dns.TypeCNAME, "reg.example. CNAME a.example.; a.example. A 192.0.2.1", "", "", "reg.example. CNAME"},
	}
	for name, test := range tests {
		reply := new(dns.Msg).SetQuestion("reg.example.", test.qtype)
		reply.Answer, reply.Ns, reply.Extra = records(t, test.answer), records(t, test.ns), records(t, test.extra)
		Prune(reply)
		var left []string
		for _, section := range [][]dns.RR{reply.Answer, reply.Ns, reply.Extra} {
			for _, r := range section {
				left = append(left, fmt.Sprint(r.Header().Name, " ", dns.TypeToString[r.Header().Rrtype]))
			}
		}
		if got := strings.Join(left, ", "); got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", name, got, test.want)
		}
	}
}

func records(t *testing.T, text string) (out []dns.RR) {
	t.Helper()
	for line := range strings.SplitSeq(text, ";") {
		r, err := dns.NewRR(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		if r != nil {
			out = append(out, r)
		}
	}
	return out
}
