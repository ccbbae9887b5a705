package peer

import "golang.org/x/sys/unix"

// socketPeer asks for SO_PEERCRED (unix(7)): who called connect, as numbers are in our namespace.
func socketPeer(fd int) int {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0
	}
	return int(cred.Pid)
}
