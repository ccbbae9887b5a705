package peer

import (
	"errors"
	"strings"
	"unicode/utf16"
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

// maxEnvironment bounds the environment that is read, in bytes.
const maxEnvironment = 8 << 20

// readParameters reads the working directory, the command line and the environment out of the process's memory (PEB,
// RTL_USER_PROCESS_PARAMETERS). A 32-bit process keeps them elsewhere, and is not read.
func readParameters(process windows.Handle) (dir, line string, environment []string, err error) {
	var small bool
	if err := windows.IsWow64Process(process, &small); err != nil {
		return "", "", nil, err
	}
	if small {
		return "", "", nil, errors.New("it is a 32-bit process")
	}
	var basic basicInformation
	var size uint32
	err = windows.NtQueryInformationProcess(process, windows.ProcessBasicInformation, unsafe.Pointer(&basic), uint32(unsafe.Sizeof(basic)), &size)
	if err != nil {
		return "", "", nil, err
	}
	parameters, err := read[uintptr](process, basic.peb+unsafe.Offsetof(windows.PEB{}.ProcessParameters))
	if err != nil {
		return "", "", nil, err
	}
	if dir, err = readText(process, parameters+unsafe.Offsetof(windows.RTL_USER_PROCESS_PARAMETERS{}.CurrentDirectory)); err != nil {
		return "", "", nil, err
	}
	if line, err = readText(process, parameters+unsafe.Offsetof(windows.RTL_USER_PROCESS_PARAMETERS{}.CommandLine)); err != nil {
		return "", "", nil, err
	}
	environment, err = readEnvironment(process, parameters)
	return dir, line, environment, err
}

// readEnvironment reads NAME=VALUE strings of UTF-16, each with a zero behind it.
func readEnvironment(process windows.Handle, parameters uintptr) ([]string, error) {
	at, err := read[uintptr](process, parameters+unsafe.Offsetof(windows.RTL_USER_PROCESS_PARAMETERS{}.Environment))
	if err != nil {
		return nil, err
	}
	size, err := read[uintptr](process, parameters+unsafe.Offsetof(windows.RTL_USER_PROCESS_PARAMETERS{}.EnvironmentSize))
	if err != nil || size < 2 {
		return nil, err
	}
	if size > maxEnvironment {
		return nil, errMemory
	}
	text := make([]uint16, size/2)
	if err := readMemory(process, at, (*byte)(unsafe.Pointer(&text[0])), uintptr(len(text))*2); err != nil {
		return nil, err
	}
	return strings.Split(string(utf16.Decode(text)), "\x00"), nil
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
