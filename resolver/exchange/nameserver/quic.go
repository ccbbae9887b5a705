package nameserver

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"

	"hither/resolver/exchange/letter"
)

const (
	// Codes of RFC 9250, 8.4.
	doqNoError   = quic.ApplicationErrorCode(0)
	doqCancelled = quic.StreamErrorCode(3)
	// quicIdle is how long a QUIC connection without questions is kept.
	quicIdle = 30 * time.Second
)

// overQUIC is a stream of DNS over QUIC.
func overQUIC(url string, e *endpoint) *stream {
	return &stream{url: url, as: letter.Sealed, end: e, trusted: true, line: &warm{open: func(ctx context.Context) (carrier, error) {
		conn, err := e.dialQUIC(ctx, e.port, "doq")
		if err != nil {
			return nil, err
		}
		return &quicCarrier{conn: conn, last: time.Now()}, nil
	}}}
}

// quicCarrier asks each question on a stream of its own (RFC 9250, 4.2).
type quicCarrier struct {
	conn   *quicConn
	broken atomic.Bool // an error said so; the connection itself says it a moment later
	mu     sync.Mutex
	last   time.Time
}

// ask implements carrier. The id is 0 (RFC 9250, 4.2.1): the stream tells the questions apart.
func (c *quicCarrier) ask(ctx context.Context, l letter.Letter) (*dns.Msg, error) {
	reply, err := c.onStream(ctx, l.Under(0))
	if reset := new(quic.StreamError); err != nil && ctx.Err() == nil && !errors.Is(err, letter.ErrNotOurs) && !errors.Is(err, letter.ErrGarbled) && !errors.As(err, &reset) {
		c.broken.Store(true)
	}
	return reply, err
}

func (c *quicCarrier) onStream(ctx context.Context, l letter.Letter) (*dns.Msg, error) {
	stream, err := c.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, late(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { stream.CancelWrite(doqCancelled); stream.CancelRead(doqCancelled) })
	defer stop()
	defer stream.CancelRead(doqCancelled) // no more is read of it; nothing if it has ended
	if _, err := stream.Write(l.Framed()); err != nil {
		return nil, late(ctx, err)
	}
	if err := stream.Close(); err != nil { // the end of what we send marks the question's (RFC 9250, 4.2)
		return nil, late(ctx, err)
	}
	packet, err := letter.ReadFrame(stream)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, letter.ErrNotOurs // an end without a reply
	}
	if err != nil {
		return nil, late(ctx, err)
	}
	reply, err := l.Answered(packet)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = time.Now()
	return reply, nil
}

func (c *quicCarrier) heard() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func (c *quicCarrier) dead() bool { return c.broken.Load() || c.conn.Context().Err() != nil }

func (c *quicCarrier) close() { c.conn.hangUp(doqNoError) }
