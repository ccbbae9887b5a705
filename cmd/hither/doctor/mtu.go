package doctor

import (
	"context"
	"fmt"
)

// mtu looks for interfaces through which large packets may not fit.
type mtu struct{}

// Name implements Check.
func (mtu) Name() string { return "mtu" }

// smallest is the least that IPv6 asks of a link (RFC 8200, section 5), in bytes; QUIC needs 1200 of payload in it.
const smallest = 1280

// Run implements Check.
func (mtu) Run(_ context.Context, p *Patient) (out []Finding) {
	for _, l := range p.links() {
		if l.Loopback || l.MTU == 0 || l.MTU >= smallest {
			continue
		}
		out = append(out, warn(fmt.Sprintf("the interface %s passes packets of at most %d bytes, below the %d that IPv6 and QUIC need: handshakes may hang", l.Name, l.MTU, smallest),
			fmt.Sprintf("Raise it: `sudo ip link set dev %s mtu %d`; if it is a tunnel, set its MTU in the VPN's configuration.", p.Shell.Quote(l.Name), smallest)))
	}
	return out
}
