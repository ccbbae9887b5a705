package listener

import (
	"errors"
	"fmt"
	"net/netip"
)

// privileged is the first port that every program may have, where the system does not say otherwise.
const privileged = 1024

// BindError says that a socket could not be had, and what can be done about it. Err tells the kind: it wraps the system's
// error number.
type BindError struct {
	At  netip.AddrPort
	Err error
}

// Error ends with one command, or with another choice.
func (e *BindError) Error() string {
	return fmt.Sprintf("open a transparent door at %s: %v; %s", e.At, e.Unwrap(), e.Advice())
}

// Unwrap is the system's own word.
func (e *BindError) Unwrap() error {
	if errno := errors.Unwrap(errors.Unwrap(e.Err)); errno != nil {
		return errno // net.OpError, os.SyscallError: both would say the address again
	}
	return e.Err
}

// Advice is the next step, as half a sentence.
func (e *BindError) Advice() string {
	switch {
	case errors.Is(e.Err, inUse):
		return "another program listens there: end it, or give this door an address of its own, such as --transparent 127.0.7.90"
	case errors.Is(e.Err, notHere):
		return adviceOnAddress(e.At.Addr())
	case errors.Is(e.Err, forbidden) && e.At.Port() < privileged:
		return adviceOnPort(e.At)
	}
	return "choose another address with --transparent"
}
