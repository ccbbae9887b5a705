package peer

import (
	"net/netip"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"
)

func of(from, to netip.AddrPort, _ []int) (Process, error) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		return Process{}, unknown("Hither asks 64-bit systems only")
	}
	table, err := connections(from.Addr().Is6())
	if err != nil {
		return Process{}, unknown("read the table of connections: %w", err)
	}
	pid, ok := findRow(table, from, to)
	if !ok || pid == 0 {
		return Process{}, unknown("there is no connection from %v to %v", from, to)
	}
	return describe(pid)
}

// connections calls GetExtendedTcpTable (iphlpapi.h), which says how much room it wants. The table may grow in between.
func connections(ipv6 bool) ([]byte, error) {
	const ownerPIDConnections = 4 // TCP_TABLE_OWNER_PID_CONNECTIONS
	family := uintptr(windows.AF_INET)
	if ipv6 {
		family = windows.AF_INET6
	}
	call := windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetExtendedTcpTable")
	if err := call.Find(); err != nil {
		return nil, err
	}
	size, status := uint32(64<<10), uintptr(0)
	for range 5 {
		table := make([]byte, size)
		status, _, _ = call.Call(uintptr(unsafe.Pointer(&table[0])), uintptr(unsafe.Pointer(&size)), 0, family, ownerPIDConnections, 0)
		if status == 0 {
			return table[:min(len(table), int(size))], nil
		}
		if windows.Errno(status) != windows.ERROR_INSUFFICIENT_BUFFER {
			break
		}
		size += size / 4
	}
	return nil, windows.Errno(status)
}

func byPID(pid int) (Process, error) { return describe(uint32(pid)) }

// describe asks for what is known of a process. While its handle is open, its number is not given to another.
func describe(pid uint32) (Process, error) {
	handle, err := windows.OpenProcess(windows.PROCESS_QUERY_INFORMATION|windows.PROCESS_VM_READ, false, pid)
	if err != nil {
		return Process{}, unknown("open process %d: %w", pid, err)
	}
	defer windows.CloseHandle(handle)
	if same, err := sameUser(handle); err != nil {
		return Process{}, unknown("ask whose process %d is: %w", pid, err)
	} else if !same {
		return Process{}, ErrForeign
	}
	started, err := startOf(handle)
	if err != nil {
		return Process{}, unknown("ask when process %d began: %w", pid, err)
	}
	dir, line, environment, err := readParameters(handle)
	if err != nil { // also if it is not known what it keeps private
		return Process{}, unknown("ask where process %d works: %w", pid, err)
	}
	if !filepath.IsAbs(dir) {
		return Process{}, unknown("process %d works nowhere", pid)
	}
	args, _ := windows.DecomposeCommandLine(line) // what cannot be taken apart is none
	return Process{PID: int(pid), Parents: parents(pid, started), Dir: filepath.Clean(dir), Args: args, Private: privately(environment), Caching: caching(environment), Started: started}, nil
}

func sameUser(process windows.Handle) (bool, error) {
	var token windows.Token
	if err := windows.OpenProcessToken(process, windows.TOKEN_QUERY, &token); err != nil {
		return false, err
	}
	defer token.Close()
	theirs, err := token.GetTokenUser()
	if err != nil {
		return false, err
	}
	ours, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return false, err
	}
	return theirs.User.Sid.Equals(ours.User.Sid), nil
}

// startOf is when a process began, in 100 ns since 1601.
func startOf(process windows.Handle) (uint64, error) {
	var created, exited, kernel, user windows.Filetime
	err := windows.GetProcessTimes(process, &created, &exited, &kernel, &user)
	return uint64(created.HighDateTime)<<32 | uint64(created.LowDateTime), err
}

// parents goes up from a process. Numbers are given again, so that only an older process is a parent.
func parents(pid uint32, started uint64) (out []int) {
	above := parentTable()
	for len(out) < maxParents {
		pid = above[pid]
		if pid == 0 {
			return out
		}
		handle, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
		if err != nil {
			return out
		}
		began, err := startOf(handle)
		windows.CloseHandle(handle)
		if err != nil || began > started {
			return out
		}
		out, started = append(out, int(pid)), began
	}
	return out
}

// parentTable tells each process's parent; empty if the system does not.
func parentTable() map[uint32]uint32 {
	out := map[uint32]uint32{}
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return out
	}
	defer windows.CloseHandle(snapshot)
	entry := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	for err = windows.Process32First(snapshot, &entry); err == nil; err = windows.Process32Next(snapshot, &entry) {
		out[entry.ProcessID] = entry.ParentProcessID
	}
	return out
}
