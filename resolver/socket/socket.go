// Package socket opens a port for a name server, as nobody else may ask it, and brings and takes packets, many at a time where the
// kernel can.
//
//	set, err := socket.Listen(ctx, "127.0.0.1:53")
//	batch, err := socket.NewBatch(set.Packets[0])
//	n, err := batch.Receive()
package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
)

const (
	// PacketSize is what is read of a question, in bytes. Real ones are below 300.
	PacketSize = 2048
	// ReplySize is what fits every network in one piece (RFC 9715), in bytes.
	ReplySize = 1232
)

// receiveBuffer is what the kernel keeps for us while we do not read, in bytes. It may give less.
const receiveBuffer = 4 << 20

// Set is UDP and TCP on one port of one address.
type Set struct {
	Packets []*net.UDPConn // one or more, over which the kernel spreads the questions
	Streams *net.TCPListener

	local netip.AddrPort
}

// Listen opens addr (ADDRESS:PORT, not a name) for UDP and TCP: a loopback address, or one of a private network such as a
// bridge's or a TUN link's, never all addresses and never a public one. Port 0: a free one. [Taken] knows the error
// of a port that is taken; that of one we may not have wraps fs.ErrPermission. Whoever serves the sockets closes them.
func Listen(ctx context.Context, addr string) (*Set, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("%q is not the address of a DNS server to be: write 127.0.0.1:53 or [::1]:53", addr)
	}
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	if !private(at.Addr()) {
		return nil, fmt.Errorf("a DNS server at %s could be asked by strangers; listen on 127.0.0.1:53, or on an address of a private network", at)
	}
	const attempts = 16 // a free UDP port need not be free for TCP
	for range attempts {
		var sockets *Set
		sockets, err = listen(ctx, at)
		if err == nil {
			return sockets, nil
		}
		if at.Port() != 0 || !Taken(err) {
			break
		}
	}
	return nil, remedy(at, err)
}

// private says whether only this machine and its own networks can reach addr. 198.18.0.0/15 is where TUN links live.
func private(addr netip.Addr) bool {
	links := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18}), 15)
	return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || links.Contains(addr)
}

// Addr is the address and port.
func (s *Set) Addr() netip.AddrPort { return s.local }

// Close closes all sockets. It may be called more than once.
func (s *Set) Close() error {
	errs := []error{s.Streams.Close()}
	for _, conn := range s.Packets {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// listen opens sockets that are never shared first, TCP and for a moment UDP, so that of two of us, or of us and another
// server, one fails, instead of each getting half of the questions over the UDP sockets that we share among ourselves.
func listen(ctx context.Context, at netip.AddrPort) (*Set, error) {
	streams, err := new(net.ListenConfig).Listen(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	s := &Set{Streams: streams.(*net.TCPListener)}
	bound := s.Streams.Addr().(*net.TCPAddr).AddrPort()
	s.local = netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port())
	alone, err := new(net.ListenConfig).ListenPacket(ctx, "udp", s.local.String())
	if err != nil {
		s.Close()
		return nil, err
	}
	alone.Close()
	for range min(maxShared, runtime.GOMAXPROCS(0)) {
		config := net.ListenConfig{Control: share}
		conn, err := config.ListenPacket(ctx, "udp", s.local.String())
		if err != nil {
			s.Close()
			return nil, err
		}
		udp := conn.(*net.UDPConn)
		_ = udp.SetReadBuffer(receiveBuffer) // less is slower, not wrong
		s.Packets = append(s.Packets, udp)
	}
	return s, nil
}

// remedy says what to do about a socket that was not had.
func remedy(at netip.AddrPort, err error) error {
	switch {
	case Taken(err):
		return fmt.Errorf("another program answers DNS on %s; stop it, or have Hither listen elsewhere, as with --dns 127.0.0.1:5300: %w", at, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("port %d needs a right that Hither does not have; allow it with: sudo setcap cap_net_bind_service=+ep $(command -v hither): %w", at.Port(), err)
	}
	return fmt.Errorf("cannot answer DNS on %s; choose an address of this machine: %w", at, err)
}
