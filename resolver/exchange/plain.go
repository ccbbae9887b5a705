package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// patience is for one whole exchange with a server. Stubs give up or repeat themselves after 5 s.
	patience = 2500 * time.Millisecond
	// resend is when a silent server is asked again; the gap doubles. Without it one lost packet costs all of patience.
	resend = 600 * time.Millisecond
	// silence is when a server that says nothing over UDP is asked over TCP too: some networks drop the one and not the
	// other.
	silence = time.Second
	// maxWrong is how many wrong replies one exchange over UDP stands. Then somebody guesses our ids, and TCP is safer.
	maxWrong = 3
	// maxLetters bounds how often one exchange sends its question from another port because a client asks again.
	maxLetters = 4
	// bareAge is how long a server is asked without EDNS after it did not understand it.
	bareAge = 15 * time.Minute
)

// errForged says that an exchange over UDP is being interfered with.
var errForged = errors.New("sends wrong replies, or somebody forges them")

// Plain asks one server over UDP, and over TCP when the reply does not fit, when nobody answers for a second, or when
// three replies were wrong. Each question leaves from a port of its own under a random id. A reply that does not repeat
// the id and the question byte for byte is passed over and the wait goes on: giving up on the first wrong packet would
// let anyone who can send one stop us (RFC 5452).
//
// Those made by [NewPlain] keep their TCP connection open for the next question (RFC 7766) and remember a server that
// does not know EDNS; they may be copied, and copies share both. Others open a connection each time.
type Plain struct {
	Server  netip.AddrPort
	Timeout time.Duration // for one exchange; 0: 2.5 s

	past *past
}

// past is what is kept of a server between exchanges.
type past struct {
	tcp  *warm
	mu   sync.Mutex
	bare time.Time // until then it is asked without EDNS
}

// NewPlain makes a Plain whose connection is kept. Close ends it.
func NewPlain(server netip.AddrPort) Plain {
	p := Plain{Server: server}
	p.past = &past{tcp: &warm{open: func(ctx context.Context) (carrier, error) { return dialPipe(ctx, server) }}}
	return p
}

// Exchange implements [Exchanger]. The hop's own things in q (EDNS size and options) are replaced by ours. If the reply
// is cut short and TCP fails, the short one is returned with its Truncated bit.
func (p Plain) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(withAllowance(ctx), cmp.Or(p.Timeout, patience))
	defer cancel()
	as := p.past.envelope()
	reply, err := p.ask(ctx, q, as)
	if err == nil && as == open && beforeEDNS(reply) {
		if reply, err = p.ask(ctx, q, bare); err == nil && !beforeEDNS(reply) {
			p.past.noEDNS()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("name server %s: %w", p.Server, err)
	}
	return readdress(reply, q), nil
}

// String names the server.
func (p Plain) String() string { return p.Server.String() }

// Forget closes the connection and takes the server for an unknown one: the network is another one now.
func (p Plain) Forget() {
	if p.past != nil {
		p.past.tcp.forget()
		p.past.mu.Lock()
		p.past.bare = time.Time{}
		p.past.mu.Unlock()
	}
}

// Close ends what is being asked over TCP.
func (p Plain) Close() error {
	if p.past == nil {
		return nil
	}
	return p.past.tcp.Close()
}

// beforeEDNS says whether a reply may mean that the server does not know EDNS (RFC 6891, 7). One that knows it shows it.
func beforeEDNS(reply *dns.Msg) bool {
	return reply.IsEdns0() == nil && (reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented)
}

func (p *past) envelope() envelope {
	if p == nil {
		return open
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.bare) {
		return bare
	}
	return open
}

func (p *past) noEDNS() {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.bare = time.Now().Add(bareAge)
	}
}

func (p Plain) ask(ctx context.Context, q *dns.Msg, as envelope) (*dns.Msg, error) {
	if !p.Server.IsValid() {
		return nil, errors.New("has no address; name one in the setting dns")
	}
	ctx, cancel := context.WithCancel(ctx)
	e := effort{Plain: p, q: q, as: as, results: make(chan outcome, maxLetters+1)}
	defer e.running.Wait()
	defer cancel()
	if err := e.send(ctx); err != nil {
		return nil, err
	}
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	again := resends(ctx)
	for {
		select {
		case o := <-e.results:
			if e.settle(ctx, o) {
				return e.best(ctx)
			}
		case <-quiet.C:
			e.call(ctx)
		case _, ok := <-again:
			if !ok {
				again = nil
			} else if err := e.send(ctx); err != nil {
				return nil, err
			}
		}
	}
}

// effort is one question to one server by all ways.
type effort struct {
	Plain
	q       *dns.Msg
	as      envelope
	results chan outcome // has room for all that are started
	running sync.WaitGroup
	letters int
	waiting int
	called  bool     // over TCP
	short   *dns.Msg // cut, but better than none
	whole   *dns.Msg
	errs    []error
}

// send starts another letter over UDP, with an id and a port of its own.
func (e *effort) send(ctx context.Context) error {
	if e.letters == maxLetters {
		return nil
	}
	l, err := write(e.q, e.as)
	if err != nil {
		return err
	}
	e.letters++
	e.waiting++
	e.running.Go(func() {
		reply, err := e.overUDP(ctx, l)
		e.results <- outcome{reply, err}
	})
	return nil
}

// call asks over TCP, once.
func (e *effort) call(ctx context.Context) {
	if e.called {
		return
	}
	e.called = true
	e.waiting++
	e.running.Go(func() {
		reply, err := e.overTCP(ctx, e.q, e.as)
		e.results <- outcome{reply, err}
	})
}

// settle takes one outcome in and says whether that was all.
func (e *effort) settle(ctx context.Context, o outcome) bool {
	e.waiting--
	switch {
	case o.err == nil && !o.reply.Truncated:
		e.whole = o.reply
		return true
	case o.err == nil:
		e.short = o.reply
		e.call(ctx)
	case errors.Is(o.err, errForged):
		e.errs = append(e.errs, o.err)
		e.call(ctx)
	default:
		e.errs = append(e.errs, o.err)
	}
	return e.waiting == 0
}

func (e *effort) best(ctx context.Context) (*dns.Msg, error) {
	if reply := cmp.Or(e.whole, e.short); reply != nil {
		return reply, nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, late(ctx, ctx.Err())
	}
	return nil, errors.Join(e.errs...)
}

// overUDP sends the letter, again while nobody answers, until ctx ends.
func (p Plain) overUDP(ctx context.Context, l letter) (*dns.Msg, error) {
	socket, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(p.Server)) // on a port that the kernel picks
	if err != nil {
		return nil, late(ctx, err)
	}
	buf, _ := inboxes.Get().(*[inboxSize]byte)
	defer inboxes.Put(buf)
	inbox := inbox{conn: socket, buf: buf[:], left: maxWrong}
	defer inbox.conn.Close()
	stop := context.AfterFunc(ctx, func() { inbox.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	for gap := resend; ; gap *= 2 {
		if !maySend(ctx, "udp", p.Server) {
			gap = patience // what was sent before may still be answered
		} else if _, err := inbox.conn.Write(l.wire); err != nil {
			return nil, late(ctx, err)
		}
		reply, err := inbox.listen(ctx, l, time.Now().Add(gap))
		if err == nil || ctx.Err() != nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return reply, late(ctx, err)
		}
	}
}

var inboxes = sync.Pool{New: func() any { return new([inboxSize]byte) }}

// inbox is a socket on which one reply is awaited.
type inbox struct {
	conn net.Conn
	buf  []byte
	left int // wrong replies that are stood
}

// listen waits for the reply to l and passes over everything else, but not for ever.
func (i *inbox) listen(ctx context.Context, l letter, until time.Time) (*dns.Msg, error) {
	i.conn.SetReadDeadline(until)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
		n, err := i.conn.Read(i.buf)
		if err != nil {
			return nil, err
		}
		if reply, ok := l.answered(i.buf[:n]); ok {
			return reply, nil
		}
		if i.left--; i.left == 0 {
			return nil, errForged
		}
	}
}

// overTCP asks on the connection that is kept, or on one for this question alone.
func (p Plain) overTCP(ctx context.Context, q *dns.Msg, as envelope) (*dns.Msg, error) {
	l, err := write(q, as)
	if err != nil {
		return nil, err
	}
	if p.past != nil {
		return p.past.tcp.ask(ctx, l)
	}
	conn, err := dialPipe(ctx, p.Server)
	if err != nil {
		return nil, err
	}
	defer conn.close()
	return conn.ask(ctx, l)
}

func dialPipe(ctx context.Context, server netip.AddrPort) (carrier, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server.String())
	if err != nil {
		return nil, late(ctx, err)
	}
	return newPipe(conn), nil
}

// late says that nobody answered, if that is why.
func late(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("does not answer; look whether this machine is online: %w", context.DeadlineExceeded)
	}
	return cmp.Or(ctx.Err(), err)
}
