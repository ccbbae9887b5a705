package forward

import (
	"context"
	"io"
	"net"
	"sync"

	"hither/forward/listener"
)

// tlsHandshake is the first byte of every TLS connection (RFC 8446, 5.1).
const tlsHandshake = 0x16

// admit finds out by its first byte which server a connection is for. It returns at once.
func (s *Server) admit(g *guest) {
	s.conns.start(g, func() {
		if door, ok := g.Conn.(*listener.Conn); ok && g.target == "" {
			s.admitDoor(g, door)
			return
		}
		first, err := g.peek()
		switch {
		case err != nil:
			g.Close()
		case first == tlsHandshake:
			s.admitTLS(g)
		case g.target == "" || s.isSelf(g.target) || 'A' <= first && first <= 'Z':
			s.toPlain.offer(s.newHot(g, realm("http", g.target), nil, g.client))
		default: // neither TLS nor HTTP: nothing that we could answer
			s.tunnel(g, g.target)
		}
	})
}

// admitTLS ends the TLS of hosts in the rules. A bare connection for another host is tunnelled to it.
func (s *Server) admitTLS(g *guest) {
	if g.target == "" {
		if name := g.serverName(); name != "" && !s.vouches(name) {
			s.tunnel(g, name+":443")
			return
		}
	}
	s.shakes.during(g, func() {
		if conn, ok := s.shake(g); ok {
			s.serveTLS(conn, g)
		}
	})
}

// tunnel copies bytes both ways, unseen, until both sides have ended.
func (s *Server) tunnel(client *guest, addr string) {
	defer client.Close()
	if !validTarget(addr) { // an upstream proxy would read it as a line of our request
		s.warn("a tunnel could not be opened", "to", addr, "error", "that is no host")
		return
	}
	far, err := s.reach(s.ctx, addr)
	if err != nil {
		s.warn("a tunnel could not be opened", "to", addr, "error", err)
		return
	}
	join(client, far)
}

// join is the tunnel between two ends, and closes both.
func join(client *guest, far net.Conn) {
	defer client.Close()
	defer far.Close()
	head, near := client.unread()
	var out sync.WaitGroup
	out.Go(func() {
		if len(head) > 0 {
			if _, err := far.Write(head); err != nil {
				near.Close()
				return
			}
		}
		carry(far, near)
	})
	carry(near, far)
	out.Wait()
}

// carry copies one way. A clean end is passed on as a half-close; git and rsync still listen then.
func carry(dst, src net.Conn) {
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		src.Close()
		return
	}
	_ = closeWrite(dst)
	_ = closeRead(src)
}

// reach opens the far end of a tunnel, as soon as the network is back if it is away. Shutdown closes it.
func (s *Server) reach(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	var conn net.Conn
	dial := func(ctx context.Context) (err error) {
		conn, err = s.Dial(ctx, "tcp", addr)
		return err
	}
	persist := s.Persist
	if persist == nil {
		persist = func(ctx context.Context, _ string, ask func(context.Context) error) error { return ask(ctx) }
	}
	if err := persist(ctx, "https://"+addr, dial); err != nil {
		return nil, err
	}
	end := &farEnd{Conn: conn, conns: &s.conns}
	if !s.conns.add(end) {
		return nil, net.ErrClosed
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &spliced{TCPConn: tcp, end: end}, nil
	}
	return end, nil
}

// farEnd is a connection that Shutdown closes. It can be closed by halves, because goproxy keeps tunnels half open only
// between two that can.
type farEnd struct {
	net.Conn
	conns *held
}

// Close may be called more than once.
func (e *farEnd) Close() error {
	err := e.Conn.Close()
	e.conns.remove(e)
	return err
}

// CloseWrite closes the whole if the connection cannot do it by halves: the other side must see an end.
func (e *farEnd) CloseWrite() error { return closeWrite(e.Conn) }

// CloseRead does nothing if the connection cannot do it by halves.
func (e *farEnd) CloseRead() error { return closeRead(e.Conn) }

// spliced is a farEnd that shows io.Copy its TCP connection, so that the kernel moves the bytes (splice(2)).
type spliced struct {
	*net.TCPConn
	end *farEnd
}

// Close may be called more than once.
func (c *spliced) Close() error { return c.end.Close() }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

func closeRead(c net.Conn) error {
	if half, ok := c.(interface{ CloseRead() error }); ok {
		return half.CloseRead()
	}
	return nil
}
