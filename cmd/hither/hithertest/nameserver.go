package hithertest

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// NameServer answers 192.0.2.1 for every name until the test ends, those that begin with slow so late. It returns where.
func NameServer(t testing.TB, late time.Duration) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	Must(t, err)
	srv := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if strings.HasPrefix(q.Question[0].Name, "slow") {
			<-time.After(late)
		}
		rr, _ := dns.NewRR(q.Question[0].Name + " 60 IN A 192.0.2.1")
		reply := new(dns.Msg).SetReply(q)
		reply.Answer = append(reply.Answer, rr)
		_ = w.WriteMsg(reply)
	})}
	go func() { _ = srv.ActivateAndServe() }() // it ends with the test
	t.Cleanup(func() { _ = srv.Shutdown() })
	return conn.LocalAddr().String()
}
