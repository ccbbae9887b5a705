package peer

import (
	"bytes"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

func of(from, to netip.AddrPort, _ []int) (Process, error) {
	table, err := unix.SysctlRaw("net.inet.tcp.pcblist_n")
	if err != nil {
		return Process{}, unknown("read the table of connections: %w", err)
	}
	pid, uid, ok := findPCB(table, from, to)
	if !ok || pid <= 0 {
		return Process{}, unknown("there is no connection from %v to %v", from, to)
	}
	if uid != uint32(os.Geteuid()) {
		return Process{}, ErrForeign
	}
	return describe(pid)
}

func byPID(pid int) (Process, error) { return describe(pid) }

// describe asks for what is known of a process, and sees that it is the same one before and after.
func describe(pid int) (Process, error) {
	before, err := ask(pid)
	if err != nil {
		return Process{}, unknown("process %d has just ended", pid)
	}
	if before.uid != uint32(os.Geteuid()) {
		return Process{}, ErrForeign
	}
	dir, err := workingDir(pid)
	if err != nil {
		return Process{}, err
	}
	raw, err := unix.SysctlRaw("kern.procargs2", pid)
	if err != nil { // it hides them, and with them what it keeps private
		return Process{}, unknown("ask how process %d was started: %w", pid, err)
	}
	if after, err := ask(pid); err != nil || after.started != before.started {
		return Process{}, unknown("process %d has just ended", pid)
	}
	args, environment := parseProcArgs(raw)
	return Process{PID: pid, Parents: parents(before.parent), Dir: dir, Args: args, Private: privately(environment), Caching: caching(environment), Started: before.started}, nil
}

// known is what is needed of struct kinfo_proc.
type known struct {
	parent  int
	uid     uint32
	started uint64 // microseconds since 1970
}

func ask(pid int) (known, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return known{}, err
	}
	start := info.Proc.P_starttime
	return known{int(info.Eproc.Ppid), info.Eproc.Ucred.Uid, uint64(start.Sec)*1e6 + uint64(start.Usec)}, nil
}

// parents goes up from pid, which is the first of them.
func parents(pid int) (out []int) {
	for pid > 0 && len(out) < maxParents {
		out = append(out, pid)
		k, err := ask(pid)
		if err != nil {
			return out
		}
		pid = k.parent
	}
	return out
}

// workingDir asks as libproc's proc_pidinfo(PROC_PIDVNODEPATHINFO) does, which is no more than this call
// (xnu bsd/sys/proc_info.h: struct proc_vnodepathinfo, whose first part is the working directory).
func workingDir(pid int) (string, error) {
	const (
		sysProcInfo       = 336 // bsd/kern/syscalls.master
		callPIDInfo       = 2
		flavorVnodePath   = 9
		size              = 2352
		pathAt, pathBytes = 152, 1024
	)
	var b [size]byte
	n, _, errno := unix.Syscall6(sysProcInfo, callPIDInfo, uintptr(pid), flavorVnodePath, 0, uintptr(unsafe.Pointer(&b[0])), size)
	if errno != 0 {
		return "", unknown("ask where process %d works: %w", pid, errno)
	}
	dir, _, _ := bytes.Cut(b[pathAt:pathAt+pathBytes], []byte{0})
	if n != size || len(dir) == 0 || dir[0] != '/' {
		return "", unknown("process %d works nowhere", pid)
	}
	return string(dir), nil
}
