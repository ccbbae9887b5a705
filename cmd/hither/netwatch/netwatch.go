// Package netwatch notices that the machine has another network, or was asleep: what was learned of the old one may be wrong.
package netwatch

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hither/cmd/hither/amount"
	"hither/install/sysdns"
)

const (
	// netPace is how often the network is looked at. A look reads two small files and asks the kernel for addresses.
	netPace = 5 * time.Second
	// netSettle is how long a new network must stay as it is: an address comes a moment before its route.
	netSettle = time.Second
	// sleepGap is how much more than the program's own clock the wall clock must have gone to tell that the machine slept.
	sleepGap = 10 * time.Second
)

// Watch notices that the machine has another network, or was asleep. Fields are set before Run; the zero value looks at
// this machine and tells nobody.
type Watch struct {
	Look    func() (string, error) // the network in a line, for comparison, or why it cannot be seen now; nil: the machine's
	Wall    func() time.Time       // nil: the system's clock, which goes on while the machine sleeps
	Changed func(why string)       // called once for each change, in Run's own goroutine; nil: nobody is told
}

// Run looks until ctx ends.
func (n Watch) Run(ctx context.Context) error {
	if n.Look == nil {
		n.Look = networkNow
	}
	if n.Wall == nil {
		n.Wall = func() time.Time { return time.Now().Round(0) } // without the monotonic part
	}
	pace := time.NewTicker(netPace)
	defer pace.Stop()
	known, err := n.Look()
	wall, inner := n.Wall(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		why := ""
		if gap := n.Wall().Sub(wall) - time.Since(inner); gap > sleepGap {
			why = fmt.Sprintf("the machine was asleep for %s", amount.Rough(gap))
		}
		switch now, blind := n.Look(); {
		case blind != nil: // as where no files are left to be opened: nothing has changed that we know of
		case err != nil:
			known, err = now, nil
		case now != known:
			known, why = n.settle(ctx, now), "the network changed"
		}
		wall, inner = n.Wall(), time.Now()
		if why != "" && ctx.Err() == nil && n.Changed != nil {
			n.Changed(why)
		}
	}
}

// settle waits until the network stays as it is. One that never does is taken as it is after a while.
func (n Watch) settle(ctx context.Context, now string) string {
	for range 10 {
		select {
		case <-ctx.Done():
			return now
		case <-time.After(netSettle):
		}
		last := now
		if seen, err := n.Look(); err == nil {
			now = seen
		}
		if now == last {
			break
		}
	}
	return now
}

// link is a network interface that is up.
type link struct {
	name   string
	tunnel bool     // point to point: a VPN
	nets   []string // its addresses; of IPv6 the network alone, for the rest changes every day for privacy
}

// networkNow sums up how packets leave the machine. Where the routes can be read, only links that have a default route
// count, and tunnels: containers come and go and change nothing about the way out.
func networkNow() (string, error) {
	routes, known, err := defaultRoutes()
	if err != nil {
		return "", err
	}
	up, err := links()
	if err != nil {
		return "", err
	}
	parts := slices.Clone(routes)
	for _, l := range up {
		ways := slices.ContainsFunc(routes, func(route string) bool { return strings.HasPrefix(route, l.name+" ") })
		if !known || len(routes) == 0 || ways || l.tunnel {
			parts = append(parts, l.name+" "+strings.Join(l.nets, " "))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "\n"), nil
}

// links are the interfaces that lead out of the machine. Our own leads nowhere.
func links() (out []link, err error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 || i.Name == sysdns.ScopedLink {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		l := link{name: i.Name, tunnel: i.Flags&net.FlagPointToPoint != 0}
		for _, addr := range addrs {
			if text := networkOf(addr.String()); text != "" {
				l.nets = append(l.nets, text)
			}
		}
		if slices.Sort(l.nets); len(l.nets) > 0 {
			l.nets = slices.Compact(l.nets)
			out = append(out, l)
		}
	}
	return out, nil
}

// networkOf is an address as far as it tells networks apart; empty if it tells nothing.
func networkOf(text string) string {
	prefix, err := netip.ParsePrefix(text)
	switch addr := prefix.Addr(); {
	case err != nil || !addr.IsGlobalUnicast():
		return ""
	case addr.Is6() && !addr.Is4In6():
		return prefix.Masked().String()
	}
	return prefix.String()
}
