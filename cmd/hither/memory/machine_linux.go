package memory

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machineMemory is what the machine has, or what the control group leaves us if that is less; in bytes, 0 if unknown.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	memory := int64(math.MaxInt64)
	if unix.Sysinfo(&info) == nil {
		memory = int64(uint64(info.Totalram) * uint64(info.Unit)) //nolint:unconvert // the types differ by architecture
	}
	memory = min(memory, groupMemory(os.DirFS("/")))
	if memory == math.MaxInt64 {
		return 0
	}
	return memory
}

// groupMemory is the least limit of our control group and those above it, of either version (cgroups(7)); MaxInt64: none.
func groupMemory(root fs.FS) int64 {
	least := int64(math.MaxInt64)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return least
	}
	for line := range bytes.Lines(groups) {
		fields := strings.SplitN(strings.TrimSpace(string(line)), ":", 3) // number:controllers:path
		if len(fields) < 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		switch controllers := strings.Split(fields[1], ","); {
		case fields[0] == "0" && fields[1] == "":
		case len(controllers) == 1 && controllers[0] == "memory":
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// Inside a container the path is often that of the machine, and the group's files lie at the root.
		for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
			least = min(least, limitIn(root, path.Join(base, dir, file)))
			if dir == "/" {
				break
			}
		}
	}
	return least
}

// limitIn reads a limit; MaxInt64 if there is none. "max" is no number, and version 1 writes a very large one.
func limitIn(root fs.FS, file string) int64 {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}
