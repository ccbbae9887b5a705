package resolver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/resolver"
	"hither/resolver/socket"
)

// oracle is an Exchanger that is a function.
type oracle func(q *dns.Msg) (*dns.Msg, error)

func (o oracle) Exchange(_ context.Context, q *dns.Msg) (*dns.Msg, error) { return o(q) }

// TestMemoryIsFlatUnderAFloodOfRandomNames asks for names that nobody has heard of, of which a third has an address, a
// third does not exist and a third fails. The second wave must not need more than the first did.
func TestMemoryIsFlatUnderAFloodOfRandomNames(t *testing.T) {
	const memory, wave = 256 << 10, 2000
	server := &resolver.Server{Memory: memory, Exchange: oracle(func(q *dns.Msg) (*dns.Msg, error) {
		a := &asked{Msg: q}
		switch q.Question[0].Name[0] % 3 {
		case 0:
			return a.answer("@ 3600 IN A 192.0.2.1"), nil
		case 1:
			return a.negative(dns.RcodeNameError, soa), nil
		}
		return nil, errors.New("nobody answers; this is a test")
	})}
	ctx, cancel := context.WithCancel(t.Context())
	sockets, err := socket.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, sockets) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	var heaps [3]uint64
	for i := range heaps {
		flood(t, sockets.Addr().String(), i*wave, wave)
		heaps[i] = heapInUse()
		if s := server.Stats(); s.Bytes > memory || s.Panics > 0 {
			t.Errorf("after %d names\ngot  %d bytes in memory, %d faults\nwant at most %d, and none", (i+1)*wave, s.Bytes, s.Panics, memory)
		}
	}
	const slack = 512 << 10 // the runtime's own
	if heaps[2] > heaps[0]+heaps[0]/10+slack {
		t.Errorf("heap after each wave\ngot  %d\nwant it flat", heaps)
	}
	if n := runtime.NumGoroutine(); n > 100 {
		t.Errorf("got  %d goroutines after the flood\nwant those that serve", n)
	}
}

// flood asks for count names over UDP, each once, from some sockets at the same time.
func flood(t *testing.T, addr string, from, count int) {
	t.Helper()
	const clients = 8
	var running sync.WaitGroup
	for c := range clients {
		running.Go(func() {
			conn, err := net.Dial("udp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			buf := make([]byte, 2048)
			for i := from + c; i < from+count; i += clients {
				name := fmt.Sprintf("%c%d.%s.example.", 'a'+i%3, i, strings.Repeat("x", 20))
				conn.SetDeadline(time.Now().Add(answerPatience))
				conn.Write(pack(question(name, dns.TypeA)))
				if _, err := conn.Read(buf); err != nil {
					t.Errorf("%s\ngot  %v\nwant an answer", name, err)
					return
				}
			}
		})
	}
	running.Wait()
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
