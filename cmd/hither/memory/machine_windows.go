package memory

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// memoryStatus is MEMORYSTATUSEX of sysinfoapi.h.
type memoryStatus struct {
	length, load                          uint32
	total, free, totalPage, freePage      uint64
	totalVirtual, freeVirtual, freeExtend uint64
}

// machineMemory is what the machine has, in bytes; 0 if unknown.
func machineMemory() int64 {
	status := memoryStatus{}
	status.length = uint32(unsafe.Sizeof(status))
	ask := windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")
	if ok, _, _ := ask.Call(uintptr(unsafe.Pointer(&status))); ok == 0 {
		return 0
	}
	return int64(min(status.total, 1<<62)) // it fits
}
