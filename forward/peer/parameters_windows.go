package peer

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/windows"
)

var errMemory = errors.New("its memory is not laid out as it should be")

// What the system's structures look like with addresses as numbers: they are of the other process, and a Go pointer of
// that value could point into our own heap by chance, which the garbage collector takes for damage.
type (
	basicInformation struct { // PROCESS_BASIC_INFORMATION
		_   uintptr
		peb uintptr
		_   [4]uintptr
	}
	unicodeString struct { // UNICODE_STRING
		bytes, _ uint16
		at       uintptr
	}
)

// readParameters reads the working directory and the command line out of the process's memory (PEB,
// RTL_USER_PROCESS_PARAMETERS). A 32-bit process keeps them elsewhere, and is not read.
func readParameters(process windows.Handle) (dir, line string, err error) {
	var small bool
	if err := windows.IsWow64Process(process, &small); err != nil {
		return "", "", err
	}
	if small {
		return "", "", errors.New("it is a 32-bit process")
	}
	var basic basicInformation
	var size uint32
	err = windows.NtQueryInformationProcess(process, windows.ProcessBasicInformation, unsafe.Pointer(&basic), uint32(unsafe.Sizeof(basic)), &size)
	if err != nil {
		return "", "", err
	}
	parameters, err := read[uintptr](process, basic.peb+unsafe.Offsetof(windows.PEB{}.ProcessParameters))
	if err != nil {
		return "", "", err
	}
	if dir, err = readText(process, parameters+unsafe.Offsetof(windows.RTL_USER_PROCESS_PARAMETERS{}.CurrentDirectory)); err != nil {
		return "", "", err
	}
	line, err = readText(process, parameters+unsafe.Offsetof(windows.RTL_USER_PROCESS_PARAMETERS{}.CommandLine))
	return dir, line, err
}

// readText reads the string, of at most 64 KiB, whose UNICODE_STRING is at that address.
func readText(process windows.Handle, at uintptr) (string, error) {
	s, err := read[unicodeString](process, at)
	if err != nil || s.bytes < 2 {
		return "", err
	}
	text := make([]uint16, s.bytes/2)
	err = readMemory(process, s.at, (*byte)(unsafe.Pointer(&text[0])), uintptr(len(text))*2)
	return windows.UTF16ToString(text), err
}

// read copies a T, which has no pointers, from an address of the other process.
func read[T any](process windows.Handle, at uintptr) (value T, err error) {
	err = readMemory(process, at, (*byte)(unsafe.Pointer(&value)), unsafe.Sizeof(value))
	return value, err
}

func readMemory(process windows.Handle, at uintptr, to *byte, size uintptr) error {
	var n uintptr
	if err := windows.ReadProcessMemory(process, at, to, size, &n); err != nil {
		return err
	}
	if n != size {
		return errMemory
	}
	return nil
}
