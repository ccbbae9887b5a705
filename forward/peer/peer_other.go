//go:build !linux && !darwin && !windows

package peer

import "net/netip"

func of(_, _ netip.AddrPort, _ []int) (Process, error) {
	return Process{}, unknown("Hither cannot ask this system")
}

func byPID(_ int) (Process, error) {
	return Process{}, unknown("Hither cannot ask this system")
}
