// Package listener opens transparent doors: sockets that a client reaches without knowing of us, because DNS gave it our
// address or the kernel led its connection here. Each connection knows where its client wanted to go, if the kernel does.
//
//	inherited := listener.Inherit()
//	defer inherited.Close()
//	l, err := listener.Listen(ctx, "127.0.7.90", listener.Options{Inherited: inherited})
//	…
//	go server.Serve(l) // forward.Server finds *Conn
//
// A door lets in this machine's own programs. One that is bound beyond loopback, as for a bridge of containers, lets in the
// private networks too that this machine stands in. Nobody else: a door passes on what it does not know, so that it would
// be an open proxy otherwise.
package listener

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Options say how a door is opened. The zero value opens sockets of its own.
type Options struct {
	// Inherited are the sockets that a service manager opened for us; one at the same address is taken instead of a new one.
	// nil: there are none.
	Inherited *Inherited
}

// Listener is one door with one or more sockets. Its methods may be called from many goroutines.
type Listener struct {
	neighbours neighbours
	sockets    []*net.TCPListener
	arrived    chan arrival
	done       chan struct{}
	stop       func() error
	pumps      sync.WaitGroup
}

var _ net.Listener = (*Listener)(nil)

// arrival is what one socket's Accept returned.
type arrival struct {
	conn *Conn
	err  error
}

// Listen opens a door at addr: an IP address, which means its ports 443 and 80; one with a port, which means that alone; or
// @NAME, which means all inherited sockets of that name. All sockets are opened or none. The caller closes the door. What the
// user can do about an error is in its words; a *BindError tells programs more.
func Listen(ctx context.Context, addr string, o Options) (*Listener, error) {
	sockets, err := open(ctx, addr, o)
	if err != nil {
		return nil, err
	}
	l := &Listener{sockets: sockets, arrived: make(chan arrival), done: make(chan struct{})}
	l.stop = sync.OnceValue(l.closeSockets)
	l.neighbours.refresh(time.Now())
	for _, socket := range sockets {
		seeAll(socket)
		l.pumps.Go(func() { l.pump(socket) })
	}
	return l, nil
}

func open(ctx context.Context, addr string, o Options) ([]*net.TCPListener, error) {
	if name, ok := nameOf(addr); ok {
		if sockets := o.Inherited.Named(name); len(sockets) > 0 {
			return sockets, nil
		}
		return nil, fmt.Errorf("no socket %q was handed to us: write FileDescriptorName=%s into its systemd unit, or name an address", name, name)
	}
	places, err := parse(addr)
	if err != nil {
		return nil, err
	}
	var sockets []*net.TCPListener
	for _, at := range places {
		socket := o.Inherited.Take(at)
		if socket == nil {
			socket, err = listen(ctx, at)
		}
		if err != nil {
			return nil, errors.Join(err, closeAll(sockets))
		}
		sockets = append(sockets, socket)
	}
	return sockets, nil
}

// listen opens a socket of plain TCP: the kernel does not tell the original destination of one of Multipath TCP, which Go
// would take. Each family has its own, so that an address is never one of IPv4 written in IPv6.
func listen(ctx context.Context, at netip.AddrPort) (*net.TCPListener, error) {
	network := "tcp6"
	if at.Addr().Is4() {
		network = "tcp4"
	}
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(ctx, network, at.String())
	if err != nil {
		return nil, &BindError{At: at, Err: err}
	}
	return l.(*net.TCPListener), nil
}

// pump brings the connections of one socket to Accept.
func (l *Listener) pump(socket *net.TCPListener) {
	bound := place(socket.Addr())
	for {
		tcp, err := socket.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		var conn *Conn
		if err == nil {
			if conn = l.admit(tcp, bound); conn == nil {
				continue
			}
		}
		select {
		case l.arrived <- arrival{conn, err}:
		case <-l.done:
			if conn != nil {
				conn.Close()
			}
			return
		}
	}
}

// admit turns strangers away: then it returns nil.
func (l *Listener) admit(tcp *net.TCPConn, bound netip.AddrPort) *Conn {
	from := l.neighbours.relation(place(tcp.RemoteAddr()).Addr(), bound.Addr(), time.Now())
	if from == stranger {
		_ = tcp.SetLinger(0) // a reset, and no state that a flood could fill
		tcp.Close()
		return nil
	}
	return &Conn{TCPConn: tcp, original: l.original(tcp, bound), local: from == ourselves}
}

// original is where the client wanted to go; zero: here, or nobody knows.
func (l *Listener) original(tcp *net.TCPConn, bound netip.AddrPort) netip.AddrPort {
	here := place(tcp.LocalAddr())
	if at := redirected(tcp, here.Addr()); at.IsValid() && at != here {
		return at
	}
	// TPROXY changes no address: the connection has the one that the client wanted, which is none of ours.
	if here.Port() != bound.Port() || here.Addr() != bound.Addr() && !bound.Addr().IsUnspecified() ||
		bound.Addr().IsUnspecified() && l.neighbours.relation(here.Addr(), bound.Addr(), time.Now()) != ourselves {
		return here
	}
	return netip.AddrPort{}
}

// Accept returns the next connection that is let in; it is a *Conn.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, net.ErrClosed
	default:
	}
	select {
	case a := <-l.arrived:
		if a.err != nil {
			return nil, a.err
		}
		return a.conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close shuts the door and returns when nothing of it runs any more. Connections stay. It may be called more than once.
func (l *Listener) Close() error { return l.stop() }

func (l *Listener) closeSockets() error {
	close(l.done)
	err := closeAll(l.sockets)
	l.pumps.Wait()
	return err
}

// Addr is that of the first socket.
func (l *Listener) Addr() net.Addr { return l.sockets[0].Addr() }

// Addrs are those of all sockets, as they were bound.
func (l *Listener) Addrs() (all []netip.AddrPort) {
	for _, socket := range l.sockets {
		all = append(all, place(socket.Addr()))
	}
	return all
}

func closeAll(sockets []*net.TCPListener) error {
	errs := make([]error, 0, len(sockets))
	for _, socket := range sockets {
		errs = append(errs, socket.Close())
	}
	return errors.Join(errs...)
}

// place is the address of a socket, IPv4 never written in IPv6; zero for what is no TCP address.
func place(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
