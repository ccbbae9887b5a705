package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"hither/forward/dial"
	"hither/forward/footing"
	"hither/forward/race"
)

const (
	// quicSilence ends a handshake in which the server says nothing: most often UDP is blocked, or nobody listens.
	quicSilence = 5 * time.Second
	// noApplicationProtocol is TLS alert 120 as QUIC tells it (RFC 9001, 4.8).
	noApplicationProtocol = quic.TransportErrorCode(0x100 + 120)
)

// errNoDatagrams is for HTTP/3 where TCP alone was arranged for.
var errNoDatagrams = errors.New("UDP is not set up; measure h1 or h2")

// overQUIC sends a request over an HTTP/3 connection of its own. A listening httptrace is told of the name's look-up, and
// then of one handshake, which is QUIC's and TLS's in one.
func (c Config) overQUIC(req *http.Request, f *flight) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return nil, unspoken(req, errors.New("HTTP/3 is spoken over TLS only"))
	}
	if c.Datagrams == nil {
		return nil, unspoken(req, errNoDatagrams)
	}
	ctx := req.Context()
	conn, err := c.dialQUIC(ctx, req)
	if err == nil {
		f.hold(conn)
		late := fmt.Errorf("no answer in %s: %w", c.HeaderTimeout, os.ErrDeadlineExceeded)
		timer := time.AfterFunc(c.HeaderTimeout, func() { f.cancel(late) })
		defer timer.Stop()
		traceOf(ctx).gotConn(conn.socket, false)
		h3 := http3.Transport{DisableCompression: true, MaxResponseHeaderBytes: maxHeader}
		var resp *http.Response
		if resp, err = h3.NewClientConn(conn.Conn).RoundTrip(req); err == nil {
			return resp, nil
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	return nil, err
}

// dialQUIC finds the addresses and shakes hands with the first that answers.
func (c Config) dialQUIC(ctx context.Context, req *http.Request) (*quicConn, error) {
	ctx, cancel := context.WithTimeout(ctx, dial.Patience)
	defer cancel()
	host := req.URL.Hostname()
	candidates, err := c.Datagrams(ctx, net.JoinHostPort(host, dial.Port(req.URL)))
	if errors.Is(err, dial.ErrProxied) {
		return nil, unspoken(req, err)
	}
	if err != nil {
		return nil, err
	}
	secure := &tls.Config{RootCAs: c.RootCAs, ServerName: host, MinVersion: tls.VersionTLS13, NextProtos: []string{http3.NextProtoH3}}
	listener := traceOf(ctx)
	listener.handshakeStart()
	conn, err := race.First(ctx, candidates, c.HeadStart, func(ctx context.Context, to netip.AddrPort) (*quicConn, error) {
		return shakeHands(ctx, to, secure, quicConfig(), false)
	})
	listener.handshakeDone(conn, err)
	if silent(err) {
		return nil, unspoken(req, err)
	}
	return conn, err
}

func unspoken(req *http.Request, err error) error {
	return &ProtocolError{Host: req.URL.Host, Proto: "h3", Err: err}
}

// silent says that nobody was there who speaks HTTP/3, or that UDP does not come through; both look the same.
func silent(err error) bool {
	silence, idle, version, refused := new(quic.HandshakeTimeoutError), new(quic.IdleTimeoutError), new(quic.VersionNegotiationError), new(quic.TransportError)
	switch {
	case errors.As(err, &silence), errors.As(err, &idle), errors.As(err, &version), errors.Is(err, syscall.ECONNREFUSED):
		return true
	case errors.As(err, &refused):
		return refused.ErrorCode == noApplicationProtocol
	}
	return false
}

// quicConn is a QUIC connection with a socket of its own.
type quicConn struct {
	*quic.Conn
	carrier *quic.Transport
	socket  *socket
}

// shakeHands opens a socket and a connection over it.
//
// early returns it before the server has said anything, if there is a session that allows to speak first.
func shakeHands(ctx context.Context, to netip.AddrPort, secure *tls.Config, config *quic.Config, early bool) (*quicConn, error) {
	udp, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return nil, err
	}
	c := &quicConn{socket: &socket{udp}}
	c.carrier = &quic.Transport{Conn: c.socket}
	dial := c.carrier.Dial
	if early {
		dial = c.carrier.DialEarly
	}
	c.Conn, err = dial(ctx, udp.RemoteAddr(), secure, config)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", to, err)
	}
	return c, nil
}

// quicConfig is what all our connections have in common.
func quicConfig() *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout: quicSilence, MaxIdleTimeout: idleTime, MaxIncomingStreams: -1, // a server opens no streams of ours
		MaxStreamReceiveWindow: streamWindow, MaxConnectionReceiveWindow: streamWindow,
	}
}

// to is the address at the other end.
func (c *quicConn) to() netip.AddrPort {
	udp, _ := c.socket.udp.RemoteAddr().(*net.UDPAddr)
	at := udp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// from is the address at our end, as footing.WayOut has it.
func (c *quicConn) from() netip.Addr { return footing.NetworkOf(c.socket.udp) }

// Close returns when the socket is closed and nothing runs any more.
func (c *quicConn) Close() error {
	var said error
	if c.Conn != nil {
		said = c.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	}
	return errors.Join(said, c.carrier.Close(), c.socket.Close())
}

// socket is a connected UDP socket as quic-go reads and writes it. Connected, a port where nobody listens is told at once,
// and not after quicSilence. It hides net.UDPConn's other powers, because quic-go looks for them to find that its buffers
// did not grow to 7 MiB, and says so on standard error; we take what the system gives.
type socket struct{ udp *net.UDPConn }

func (s *socket) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := s.udp.Read(p)
	return n, s.udp.RemoteAddr(), err
}

func (s *socket) WriteTo(p []byte, _ net.Addr) (int, error) { return s.udp.Write(p) }

func (s *socket) SetReadBuffer(bytes int) error {
	_ = s.udp.SetReadBuffer(bytes)
	return nil
}

func (s *socket) SetWriteBuffer(bytes int) error {
	_ = s.udp.SetWriteBuffer(bytes)
	return nil
}

func (s *socket) Close() error                       { return s.udp.Close() }
func (s *socket) LocalAddr() net.Addr                { return s.udp.LocalAddr() }
func (s *socket) SetDeadline(t time.Time) error      { return s.udp.SetDeadline(t) }
func (s *socket) SetReadDeadline(t time.Time) error  { return s.udp.SetReadDeadline(t) }
func (s *socket) SetWriteDeadline(t time.Time) error { return s.udp.SetWriteDeadline(t) }
