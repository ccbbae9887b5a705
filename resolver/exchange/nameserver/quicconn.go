package nameserver

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go"
)

// quicConn is a QUIC connection with a socket of its own, which is closed with it.
type quicConn struct {
	*quic.Conn
	carrier *quic.Transport
	socket  *socket
}

// dialQUIC shakes hands with the first address that answers and proves who it is.
func (e *endpoint) dialQUIC(ctx context.Context, port uint16, alpn string) (*quicConn, error) {
	secure := e.secure(alpn)
	secure.MinVersion = tls.VersionTLS13
	return reach(ctx, e, port, func(ctx context.Context, at netip.AddrPort) (*quicConn, error) {
		return shakeHands(ctx, at, secure)
	}, func(conn *quicConn) { conn.hangUp(doqNoError) })
}

func shakeHands(ctx context.Context, at netip.AddrPort, secure *tls.Config) (*quicConn, error) {
	udp, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	c := &quicConn{socket: &socket{udp}}
	c.carrier = &quic.Transport{Conn: c.socket}
	config := &quic.Config{MaxIdleTimeout: quicIdle, MaxIncomingStreams: -1, HandshakeIdleTimeout: openPatience}
	if c.Conn, err = c.carrier.Dial(ctx, udp.RemoteAddr(), secure, config); err != nil {
		c.release()
		return nil, err
	}
	context.AfterFunc(c.Context(), c.release) // it ended by itself, or the server ended it
	return c, nil
}

// hangUp returns when the socket is closed.
func (c *quicConn) hangUp(code quic.ApplicationErrorCode) {
	c.CloseWithError(code, "") //nolint:errcheck // nobody is left to tell
	c.release()
}

func (c *quicConn) release() {
	c.carrier.Close()
	c.socket.Close()
}

// socket is a connected UDP socket as quic-go reads and writes it. Connected, a port where nobody listens is told at once,
// and not when patience ends. It hides net.UDPConn's other powers, because quic-go looks for them to find that its buffers
// did not grow to 7 MiB, and says so on standard error; questions need little.
type socket struct{ udp *net.UDPConn }

func (s *socket) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := s.udp.Read(p)
	return n, s.udp.RemoteAddr(), err
}

func (s *socket) WriteTo(p []byte, _ net.Addr) (int, error) { return s.udp.Write(p) }
func (s *socket) SetReadBuffer(int) error                   { return nil }
func (s *socket) SetWriteBuffer(int) error                  { return nil }
func (s *socket) Close() error                              { return s.udp.Close() }
func (s *socket) LocalAddr() net.Addr                       { return s.udp.LocalAddr() }
func (s *socket) SetDeadline(t time.Time) error             { return s.udp.SetDeadline(t) }
func (s *socket) SetReadDeadline(t time.Time) error         { return s.udp.SetReadDeadline(t) }
func (s *socket) SetWriteDeadline(t time.Time) error        { return s.udp.SetWriteDeadline(t) }
