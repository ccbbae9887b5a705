//go:build unix

package badger

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// letGo takes pages of a mapped file out of the process's memory; they stay in the page cache. Without it, all that was
// read or written counts as resident: a gigabyte for a gigabyte of blobs. B must lie in a mapping that is shared and
// backed by a file: pages of any other kind would lose their bytes. The pages at both ends are let go wholly; what else
// of the file is on them is read again when it is needed.
func letGo(b []byte) {
	if len(b) == 0 {
		return
	}
	page := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	before := start % page
	whole := (before + uintptr(len(b)) + page - 1) / page * page
	first := (*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), -int(before)))
	_ = unix.Madvise(unsafe.Slice(first, whole), unix.MADV_DONTNEED) // it is only advice
}
