//go:build !windows

package link

import "os"

// resolvConfLinks reads resolv.conf as one link. On macOS the system writes the primary network's servers there; servers
// for single domains (/etc/resolver) are not in it.
func resolvConfLinks() ([]Link, error) {
	file, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	l, err := ParseResolvConf(file)
	return []Link{l}, err
}
