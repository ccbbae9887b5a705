//go:build !windows

package exchange

import (
	"cmp"
	"net/netip"
	"os"
)

// hostsPath is where the C library looks.
const hostsPath = "/etc/hosts"

// settings reads the servers of resolv.conf. On macOS the system writes the primary network's servers there; servers for
// single domains (/etc/resolver) are not in it.
func settings(path string) ([]netip.AddrPort, error) {
	links, err := resolvConfLinks(path)
	if err != nil {
		return nil, err
	}
	return links[0].Servers, nil
}

// resolvConfLinks reads resolv.conf as one link.
func resolvConfLinks(path string) ([]Link, error) {
	file, err := os.Open(cmp.Or(path, "/etc/resolv.conf"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	l, err := parseResolvConf(file)
	return []Link{l}, err
}
