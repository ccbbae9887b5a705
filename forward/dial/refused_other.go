//go:build !windows

package dial

import "syscall"

// refused is the error of a connection to where nobody listens.
const refused = syscall.ECONNREFUSED
