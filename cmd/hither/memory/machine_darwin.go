package memory

import "golang.org/x/sys/unix"

// machineMemory is what the machine has, in bytes; 0 if unknown.
func machineMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(min(n, 1<<62)) // it fits
}
