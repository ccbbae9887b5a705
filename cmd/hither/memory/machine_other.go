//go:build !linux && !darwin && !windows

package memory

// machineMemory is what the machine has, in bytes; 0: unknown.
func machineMemory() int64 { return 0 }
