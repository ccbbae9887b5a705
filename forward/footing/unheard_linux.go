package footing

import (
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// resent is how many times in a row the kernel has sent again what the other end does not acknowledge, or has asked it for a
// sign of life; 0: all is well.
func resent(conn syscall.Conn) (times int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { // a closed one is well, too
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			times = resentOf(info, triesShorter)
		}
	})
	return times
}

// resentOf counts for resent. A connection over which nothing ever came is none that died, and neither is an upload: the kernel
// may be about to find that its packets are too long for the way, for which it sends them again six times, 13 s.
func resentOf(info *unix.TCPInfo, shorter func() bool) int {
	times := int(max(info.Retransmits, info.Probes))
	if info.Bytes_received == 0 || times > 0 && info.Unacked > 1 && shorter() {
		return 0
	}
	return times
}

// triesShorter says that the kernel sends shorter packets where long ones get lost. By default it does not.
func triesShorter() bool {
	set, err := os.ReadFile("/proc/sys/net/ipv4/tcp_mtu_probing") // of IPv6, too
	return err == nil && strings.TrimSpace(string(set)) != "0"
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
