package listener

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// relation is how a client stands to this machine.
type relation int

const (
	stranger  relation = iota
	neighbour          // in a private network that the door was opened to
	ourselves          // a program of this machine
)

// lookAgain is how long the machine's addresses are taken for known, if they do not explain a client. A look costs about
// 50 µs, which a flood of strangers must not cost each time.
const lookAgain = time.Second

// neighbours knows the networks that this machine stands in. The zero value asks the system. It may be used from many
// goroutines.
type neighbours struct {
	look func() ([]net.Addr, error) // nil: the system

	mu      sync.Mutex
	looked  time.Time
	doubted time.Time      // when it looked because of a stranger; other looks must not make one of who is new
	nets    []netip.Prefix // each with the machine's own address in it
}

// relation says who a client is to a door that is bound to an address. What the kernel redirects on its way out keeps the
// machine's own address as its source, even if it comes out at a loopback door.
func (n *neighbours) relation(client, door netip.Addr, now time.Time) relation {
	client, door = client.WithZone(""), door.WithZone("")
	if client.IsLoopback() {
		return ourselves
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	found := n.relationLocked(client, door)
	if found == stranger && now.Sub(n.doubted) >= lookAgain {
		n.doubted = now
		n.refreshLocked(now)
		found = n.relationLocked(client, door)
	}
	return found
}

func (n *neighbours) relationLocked(client, door netip.Addr) relation {
	for _, own := range n.nets {
		if own.Addr() == client {
			return ourselves
		}
	}
	if !client.IsPrivate() && !client.IsLinkLocalUnicast() {
		return stranger
	}
	shared := func(own netip.Prefix) bool {
		return own.Contains(client) && (door.IsUnspecified() || own.Contains(door))
	}
	if slices.ContainsFunc(n.nets, shared) {
		return neighbour
	}
	return stranger
}

func (n *neighbours) refresh(now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refreshLocked(now)
}

// refreshLocked keeps what was known if the system does not tell.
func (n *neighbours) refreshLocked(now time.Time) {
	n.looked = now
	look := n.look
	if look == nil {
		look = net.InterfaceAddrs
	}
	addrs, err := look()
	if err != nil {
		return
	}
	n.nets = n.nets[:0]
	for _, a := range addrs {
		if p, ok := prefix(a); ok {
			n.nets = append(n.nets, p)
		}
	}
}

func prefix(a net.Addr) (netip.Prefix, bool) {
	network, ok := a.(*net.IPNet)
	if !ok {
		return netip.Prefix{}, false
	}
	ip, ok := netip.AddrFromSlice(network.IP)
	bits, size := network.Mask.Size()
	if ip = ip.Unmap(); size != ip.BitLen() {
		ok = false
	}
	return netip.PrefixFrom(ip, bits), ok
}

// Networks tells programs of this machine and of its private networks from strangers, for those who have sockets of another
// kind than ours. The zero value asks the system. It may be used from many goroutines.
type Networks struct{ known neighbours }

// Ours says whether client is a program of this machine.
func (n *Networks) Ours(client netip.Addr) bool {
	return n.known.relation(client, client, time.Now()) == ourselves
}

// Neighbour says whether client is in the private network of own, an address of ours, or is a program of this machine.
func (n *Networks) Neighbour(client, own netip.Addr) bool {
	return n.known.relation(client, own, time.Now()) != stranger
}

// Facing is our own address in the network of client; invalid: there is none.
func (n *Networks) Facing(client netip.Addr) netip.Addr {
	if !n.Neighbour(client, client) {
		return netip.Addr{}
	}
	n.known.mu.Lock()
	defer n.known.mu.Unlock()
	for _, own := range n.known.nets {
		if own.Contains(client.WithZone("")) {
			return own.Addr()
		}
	}
	return netip.Addr{}
}

// LackIPv4 says that this machine has no address of IPv4 but loopback, though it has one of IPv6.
func (n *Networks) LackIPv4() bool {
	n.known.mu.Lock()
	defer n.known.mu.Unlock()
	if now := time.Now(); now.Sub(n.known.looked) >= lookAgain {
		n.known.refreshLocked(now)
	}
	v6 := false
	for _, own := range n.known.nets {
		switch addr := own.Addr(); {
		case addr.IsLoopback():
		case addr.Is4():
			return false
		default:
			v6 = true
		}
	}
	return v6
}
