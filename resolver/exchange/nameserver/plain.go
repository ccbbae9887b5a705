package nameserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
	"hither/resolver/exchange/letter"
)

const (
	// resend is when a silent server is asked again; the gap doubles. Without it one lost packet costs all of patience.
	resend = 600 * time.Millisecond
	// prompt is how long the reply is awaited without more ado. Nearly all come by then, and cost no goroutine.
	prompt = 250 * time.Millisecond
	// silence is when a server that says nothing over UDP is asked over TCP too: some networks drop the one and not the
	// other.
	silence = time.Second
	// forWhole is how long TCP has at most for what did not fit, if its packets are dropped. By then a lost SYN has been sent again, and
	// a client who is told that its answer is short has time to ask over TCP, too.
	forWhole = 1300 * time.Millisecond
	// maxWrong is how many wrong replies one exchange over UDP stands. Then somebody guesses our ids, and TCP is safer.
	maxWrong = 3
	// maxLetters bounds how often one exchange sends its question from another port because a client asks again.
	maxLetters = 4
	// bareAge is how long a server is asked without EDNS after it did not understand it, or was silent to it.
	bareAge = 15 * time.Minute
	// lowerAge is how long a server is asked in lower case after it answered in another letter case than it was asked in.
	lowerAge = 15 * time.Minute
)

// errForged says that an exchange over UDP is being interfered with.
var errForged = errors.New("sends wrong replies, or somebody forges them")

// errLetterCase says that a reply over UDP was right but for the letter case of its question.
var errLetterCase = errors.New("answers in another letter case than it was asked in")

// hint says whether err is of a reply over UDP that was nearly right. The right one may follow if that was forged, but there is a
// better way to ask.
func hint(err error) bool { return errors.Is(err, errLetterCase) || errors.Is(err, letter.ErrGarbled) }

// errEnough says that one question has gone to a server as often as it may.
var errEnough = errors.New("was asked often enough, and did not answer")

// Plain asks one server over UDP, and over TCP when the reply does not fit or cannot be read, when nobody answers for a second,
// or when three replies were wrong. Each question leaves from a port of its own under a random id. A reply that does not repeat
// the id and the question byte for byte is passed over and the wait goes on: giving up on the first wrong packet would
// let anyone who can send one stop us (RFC 5452).
//
// Some routers, however, answer in lower case whatever they are asked. So a reply that is right in all but that has the question
// go out in lower case too, from another port under another id, to which the reply must be byte for byte again: that is as hard to
// forge as the reply to any client that does not mix letter case by itself. Over TCP letter case means nothing.
//
// Other routers drop what has EDNS. So what is sent after silence, and the last that may be sent, goes without, until the server
// has been seen to use EDNS: behind that, packets merely get lost. The question of a validator (DO), to whom an answer without is
// of no use, goes without only beside one with, to a server that has answered another one so.
//
// Those made by [NewPlain] keep their TCP connection open for the next question (RFC 7766), keep UDP sockets, which move
// to another port for each question, and remember a server that does not know EDNS, or does not keep letter case; they may be
// copied, and copies share all that. Others open what they need each time.
type Plain struct {
	Server  netip.AddrPort
	Timeout time.Duration // for one exchange; 0: 2.5 s

	past *past
}

// past is what is kept of a server between exchanges.
type past struct {
	tcp    *warm
	mu     sync.Mutex
	bare   time.Time // until then it is asked without EDNS
	knows  bool      // it has used EDNS over UDP
	silent bool      // it has not, and has answered only questions without
	lower  time.Time // until then it is asked in lower case
	idle   []*inbox  // the last one is taken first
	closed bool
}

// outcome is what became of one question.
type outcome struct {
	reply *dns.Msg
	err   error
}

// NewPlain makes a Plain whose connection is kept. Close ends it.
func NewPlain(server netip.AddrPort) Plain {
	p := Plain{Server: server}
	p.past = &past{tcp: &warm{open: func(ctx context.Context) (carrier, error) { return dialPipe(ctx, server) }}}
	return p
}

// Exchange implements [exchange.Exchanger]. The hop's own things in q (EDNS size and options) are replaced by ours. If the reply
// is cut short and TCP fails or is silent, the short one is returned with its Truncated bit.
func (p Plain) Exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := exchange.Within(exchange.WithAllowance(ctx), cmp.Or(p.Timeout, exchange.Patience))
	defer cancel()
	as := p.past.envelope(q)
	reply, err := p.ask(ctx, q, as)
	if err == nil && as != letter.Bare && beforeEDNS(reply) {
		if reply, err = p.ask(ctx, q, letter.Bare); err == nil && !beforeEDNS(reply) {
			p.past.noEDNS()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("name server %s: %w", p.Server, err)
	}
	return letter.Readdress(reply, q, letter.OfThisMachine(p.Server.Addr())), nil
}

// String names the server.
func (p Plain) String() string { return p.Server.String() }

// Forget closes the connection and takes the server for an unknown one: the network is another one now.
func (p Plain) Forget() {
	if p.past != nil {
		p.past.tcp.forget()
		p.past.clear(false)
	}
}

// Close ends what is being asked over TCP.
func (p Plain) Close() error {
	if p.past == nil {
		return nil
	}
	p.past.clear(true)
	return p.past.tcp.Close()
}

func (p *past) clear(closed bool) {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.bare, p.lower, p.closed = nil, time.Time{}, time.Time{}, p.closed || closed
	p.knows, p.silent = false, false
	p.mu.Unlock()
	for _, box := range idle {
		box.conn.Close()
	}
}

// beforeEDNS says whether a reply may mean that the server does not know EDNS (RFC 6891, 7). One that knows it shows it.
func beforeEDNS(reply *dns.Msg) bool {
	return reply.IsEdns0() == nil && (reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented)
}

// validates says whether an answer to q is of use only with EDNS.
func validates(q *dns.Msg) bool {
	opt := q.IsEdns0()
	return opt != nil && opt.Do()
}

func (p *past) envelope(q *dns.Msg) letter.Envelope {
	if p == nil {
		return letter.Open
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	lately := time.Now().Before(p.bare)
	switch {
	case p.silent && (!lately || validates(q)):
		return letter.Either
	case lately:
		return letter.Bare
	}
	return letter.Open
}

// learn takes in a reply over UDP to a question with EDNS, or to one without that went after or beside such a one.
func (p *past) learn(reply *dns.Msg, toEDNS bool) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case toEDNS && reply.IsEdns0() != nil:
		p.knows, p.silent, p.bare = true, false, time.Time{}
	case !toEDNS && !p.knows:
		p.silent, p.bare = true, time.Now().Add(bareAge)
	}
}

func (p *past) knowsEDNS() bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.knows
}

func (p *past) noEDNS() {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.bare = time.Now().Add(bareAge)
	}
}

func (p *past) lowerCase() bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Before(p.lower)
}

func (p *past) noLetterCase() {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.lower = time.Now().Add(lowerAge)
	}
}

// ask sends a letter and takes its reply, if that comes soon and is whole. If not, an effort goes on with it.
func (p Plain) ask(ctx context.Context, q *dns.Msg, as letter.Envelope) (*dns.Msg, error) {
	if !p.Server.IsValid() {
		return nil, errors.New("has no address; name one in the setting dns")
	}
	known := p.past.lowerCase()
	e := effort{Plain: p, q: q, as: as, lower: known, begin: time.Now()}
	l, box, err := e.post(ctx)
	if err != nil {
		return nil, late(ctx, err)
	}
	var o outcome
	if box != nil {
		if o.reply, o.err = e.await(ctx, l, box, e.begin.Add(prompt)); o.err == nil && !o.reply.Truncated {
			p.past.keep(box)
			return o.reply, nil
		}
	}
	reply, err := e.persist(ctx, l, box, o)
	if err == nil && !known && inAnotherCase(reply.Question[0].Name, q.Question[0].Name) {
		p.past.noLetterCase()
	}
	return reply, err
}

func inAnotherCase(a, b string) bool { return a != b && strings.EqualFold(a, b) }

// overTCP asks on the connection that is kept, or on one for this question alone.
func (p Plain) overTCP(ctx context.Context, q *dns.Msg, as letter.Envelope) (*dns.Msg, error) {
	l, err := letter.Write(q, as)
	if err != nil {
		return nil, err
	}
	if !exchange.MaySend(ctx, "tcp", p.Server) {
		return nil, errEnough
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

// left is the time that ctx has.
func left(ctx context.Context) time.Duration {
	if at, limited := ctx.Deadline(); limited {
		return time.Until(at)
	}
	return exchange.Patience
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
