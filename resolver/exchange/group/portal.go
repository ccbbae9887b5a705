package group

import (
	"slices"
	"strings"
)

// PortalCheck says whether name is one of those by which systems and browsers find out whether a sign-in page stands
// between them and the world. Behind one, only the network's own servers answer, and they answer with the page.
func PortalCheck(name string) bool {
	checks := [...]string{
		"captive.apple.com", "gsp1.apple.com",
		"connectivitycheck.gstatic.com", "connectivitycheck.android.com", "clients3.google.com",
		"www.msftconnecttest.com", "ipv6.msftconnecttest.com", "www.msftncsi.com", "dns.msftncsi.com",
		"detectportal.firefox.com", "detectportal.brave-http-only.com",
		"connectivity-check.ubuntu.com", "nmcheck.gnome.org", "network-test.debian.org", "ping.archlinux.org",
		"conncheck.opensuse.org", "networkcheck.kde.org",
	}
	return slices.Contains(checks[:], strings.ToLower(strings.TrimSuffix(name, ".")))
}
