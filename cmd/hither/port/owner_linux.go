package port

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"hither/forward/peer"
)

// addressInUse is the error of a taken port.
const addressInUse = syscall.EADDRINUSE

// Owner finds who listens: /proc/net/tcp tells the socket's inode, /proc/PID/fd whose it is (proc_net_tcp.txt,
// proc(5)). Other users' processes cannot be seen without root; then it is the zero process.
func Owner(_ context.Context, at netip.AddrPort) Process {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		if inode := findInode(string(data), at); inode != "" {
			return socketOwner(inode)
		}
	}
	return Process{}
}

// findInode reads the table's lines: "sl local_address rem_address st …", with the inode in the tenth field.
func findInode(table string, at netip.AddrPort) string {
	const listening, state, inode = "0A", 3, 9
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) <= inode || fields[state] != listening {
			continue
		}
		local, ok := peer.ParseAddress(fields[1])
		if ok && local.Port() == at.Port() && (local.Addr() == at.Addr() || local.Addr().IsUnspecified()) {
			return fields[inode]
		}
	}
	return ""
}

func socketOwner(inode string) Process {
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, file := range files {
		if target, err := os.Readlink(file); err != nil || target != "socket:["+inode+"]" {
			continue
		}
		pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
		name, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
		return Process{PID: pid, Name: strings.TrimSpace(string(name))}
	}
	return Process{}
}
