package peer

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// holder looks through the processes of our user: those that are known to connect to us, then the youngest, since that is who
// has just connected. Numbers begin again after pid_max, which costs time once, and no answer.
func holder(inode uint32, first []int) (int, error) {
	s := search{link: []byte("socket:[" + strconv.FormatUint(uint64(inode), 10) + "]"), uid: uint32(os.Geteuid())}
	s.target = make([]byte, len(s.link)+1)
	if i := slices.IndexFunc(first, s.holds); i >= 0 {
		return first[i], nil
	}
	pids, err := processes()
	if err != nil {
		return 0, unknown("%w", err)
	}
	if i := slices.IndexFunc(pids, s.holds); i >= 0 {
		return pids[i], nil
	}
	return 0, unknown("no process has the socket any more, or it is in a container")
}

// processes are the numbers in /proc, highest first.
func processes() ([]int, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	var out []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			out = append(out, pid)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return b - a })
	return out, err
}

// search is for a link among the open files of processes. It makes system calls itself and keeps its buffers: package os
// takes three times as long for the thousands of names.
type search struct {
	link   []byte // what the link says
	uid    uint32 // whose processes are looked at
	target []byte
	names  [4 << 10]byte
}

func (s *search) holds(pid int) bool {
	dir, err := unix.Open(procFile(pid, "fd"), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false // it has ended, or is not to be looked at
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	if unix.Fstat(dir, &st) != nil || st.Uid != s.uid {
		return false
	}
	for {
		n, err := unix.Getdents(dir, s.names[:])
		if err != nil || n <= 0 {
			return false
		}
		for name := range direntNames(s.names[:n]) {
			n, err := unix.Readlinkat(dir, string(name), s.target)
			if err == nil && bytes.Equal(s.target[:n], s.link) {
				return true
			}
		}
	}
}

// direntNames goes through struct linux_dirent64 (getdents(2)): its length stands at 16, its name from 19 to a zero byte.
// What is no number is left out.
func direntNames(b []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		const length, name = 16, 19
		for len(b) > name {
			size := int(binary.NativeEndian.Uint16(b[length:]))
			if size <= name || size > len(b) {
				return
			}
			text, _, _ := bytes.Cut(b[name:size], []byte{0})
			if len(text) > 0 && text[0] >= '0' && text[0] <= '9' && !yield(text) {
				return
			}
			b = b[size:]
		}
	}
}
