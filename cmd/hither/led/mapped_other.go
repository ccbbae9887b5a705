//go:build !linux

package led

import "net/netip"

// mapped is none: not every program can connect to such an address here.
func mapped(netip.Addr) netip.Addr { return netip.Addr{} }
