//go:build !linux && !windows

package port

import (
	"context"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// addressInUse is the error of a taken port.
const addressInUse = syscall.EADDRINUSE

// Owner asks lsof, which macOS has and most BSDs can have; without it, it is the zero process.
func Owner(ctx context.Context, at netip.AddrPort) Process {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "lsof", "-nP", "-iTCP:"+strconv.Itoa(int(at.Port())), "-sTCP:LISTEN", "-Fpc").Output()
	if err != nil {
		return Process{}
	}
	var owner Process
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if pid, ok := strings.CutPrefix(line, "p"); ok && owner.PID == 0 {
			owner.PID, _ = strconv.Atoi(pid)
		}
		if name, ok := strings.CutPrefix(line, "c"); ok && owner.Name == "" {
			owner.Name = name
		}
	}
	return owner
}
