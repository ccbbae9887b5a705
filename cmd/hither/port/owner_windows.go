package port

import (
	"context"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/windows"
)

// addressInUse is the error of a taken port.
const addressInUse = windows.WSAEADDRINUSE

// Owner asks netstat, whose numbers are the same in every language; without it, it is the zero process.
func Owner(ctx context.Context, at netip.AddrPort) Process {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "netstat", "-ano", "-p", "TCP").Output()
	if err != nil {
		return Process{}
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		// A listening socket has nobody at the other end.
		if len(fields) != 5 || !strings.HasSuffix(fields[1], ":"+strconv.Itoa(int(at.Port()))) || !strings.HasSuffix(fields[2], ":0") {
			continue
		}
		pid, _ := strconv.Atoi(fields[4])
		return Process{PID: pid, Name: processName(uint32(pid))}
	}
	return Process{}
}

func processName(pid uint32) string {
	handle, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return "a program"
	}
	defer windows.CloseHandle(handle)
	path := make([]uint16, windows.MAX_LONG_PATH)
	size := uint32(len(path))
	if err := windows.QueryFullProcessImageName(handle, 0, &path[0], &size); err != nil {
		return "a program"
	}
	return filepath.Base(windows.UTF16ToString(path[:size]))
}
