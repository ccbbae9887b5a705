//go:build !linux

package dial

import "syscall"

// Shortens says that a dial which is marked [mark.Tight] makes a connection that carries short packets: Windows takes no such wish, and
// macOS none above 512 bytes before it is connected, nor does it tell the other end.
const Shortens = false

// shorten does nothing.
func shorten(_, _ string, _ syscall.RawConn) error { return nil }
