package led

import "net/netip"

// mapped is a door of IPv4 for programs that look for IPv6 alone. On a machine that has no IPv4 but loopback, those that ask for
// addresses of its own families (AI_ADDRCONFIG, as Node does) never ask for IPv4, and would find no door at all. The
// kernel connects to it as to v4.
func mapped(v4 netip.Addr) netip.Addr { return netip.AddrFrom16(v4.As16()) }
