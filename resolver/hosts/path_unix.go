//go:build !windows

package hosts

// path is where the C library looks.
const path = "/etc/hosts"
