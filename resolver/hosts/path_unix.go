//go:build !windows

package hosts

// Path is where the C library looks.
const Path = "/etc/hosts"
