package resolver_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hither/resolver"
	"hither/resolver/exchange"
	"hither/resolver/exchange/group"
	"hither/resolver/exchange/nameserver"
	"hither/resolver/socket"
)

// answerPatience is more than the 2.5 s in which each question has to be answered, and less than the 5 s after which stubs
// give up.
const answerPatience = 4500 * time.Millisecond

// ours is the name that is intercepted in every world, and where it leads.
const ours = "registry.npmjs.org."

var ourAddr = netip.MustParseAddr("127.0.0.9")

// world is one resolver with one upstream, and a client that speaks over one transport.
type world struct {
	tb      testing.TB // for what is broken beside the resolver
	network string     // udp or tcp
	up      *upstream
	addr    string // of the resolver

	mu     sync.Mutex
	asked  []dns.Question // what the resolver asked for upstream, without the repetitions of who asks
	wrong  string         // what was wrong first; empty: nothing
	skew   atomic.Int64   // of the resolver's clock, in ns
	names  atomic.Pointer[resolver.Names]
	cancel context.CancelFunc
	ended  chan struct{}
}

// newWorld starts it all. The upstream is helpful until it is told otherwise. The caller closes it.
func newWorld(tb testing.TB, network string) *world {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &world{tb: tb, network: network, up: startUpstream(tb, helpful), cancel: cancel, ended: make(chan struct{})}
	w.names.Store(resolver.NewNames([]string{ours, "Proxy.GoLang.Example"}, ourAddr, netip.Addr{}))
	one, err := nameserver.Parse(w.up.Addr.String(), nameserver.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	server := &resolver.Server{
		Names:    w.names.Load,
		Exchange: &counter{Exchanger: &group.Group{Upstreams: []exchange.Exchanger{one}}, world: w},
		Now:      func() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) },
		Log:      slog.New(slog.DiscardHandler),
	}
	sockets, err := socket.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	w.addr = sockets.Addr().String()
	go func() {
		defer close(w.ended)
		server.Serve(ctx, sockets)
	}()
	return w
}

// counter counts what a resolver asks for. How often it is sent is another question, to which the upstream knows the answer.
type counter struct {
	exchange.Exchanger
	world *world
}

func (c *counter) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	c.world.mu.Lock()
	c.world.asked = append(c.world.asked, q.Question[0])
	c.world.mu.Unlock()
	return c.Exchanger.Exchange(ctx, q)
}

// count is how often the resolver asked upstream for a name and type, in any letter case.
func (w *world) count(name string, kind uint16) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.asked {
		if strings.EqualFold(q.Name, name) && q.Qtype == kind {
			n++
		}
	}
	return n
}

// total is how often it asked for anything.
func (w *world) total() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked)
}

func (w *world) close() {
	w.up.close()
	w.cancel()
	<-w.ended
}

// failf ends the row, or one of its goroutines.
func (w *world) failf(format string, args ...any) {
	w.mu.Lock()
	if w.wrong == "" {
		w.wrong = fmt.Sprintf(format, args...)
	}
	w.mu.Unlock()
	runtime.Goexit()
}

// pass lets the resolver's clock run ahead.
func (w *world) pass(d time.Duration) { w.skew.Add(int64(d)) }

// same ends the row if two things differ.
func same[T comparable](w *world, what string, got, want T) {
	if got != want {
		w.failf("%s\ngot  %v\nwant %v", what, got, want)
	}
}

// becomes ends the row if a thing is not in time what another goroutine makes of it.
func becomes[T comparable](w *world, what string, got func() T, want T) {
	for end := time.Now().Add(answerPatience); got() != want && time.Now().Before(end); {
		w.rest(time.Millisecond)
	}
	same(w, what, got(), want)
}

// question makes one as a stub would.
func question(name string, kind uint16, change ...func(*dns.Msg)) *dns.Msg {
	q := new(dns.Msg).SetQuestion(name, kind)
	for _, f := range change {
		f(q)
	}
	return q
}

func withEDNS(size uint16) func(*dns.Msg) { return func(q *dns.Msg) { q.SetEdns0(size, false) } }

func withDO(q *dns.Msg) { q.SetEdns0(1232, true) }

func withCD(q *dns.Msg) { q.CheckingDisabled = true }

func withAD(q *dns.Msg) { q.AuthenticatedData = true }

func withOption(option dns.EDNS0) func(*dns.Msg) {
	return func(q *dns.Msg) {
		if q.IsEdns0() == nil {
			q.SetEdns0(1232, false)
		}
		q.IsEdns0().Option = append(q.IsEdns0().Option, option)
	}
}

// ask asks and wants a well formed answer to just that.
func (w *world) ask(name string, kind uint16, change ...func(*dns.Msg)) *dns.Msg {
	return w.askMsg(question(name, kind, change...))
}

func (w *world) askMsg(q *dns.Msg) *dns.Msg {
	reply := w.read(w.raw(pack(q)))
	same(w, "id of the answer", reply.Id, q.Id)
	if !bytes.Equal(questionOf(reply), questionOf(q)) {
		w.failf("question of the answer\ngot  %v\nwant %v", reply.Question, q.Question)
	}
	return reply
}

// questionOf is the question section as it is sent: one name can be written in several ways.
func questionOf(m *dns.Msg) []byte { return pack(&dns.Msg{Question: m.Question}) }

// read unpacks an answer, all of it.
func (w *world) read(packet []byte) *dns.Msg {
	reply := new(dns.Msg)
	if err := reply.Unpack(packet); err != nil {
		w.failf("answer\ngot  %x (%v)\nwant a DNS message", packet, err)
	}
	return reply
}

// raw sends some bytes over a connection of their own, and wants one answer, whatever it is.
func (w *world) raw(packet []byte) []byte {
	reply, err := w.try(packet, answerPatience)
	if err != nil {
		w.failf("got  no answer: %v\nwant one", err)
	}
	return reply
}

// mute wants that nothing comes back for some bytes, and that the next question is answered. Half of a second is long for
// an answer from memory.
func (w *world) mute(packet []byte) {
	if reply, err := w.try(packet, time.Second/2); err == nil {
		w.failf("got  %x\nwant silence", reply)
	}
	w.alive()
}

// alive wants that the resolver still answers.
func (w *world) alive() {
	w.up.follow(helpful)
	same(w, "rcode of a plain question afterwards", w.ask("alive.example.", dns.TypeA).Rcode, dns.RcodeSuccess)
}

func (w *world) try(packet []byte, patience time.Duration) ([]byte, error) {
	conn := w.dial()
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if w.network == "tcp" {
		if _, err := conn.Write(framed(packet)); err != nil {
			return nil, err
		}
		return readFramed(conn)
	}
	if _, err := conn.Write(packet); err != nil {
		return nil, err
	}
	buf := make([]byte, 64<<10)
	n, err := conn.Read(buf)
	return buf[:n], err
}

func (w *world) dial() net.Conn {
	conn, err := net.Dial(w.network, w.addr)
	if err != nil {
		w.failf("got  no connection: %v\nwant one", err)
	}
	return conn
}

// rcode names the outcome of a message.
func rcode(m *dns.Msg) string { return dns.RcodeToString[m.Rcode] }

// lines are the records, sorted, without their TTLs, each as in "reg.example. A 192.0.2.1".
func lines(records []dns.RR) string {
	var out []string
	for _, rr := range records {
		if rr.Header().Rrtype == dns.TypeOPT {
			continue
		}
		fields := strings.Fields(rr.String())
		out = append(out, strings.Join(append([]string{fields[0]}, fields[3:]...), " "))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// ede are the codes of the extended errors in a message (RFC 8914).
func ede(m *dns.Msg) (codes []uint16) {
	if opt := m.IsEdns0(); opt != nil {
		for _, option := range opt.Option {
			if e, ok := option.(*dns.EDNS0_EDE); ok {
				codes = append(codes, e.InfoCode)
			}
		}
	}
	return codes
}

// header makes the twelve bytes in front of a question: id 0x1234, RD, and four counts.
func header(counts ...byte) []byte {
	out := []byte{0x12, 0x34, 0x01, 0x00, 0, 0, 0, 0, 0, 0, 0, 0}
	for i, n := range counts {
		out[5+2*i] = n
	}
	return out
}

// another is a second server on loopback, for somebody else. The row closes it.
func (w *world) another() *upstream { return startUpstream(w.tb, silent) }

// rest waits, for what happens in real time.
func (w *world) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}
