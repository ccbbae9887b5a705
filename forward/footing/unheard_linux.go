package footing

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// resent is how many times in a row the kernel has sent again what the other end does not acknowledge, or has asked it for a
// sign of life; 0: all is well. A connection over which nothing ever came is none that died: the kernel may be about to find
// that its packets are too long for the way (tcp_mtu_probing), for which it needs four times.
func resent(conn syscall.Conn) (times int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { // a closed one is well, too
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil && info.Bytes_received > 0 {
			times = int(max(info.Retransmits, info.Probes))
		}
	})
	return times
}

// stir asks each second while nothing comes. The kernel takes no larger count, and ends a connection by it no sooner than by
// keepAlive: while the network is away it stays.
func stir(conn *net.TCPConn) {
	_ = conn.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 127}) // a closed one needs none
}

// calm asks as seldom as dial.Dialer has it.
func calm(conn *net.TCPConn) {
	_ = conn.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4})
}
