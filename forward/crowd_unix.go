//go:build unix

package forward

import (
	"net"
	"syscall"
)

// forSources is how many files are for sources and the cache, where twice as many may be open; else half of all.
const forSources = 128

// isLate says that a connection has one of the last numbers that files of this process may have: a new one gets the lowest that is
// free.
func isLate(conn net.Conn) bool {
	tcp, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	var limit syscall.Rlimit
	raw, err := tcp.SyscallConn()
	if err != nil || syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return false
	}
	late := false
	_ = raw.Control(func(number uintptr) { // not of a closed one
		most := uint64(limit.Cur) //nolint:unconvert // the types differ by system
		late = uint64(number) >= most-min(most/2, forSources)
	})
	return late
}
