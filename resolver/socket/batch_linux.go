package socket

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many packets one system call brings or takes. Under load that halves what a question costs; a single
// question is not kept waiting for others.
const batchSize = 32

// Batch reads and answers packets of one UDP socket, many at a time (recvmmsg(2), sendmmsg(2)). x/net has this too, but
// allocates the address of each. It is for one goroutine.
type Batch struct {
	raw      syscall.RawConn
	in, out  [batchSize]mmsghdr
	names    [batchSize]unix.RawSockaddrInet6 // of the clients; those of IPv4 are shorter and begin alike
	vectors  [2 * batchSize]unix.Iovec
	packets  [batchSize][PacketSize]byte
	replies  [batchSize][ReplySize]byte
	received int // of this batch
	queued   int // answers to it
	sent     int // of those
	err      error
	read     func(fd uintptr) bool // made once, so that no call allocates them
	write    func(fd uintptr) bool
}

// mmsghdr is one message of a batch, as the kernel has it.
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

// NewBatch is for one socket.
func NewBatch(conn *net.UDPConn) (*Batch, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &Batch{raw: raw}
	for i := range batchSize {
		b.vectors[i].Base = &b.packets[i][0]
		b.vectors[i].SetLen(PacketSize)
		b.in[i].header = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&b.names[i])), Iov: &b.vectors[i]}
		b.in[i].header.SetIovlen(1)
		b.out[i].header = unix.Msghdr{Iov: &b.vectors[batchSize+i]}
		b.out[i].header.SetIovlen(1)
	}
	b.read, b.write = b.recvmmsg, b.sendmmsg
	return b, nil
}

// Receive waits for packets and returns how many came.
func (b *Batch) Receive() (int, error) {
	b.received, b.queued, b.sent, b.err = 0, 0, 0, nil
	for i := range b.in {
		b.in[i].header.Namelen = unix.SizeofSockaddrInet6
	}
	return b.received, errors.Join(b.raw.Read(b.read), b.err)
}

// recvmmsg returns false to be called again when there is something. It never waits itself.
func (b *Batch) recvmmsg(fd uintptr) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.in[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	switch errno {
	case 0:
		b.received = int(n)
	case unix.EAGAIN:
		return false
	case unix.EINTR:
	default:
		b.err = os.NewSyscallError("recvmmsg", errno)
	}
	return true
}

// Packet is the i-th that came, and from whom.
func (b *Batch) Packet(i int) ([]byte, netip.AddrPort) {
	data := b.packets[i][:min(b.in[i].length, PacketSize)]
	name := &b.names[i]
	port := *(*[2]byte)(unsafe.Pointer(&name.Port))
	at := uint16(port[0])<<8 | uint16(port[1])
	if name.Family == unix.AF_INET {
		short := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return data, netip.AddrPortFrom(netip.AddrFrom4(short.Addr), at)
	}
	addr := netip.AddrFrom16(name.Addr).Unmap()
	if name.Scope_id != 0 && addr.Is6() { // without it, nothing can be sent there
		addr = addr.WithZone(strconv.FormatUint(uint64(name.Scope_id), 10))
	}
	return data, netip.AddrPortFrom(addr, at)
}

// Room is where the next answer may be written, to be given to Reply.
func (b *Batch) Room() []byte { return b.replies[b.queued][:0] }

// Reply answers the i-th packet, at the next Send. wire is kept until then.
func (b *Batch) Reply(i int, wire []byte) {
	m := &b.out[b.queued].header
	m.Name, m.Namelen = b.in[i].header.Name, b.in[i].header.Namelen
	m.Iov.Base = &wire[0]
	m.Iov.SetLen(len(wire))
	b.queued++
}

// Send sends the answers. Those that cannot be sent are lost, as any packet may be.
func (b *Batch) Send() {
	if b.queued > 0 {
		_ = b.raw.Write(b.write)
	}
}

// sendmmsg returns false to be called again when there is room.
func (b *Batch) sendmmsg(fd uintptr) bool {
	for b.sent < b.queued {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.out[b.sent])), uintptr(b.queued-b.sent), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			b.sent += int(n)
		case unix.EAGAIN:
			return false
		case unix.EINTR:
		default:
			b.sent++ // this one's client is to blame, not the next one's
		}
	}
	return true
}
