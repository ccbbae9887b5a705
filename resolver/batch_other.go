//go:build !linux

package resolver

import (
	"net"
	"net/netip"
)

// batch reads and answers packets of one UDP socket, one at a time. It is for one goroutine.
type batch struct {
	conn *net.UDPConn
	from netip.AddrPort
	data []byte
	in   [packetSize]byte
	out  [ednsSize]byte
	wire []byte
}

func newBatch(conn *net.UDPConn) (*batch, error) { return &batch{conn: conn}, nil }

// receive waits for a packet and returns 1.
func (b *batch) receive() (int, error) {
	n, from, err := b.conn.ReadFromUDPAddrPort(b.in[:])
	if err != nil {
		return 0, err
	}
	b.data, b.from, b.wire = b.in[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), nil
	return 1, nil
}

// packet is the one that came, and from whom.
func (b *batch) packet(int) ([]byte, netip.AddrPort) { return b.data, b.from }

// room is where the answer may be written, to be given to reply.
func (b *batch) room() []byte { return b.out[:0] }

// reply answers the packet, at the next send.
func (b *batch) reply(_ int, wire []byte) { b.wire = wire }

// send sends the answer. If it cannot be sent it is lost, as any packet may be.
func (b *batch) send() {
	if len(b.wire) > 0 {
		_, _ = b.conn.WriteToUDPAddrPort(b.wire, b.from)
	}
}
