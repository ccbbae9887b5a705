//go:build !windows

package exchange

// hostsPath is where the C library looks.
const hostsPath = "/etc/hosts"
