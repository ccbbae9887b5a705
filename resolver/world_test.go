package resolver

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/hosts"
	"hither/resolver/socket"
)

// upstream answers as its functions say, and counts.
type upstream struct {
	asked atomic.Int64
	mu    sync.Mutex
	say   func(ctx context.Context, q *dns.Msg) (*dns.Msg, error)
	last  *dns.Msg
}

func (u *upstream) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	u.asked.Add(1)
	u.mu.Lock()
	say := u.say
	u.last = q.Copy()
	u.mu.Unlock()
	return say(ctx, q)
}

func (u *upstream) set(say func(ctx context.Context, q *dns.Msg) (*dns.Msg, error)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.say = say
}

func (u *upstream) got() *dns.Msg {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last
}

// records answers every question with these records of its name.
func records(lines ...string) func(context.Context, *dns.Msg) (*dns.Msg, error) {
	var parsed []dns.RR
	for _, line := range lines {
		parsed = append(parsed, record(line, "."))
	}
	return func(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
		m := new(dns.Msg).SetReply(q)
		for _, rr := range parsed {
			rr = dns.Copy(rr)
			rr.Header().Name = q.Question[0].Name
			m.Answer = append(m.Answer, rr)
		}
		return m, nil
	}
}

func record(line, name string) dns.RR {
	rr, err := dns.NewRR("placeholder. " + line)
	if err != nil {
		panic(err)
	}
	rr.Header().Name = name
	return rr
}

// nothing answers with rcode, and an SOA of the TTL and minimum.
func nothing(rcode int, ttl, minimum uint32) func(context.Context, *dns.Msg) (*dns.Msg, error) {
	return func(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
		m := new(dns.Msg).SetRcode(q, rcode)
		m.Ns = []dns.RR{&dns.SOA{Hdr: header("example.", dns.TypeSOA, ttl), Ns: "ns.example.", Mbox: "who.example.", Minttl: minimum}}
		return m, nil
	}
}

func fails(rcode int) func(context.Context, *dns.Msg) (*dns.Msg, error) {
	return func(_ context.Context, q *dns.Msg) (*dns.Msg, error) { return new(dns.Msg).SetRcode(q, rcode), nil }
}

// silent answers never.
func silent(ctx context.Context, _ *dns.Msg) (*dns.Msg, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// serve runs s on a free loopback port until the test ends.
func serve(tb testing.TB, s *Server) netip.AddrPort {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	sockets, err := socket.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, sockets) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	return sockets.Addr()
}

// query makes a question; edit may be nil.
func query(name string, qtype uint16, edit func(*dns.Msg)) *dns.Msg {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	if edit != nil {
		edit(q)
	}
	return q
}

// ask puts a question to s past its sockets, as a client at 127.0.0.1 over UDP.
func ask(tb testing.TB, s *Server, q *dns.Msg) *dns.Msg {
	tb.Helper()
	return askAs(tb, s, q, "127.0.0.1", ednsSize)
}

func askAs(tb testing.TB, s *Server, q *dns.Msg, client string, size int) *dns.Msg {
	tb.Helper()
	wire, err := q.Pack()
	if err != nil {
		tb.Fatal(err)
	}
	s.init()
	reply := roundTrip(tb.Context(), s, wire, client, size)
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		tb.Fatalf("the answer %x to %v cannot be read: %v", reply, q, err)
	}
	return m
}

type answers chan []byte

func (a answers) send(wire []byte) { a <- wire }

// roundTrip is what a packet gets; nil: silence.
func roundTrip(ctx context.Context, s *Server, wire []byte, client string, size int) []byte {
	a := asker{addr: netip.AddrPortFrom(netip.MustParseAddr(client), 4444), net: "udp", size: size, when: s.now()}
	if !s.serves(&a, netip.MustParseAddr("127.0.0.1")) {
		return nil
	}
	reply, done := s.quick(nil, new(question), wire, &a)
	if done {
		return reply
	}
	to := make(answers, 1)
	s.slowly(ctx, wire, a, to)
	return <-to
}

// dial opens a client's socket.
func dial(tb testing.TB, network string, at netip.AddrPort) net.Conn {
	tb.Helper()
	conn, err := net.Dial(network, at.String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

func writeHosts(tb testing.TB, lines string) *hosts.File {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "hosts")
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		tb.Fatal(err)
	}
	return &hosts.File{Path: path}
}
