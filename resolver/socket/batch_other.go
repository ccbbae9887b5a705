//go:build !linux

package socket

import (
	"net"
	"net/netip"
)

// Batch reads and answers packets of one UDP socket, one at a time. It is for one goroutine.
type Batch struct {
	conn *net.UDPConn
	from netip.AddrPort
	data []byte
	in   [PacketSize]byte
	out  [ReplySize]byte
	wire []byte
}

// NewBatch is for one socket.
func NewBatch(conn *net.UDPConn) (*Batch, error) { return &Batch{conn: conn}, nil }

// Receive waits for a packet and returns 1.
func (b *Batch) Receive() (int, error) {
	n, from, err := b.conn.ReadFromUDPAddrPort(b.in[:])
	if err != nil {
		return 0, err
	}
	b.data, b.from, b.wire = b.in[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), nil
	return 1, nil
}

// Packet is the one that came, and from whom.
func (b *Batch) Packet(int) ([]byte, netip.AddrPort) { return b.data, b.from }

// Room is where the answer may be written, to be given to Reply.
func (b *Batch) Room() []byte { return b.out[:0] }

// Reply answers the packet, at the next Send.
func (b *Batch) Reply(_ int, wire []byte) { b.wire = wire }

// Send sends the answer. If it cannot be sent it is lost, as any packet may be.
func (b *Batch) Send() {
	if len(b.wire) > 0 {
		_, _ = b.conn.WriteToUDPAddrPort(b.wire, b.from)
	}
}
