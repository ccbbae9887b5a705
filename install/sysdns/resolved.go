package sysdns

import (
	"errors"
	"log/slog"
	"net/netip"
)

// Errors of HoldScoped that a caller acts on: it takes another way to change the machine's DNS. All others are sentences.
var (
	// ErrNoResolved says that this machine's names are not resolved by systemd-resolved.
	ErrNoResolved = errors.New("systemd-resolved does not run here, so single names cannot be led to Hither and given back by the kernel: " +
		"start it (`systemctl enable --now systemd-resolved`), or choose `--dns full`")
	// ErrNoTun says that a link of our own cannot be made.
	ErrNoTun = errors.New("no link for DNS can be made")
)

// ScopedLink is the link that HoldScoped makes if it is told no other.
const ScopedLink = "hither0"

// Scope says which names the system is to ask whom for.
type Scope struct {
	Names  []string       // each with all below it, without a dot at the end; the rest of the world stays with the system
	All    bool           // every name that no other link has for itself (a VPN's), instead of Names: the mode Full
	Server netip.AddrPort // where our resolver listens: an address of this machine, any port
	Bus    string         // address of the D-Bus on which systemd-resolved is; empty: the system's
	Link   string         // name of the link to make; empty: hither0
	Log    *slog.Logger   // nil: nothing is said
}
