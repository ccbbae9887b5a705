//go:build !windows

package resolver

import (
	"fmt"
	"sync"
	"syscall"
	"testing"

	"hither/resolver/socket"

	"github.com/miekg/dns"
)

// BenchmarkWire asks for cached names over UDP on loopback, from several clients with questions in flight; both sides run in
// this process, so that CPU us/op is what the two take.
func BenchmarkWire(b *testing.B) {
	s := &Server{Exchange: &upstream{say: records("300 IN A 192.0.2.1")}}
	at := serve(b, s)
	for i := range 100 {
		ask(b, s, query(fmt.Sprintf("host%d.example.com", i), dns.TypeA, nil))
	}
	before := cpu()
	b.ReportAllocs()
	b.ResetTimer()
	var clients sync.WaitGroup
	const parallel, window = 4, 25
	for c := range parallel {
		conn := dial(b, "udp", at)
		clients.Go(func() {
			var packets [window][]byte
			for i := range packets {
				packets[i] = packed(b, query(fmt.Sprintf("host%d.example.com", (c*window+i)%100), dns.TypeA, nil))
				_, _ = conn.Write(packets[i])
			}
			in := make([]byte, socket.PacketSize)
			for i := range b.N / parallel {
				if _, err := conn.Read(in); err != nil {
					return
				}
				_, _ = conn.Write(packets[i%window])
			}
		})
	}
	clients.Wait()
	b.ReportMetric(float64(cpu()-before)/1000/float64(b.N), "CPU-us/op")
}

// cpu is what this process has used, in ns.
func cpu() int64 {
	var use syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &use) != nil {
		return 0
	}
	return use.Utime.Nano() + use.Stime.Nano()
}
