package nameserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange/letter"
)

const (
	// maxIdle bounds the sockets that are kept for one server.
	maxIdle = 128
	// inboxSize holds what a server sends although we asked for less. A longer packet breaks off.
	inboxSize = 4096
)

// inbox is a UDP socket, connected to one server from a port that the kernel picks at random, on which one reply is
// awaited. Whoever has it closes conn or gives it to keep. It is for one goroutine.
type inbox struct {
	conn   *net.UDPConn
	left   int  // wrong replies that are stood
	spoilt bool // not to be used again: somebody may still touch it
	mover
	buf [inboxSize]byte
}

// inbox returns one with a port that no other question has had. p may be nil.
func (p *past) inbox(server netip.AddrPort) (*inbox, error) {
	for box := p.takeIdle(); box != nil; box = p.takeIdle() {
		if box.move() {
			box.left = maxWrong
			return box, nil
		}
		box.conn.Close()
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return nil, err
	}
	return &inbox{conn: conn, left: maxWrong}, nil
}

func (p *past) takeIdle() *inbox {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	box := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return box
}

// keep gives box, whose reply has come, back for another question. It leaves its port, where nothing reaches it any more.
func (p *past) keep(box *inbox) {
	if p == nil || box.spoilt || !box.leave(box) {
		box.conn.Close()
		return
	}
	p.mu.Lock()
	full := p.closed || len(p.idle) >= maxIdle
	if !full {
		p.idle = append(p.idle, box)
	}
	p.mu.Unlock()
	if full {
		box.conn.Close()
	}
}

// await waits for the reply to l, and passes over everything else, but not for ever. After an os.ErrDeadlineExceeded with a
// ctx that lives, or a hint, it may be called again.
func (i *inbox) await(ctx context.Context, l letter.Letter, until time.Time) (*dns.Msg, error) {
	_ = i.conn.SetReadDeadline(until) // fails only on a closed socket, and then Read does too
	stop := context.AfterFunc(ctx, func() { _ = i.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer func() { i.spoilt = !stop() || i.spoilt }()
	for {
		n, err := i.conn.Read(i.buf[:])
		if err != nil {
			return nil, err
		}
		reply, err := l.Answered(i.buf[:n])
		if err == nil {
			return reply, nil
		}
		if i.left--; i.left == 0 {
			return nil, errForged
		}
		if errors.Is(err, letter.ErrGarbled) {
			return nil, err
		}
		if l.Mixed() && l.AnsweredInAnotherCase(i.buf[:n]) {
			return nil, errLetterCase
		}
	}
}
