//go:build !windows

package resolver

import (
	"errors"
	"syscall"
)

const hostsPath = "/etc/hosts"

func taken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
