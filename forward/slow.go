package forward

import (
	"errors"
	"os"
	"time"
)

// lastLook is what a client that took nothing within its time gets to take something after all. A machine that slept wakes
// up when the time is over; and Linux tells of room only when a third of its buffer is free, which is minutes of a slow way.
const lastLook = 10 * time.Second

// SetWriteDeadline is for a client that takes nothing: one that takes a part gets as long again for the rest, for on a slow
// way nobody takes a megabyte in two minutes.
func (g *guest) SetWriteDeadline(t time.Time) error {
	g.grace.Store(int64(time.Until(t)))
	return g.Conn.SetWriteDeadline(t)
}

// SetDeadline is firm.
func (g *guest) SetDeadline(t time.Time) error {
	g.grace.Store(0)
	return g.Conn.SetDeadline(t)
}

// Write goes on for as long as the client takes something.
func (g *guest) Write(p []byte) (n int, err error) {
	for looked := false; ; {
		m, err := g.write(p[n:])
		n += m
		wait := time.Duration(g.grace.Load())
		if !errors.Is(err, os.ErrDeadlineExceeded) || wait <= 0 || m == 0 && looked {
			return n, err
		}
		if looked = m == 0; looked {
			wait = min(wait, lastLook)
		}
		g.Conn.SetWriteDeadline(time.Now().Add(wait))
	}
}

// write is Conn's.
func (g *guest) write(p []byte) (int, error) {
	if g.quick != nil {
		return g.quick.Write(p)
	}
	return g.Conn.Write(p)
}
