package goenv

import (
	"net/netip"
	"net/url"
	"path/filepath"
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

// First is the first of Proxies; empty: the list names none.
func First(list string) string {
	for _, entry := range Proxies(list) {
		return entry
	}
	return ""
}

// Proxies are the entries of a GOPROXY list as the go command reads them, without a slash at the end: what names no scheme is
// asked over https, and what is empty is passed over (cmd/go/internal/modfetch, proxyList).
func Proxies(list string) (out []string) {
	for entry := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == '|' }) {
		entry = strings.TrimSpace(entry)
		if strings.ContainsAny(entry, ".:/") && !strings.Contains(entry, ":/") && !strings.HasPrefix(entry, "/") && !filepath.IsAbs(entry) {
			entry = "https://" + entry
		}
		if entry = strings.TrimRight(entry, "/"); entry != "" {
			out = append(out, entry)
		}
	}
	return out
}
