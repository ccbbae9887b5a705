package nameserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange/letter"
)

const (
	// pipeIdle is how long a connection without questions is kept (RFC 7766, 6.2.3: a few seconds at the least).
	pipeIdle = 30 * time.Second
	// pipeWrite is how long a write may block before the connection is given up.
	pipeWrite = 5 * time.Second
	// maxPipelined bounds the questions waiting on one connection.
	maxPipelined = 4096
	// maxUnasked is how many messages without a question a server may send us before we hang up.
	maxUnasked = 64
	// maxBatch bounds what is written in one go, in bytes.
	maxBatch = 16 << 10
)

var errPipeFull = errors.New("too many questions wait on one connection")

// pipe is a connection on which questions overtake each other: TCP (RFC 7766, 6.2.1.1) or TLS over it (RFC 7858). Whoever
// makes one closes it.
type pipe struct {
	conn    net.Conn
	out     chan []byte
	broken  chan struct{} // closed when err stands
	running sync.WaitGroup

	mu      sync.Mutex
	waiting map[uint16]waiter
	last    time.Time // when the server last answered
	unasked int
	err     error
}

type waiter struct {
	letter letter.Letter
	reply  chan outcome // has room for the one reply
}

func newPipe(conn net.Conn) *pipe {
	p := &pipe{
		conn: conn, out: make(chan []byte, 16), broken: make(chan struct{}), waiting: map[uint16]waiter{}, last: time.Now(),
	}
	conn.SetReadDeadline(time.Now().Add(pipeIdle))
	p.running.Go(p.reads)
	p.running.Go(p.writes)
	return p
}

// ask implements carrier.
func (p *pipe) ask(ctx context.Context, l letter.Letter) (*dns.Msg, error) {
	w, err := p.enlist(l)
	if err != nil {
		return nil, err
	}
	defer p.dismiss(w)
	select {
	case p.out <- w.letter.Framed():
	case <-p.broken:
		return nil, p.why()
	case <-ctx.Done():
		return nil, late(ctx, ctx.Err())
	}
	return p.await(ctx, w)
}

// await is the reply, also where the connection ended right behind it, as it does at servers that answer once.
func (p *pipe) await(ctx context.Context, w waiter) (*dns.Msg, error) {
	var err error
	select {
	case o := <-w.reply:
		return o.reply, o.err
	case <-p.broken:
		err = p.why()
	case <-ctx.Done():
		err = late(ctx, ctx.Err())
	}
	select {
	case o := <-w.reply: // select takes any that is ready
		return o.reply, o.err
	default:
		return nil, err
	}
}

// enlist gives the letter a random id that no other question on the connection has.
func (p *pipe) enlist(l letter.Letter) (waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return waiter{}, p.err
	}
	if len(p.waiting) >= maxPipelined {
		return waiter{}, errPipeFull
	}
	id := dns.Id()
	for _, taken := p.waiting[id]; taken; _, taken = p.waiting[id] {
		id++
	}
	w := waiter{letter: l.Under(id), reply: make(chan outcome, 1)}
	p.waiting[id] = w
	p.conn.SetReadDeadline(time.Now().Add(pipeIdle))
	return w, nil
}

func (p *pipe) dismiss(w waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id := binary.BigEndian.Uint16(w.letter.Wire); p.waiting[id].reply == w.reply {
		delete(p.waiting, id)
	}
}

func (p *pipe) reads() {
	for {
		packet, err := letter.ReadFrame(p.conn)
		if err == nil {
			err = p.deliver(packet)
		}
		if err != nil {
			p.fail(err)
			return
		}
	}
}

// deliver hands packet to whoever waits for it. What nobody waits for is passed over: the question may have been
// withdrawn.
func (p *pipe) deliver(packet []byte) error {
	if len(packet) < letter.HeaderLen {
		return errors.New("the server sent a message shorter than a DNS header")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := binary.BigEndian.Uint16(packet)
	if w, ok := p.waiting[id]; ok {
		if reply, err := w.letter.Answered(packet); !errors.Is(err, letter.ErrNotOurs) {
			delete(p.waiting, id)
			p.last, p.unasked = time.Now(), 0
			w.reply <- outcome{reply, err}
			p.conn.SetReadDeadline(time.Now().Add(pipeIdle))
			return nil
		}
	}
	if p.unasked++; p.unasked > maxUnasked {
		return errors.New("the server sends answers to questions that were not asked")
	}
	return nil
}

// writes sends what is ready in one go: one packet, one system call.
func (p *pipe) writes() {
	for {
		var batch []byte
		select {
		case batch = <-p.out:
		case <-p.broken:
			return
		}
		for more := true; more && len(batch) < maxBatch; {
			select {
			case frame := <-p.out:
				batch = append(batch, frame...)
			default:
				more = false
			}
		}
		p.conn.SetWriteDeadline(time.Now().Add(pipeWrite))
		if _, err := p.conn.Write(batch); err != nil {
			p.fail(err)
			return
		}
	}
}

func (p *pipe) fail(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("the server closed the connection: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
		close(p.broken)
		p.conn.Close()
	}
}

func (p *pipe) why() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// heard implements carrier.
func (p *pipe) heard() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// dead implements carrier.
func (p *pipe) dead() bool { return p.why() != nil }

// close implements carrier.
func (p *pipe) close() {
	p.fail(net.ErrClosed)
	p.running.Wait()
}
