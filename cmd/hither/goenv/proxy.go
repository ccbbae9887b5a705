package goenv

import (
	"net/netip"
	"net/url"
	"strings"
)

// GoesElsewhere says that a GOPROXY list begins neither with the public proxy, nor with a gateway like ours on this machine.
func GoesElsewhere(list string) bool {
	first := First(list)
	return first != "" && first != PublicProxy && !IsGateway(first)
}

// IsGateway says that an address may be Hither's gateway for the go command.
func IsGateway(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Path != "/go" {
		return false
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	return ip.IsLoopback() || u.Hostname() == "localhost"
}

// First is the first of a GOPROXY list, without slashes at its end; empty: the list is.
func First(list string) string {
	if i := strings.IndexAny(list, ",|"); i >= 0 {
		list = list[:i]
	}
	return strings.TrimRight(strings.TrimSpace(list), "/")
}
