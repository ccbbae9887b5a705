package listener

import (
	"fmt"
	"net/netip"
	"strings"
)

// nameOf reads @NAME.
func nameOf(addr string) (string, bool) {
	name, ok := strings.CutPrefix(addr, "@")
	return name, ok && name != ""
}

// parse reads an IP address with or without a port. Names are not looked up: the answer might be this very door.
func parse(addr string) ([]netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]")); err == nil {
		ip = ip.Unmap()
		return []netip.AddrPort{netip.AddrPortFrom(ip, 443), netip.AddrPortFrom(ip, 80)}, nil
	}
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("%q is no place for a transparent door: write an IP address such as 127.0.7.90, with a port if it shall not be 443 and 80", addr)
	}
	return []netip.AddrPort{netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}, nil
}
