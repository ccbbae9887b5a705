package kernel

import "net"

// Link is a network interface.
type Link struct {
	Name     string
	MTU      int // 0: not known
	Up       bool
	Loopback bool
}

// Links are all interfaces, also those that are down.
func Links() ([]Link, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	links := make([]Link, len(all))
	for i, l := range all {
		links[i] = Link{Name: l.Name, MTU: l.MTU, Up: l.Flags&net.FlagUp != 0, Loopback: l.Flags&net.FlagLoopback != 0}
	}
	return links, nil
}
