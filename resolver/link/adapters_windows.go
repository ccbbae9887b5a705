package link

import (
	"errors"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/windows"
)

// adapters calls GetAdaptersAddresses with a buffer that grows to what Windows wants.
func adapters() (*windows.IpAdapterAddresses, error) {
	const flags = windows.GAA_FLAG_SKIP_UNICAST | windows.GAA_FLAG_SKIP_ANYCAST | windows.GAA_FLAG_SKIP_MULTICAST
	for size := uint32(16 << 10); ; {
		buf := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0]))
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, flags, 0, first, &size)
		if err == nil {
			return first, nil
		}
		if !errors.Is(err, windows.ERROR_BUFFER_OVERFLOW) || size <= uint32(len(buf)) || size > 1<<20 {
			return nil, err
		}
	}
}

// server reads one address. fec0:0:0:ffff::1 to 3 stand for "none was given"; nobody answers there.
func server(s *windows.IpAdapterDnsServerAdapter) (netip.AddrPort, bool) {
	addr, ok := netip.AddrFromSlice(s.Address.IP())
	if !ok || netip.MustParsePrefix("fec0:0:0:ffff::/64").Contains(addr) {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), 53), true
}
