package shell

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// System is assumed where nothing is known.
const System = powerShell

// Parent names the process that called us; empty if the system does not tell.
func Parent() string {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(snapshot)
	entry := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	for err := windows.Process32First(snapshot, &entry); err == nil; err = windows.Process32Next(snapshot, &entry) {
		if int(entry.ProcessID) == os.Getppid() {
			return windows.UTF16ToString(entry.ExeFile[:])
		}
	}
	return ""
}
