package peer

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// sockDiagByFamily is SOCK_DIAG_BY_FAMILY of linux/sock_diag.h.
const sockDiagByFamily = 20

// Lengths of struct nlmsghdr, inet_diag_req_v2 and inet_diag_msg (linux/netlink.h, linux/inet_diag.h).
const (
	headerSize  = 16
	requestSize = 56
	messageSize = 72
)

// diagWait bounds the wait for the kernel, in microseconds. It answers at once.
const diagWait = 200_000

var errDiag = errors.New("the kernel did not answer what was asked")

// askDiag asks for one socket (sock_diag(7)); any user may.
func askDiag(from, to netip.AddrPort) (socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return socket{}, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	wait := unix.Timeval{Usec: diagWait}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return socket{}, os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Sendto(fd, diagRequest(from, to), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return socket{}, os.NewSyscallError("sendto", err)
	}
	answer := make([]byte, 8<<10)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return socket{}, os.NewSyscallError("recvfrom", err)
	}
	return parseDiag(answer[:n])
}

// diagRequest is a nlmsghdr and an inet_diag_req_v2. Numbers are in the machine's order, ports and addresses in the
// network's. A cookie of ones asks for whichever socket has these addresses.
func diagRequest(from, to netip.AddrPort) []byte {
	b := make([]byte, 0, headerSize+requestSize)
	b = binary.NativeEndian.AppendUint32(b, headerSize+requestSize)
	b = binary.NativeEndian.AppendUint16(b, sockDiagByFamily)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST)
	b = append(b, make([]byte, 8)...) // sequence and port, which nobody looks at
	family := byte(unix.AF_INET)
	if from.Addr().Is6() {
		family = unix.AF_INET6
	}
	b = append(b, family, unix.IPPROTO_TCP, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, ^uint32(0)) // in any state
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	for _, a := range []netip.Addr{from.Addr(), to.Addr()} {
		var field [16]byte
		copy(field[:], a.AsSlice())
		b = append(b, field[:]...)
	}
	b = binary.NativeEndian.AppendUint32(b, 0) // of any interface
	return binary.NativeEndian.AppendUint64(b, ^uint64(0))
}

// parseDiag reads an inet_diag_msg, or the error that came for it.
func parseDiag(b []byte) (socket, error) {
	if len(b) < headerSize+4 {
		return socket{}, errDiag
	}
	switch binary.NativeEndian.Uint16(b[4:]) {
	case unix.NLMSG_ERROR:
		return socket{}, unix.Errno(-int32(binary.NativeEndian.Uint32(b[headerSize:])))
	case sockDiagByFamily:
	default:
		return socket{}, errDiag
	}
	if len(b) < headerSize+messageSize {
		return socket{}, errDiag
	}
	b = b[headerSize:]
	return socket{uid: binary.NativeEndian.Uint32(b[64:]), inode: binary.NativeEndian.Uint32(b[68:])}, nil
}
