//go:build unix

package forward

import (
	"net"
	"syscall"
	"time"
)

// forSources is how many files are for sources and the cache, where twice as many may be open; else half of all.
const forSources = 128

// lateness is how long clients have to wait before another one is let in, if a connection has one of the last numbers that files of this
// process may have: the longer the fewer are left. A new one gets the lowest number that is free, so that those who have left count no
// more. 0: none has to.
func lateness(conn net.Conn) time.Duration {
	tcp, ok := conn.(syscall.Conn)
	if !ok {
		return 0
	}
	var limit syscall.Rlimit
	raw, err := tcp.SyscallConn()
	if err != nil || syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	pause := time.Duration(0)
	_ = raw.Control(func(number uintptr) { // not of a closed one
		pause = latenessOf(uint64(number), uint64(limit.Cur)) //nolint:unconvert // the types differ by system
	})
	return pause
}

// latenessOf is that of a number, where so many files may be open at most.
func latenessOf(number, most uint64) time.Duration {
	spare := min(most/2, forSources)
	if number < most-spare {
		return 0
	}
	return leastPause << min(8*(number-(most-spare))/max(spare, 1), 7)
}
