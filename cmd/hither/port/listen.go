// Package port opens the proxy's ports, and says who has one that is taken and how both can live.
package port

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"hither/forward/listener"
)

// Listen opens the proxy's listeners, all or none, but for those that a service manager has opened. A port that somebody has is a *Taken.
func Listen(ctx context.Context, addresses []string, inherited *listener.Inherited) ([]net.Listener, error) {
	var out []net.Listener
	for _, address := range addresses {
		if at, err := netip.ParseAddrPort(address); err == nil {
			if l := inherited.Take(at); l != nil {
				out = append(out, l)
				continue
			}
		}
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err == nil {
			out = append(out, l)
			continue
		}
		for _, open := range out {
			open.Close()
		}
		if errors.Is(err, addressInUse) {
			return nil, inspectPort(ctx, address)
		}
		return nil, fmt.Errorf("listen on %s: %w; choose another address with --listen", address, err)
	}
	return out, nil
}

// Taken says who has a port, and how both can live.
type Taken struct {
	Address string
	Owner   Process // zero: not known
	Proxy   bool    // it answers as a proxy does
	Hither  bool    // it answers as a Hither does
}

// Process is a running program.
type Process struct {
	PID  int
	Name string
}

// Error ends with flags to add to the command that was given.
func (e *Taken) Error() string {
	other := Next(e.Address)
	switch {
	case e.Hither || isHither(e.Owner.Name):
		return fmt.Sprintf("%s is taken by %s, another Hither with a state directory of its own: use that one, end it, or start this one with `--listen %s`",
			e.Address, e.Who(), other)
	case e.Proxy || isKnownProxy(e.Owner.Name):
		return fmt.Sprintf("%s is taken by %s, which is a proxy: listen beside it and go out through it with `--listen %s --upstream-proxy http://%s`",
			e.Address, e.Who(), other, e.Address)
	}
	return fmt.Sprintf("%s is taken by %s: take another port with `--listen %s`, or any free one with `--listen 127.0.0.1:0`",
		e.Address, e.Who(), other)
}

// Who is the owner in words.
func (e *Taken) Who() string { return e.Owner.String() }

// String is the process in words.
func (p Process) String() string {
	if p.PID == 0 {
		return "another program"
	}
	return fmt.Sprintf("%s (pid %d)", p.Name, p.PID)
}

func inspectPort(ctx context.Context, address string) error {
	taken := &Taken{Address: address}
	if at, err := netip.ParseAddrPort(address); err == nil {
		taken.Owner = Owner(ctx, at)
	}
	if isHither(taken.Owner.Name) {
		return taken
	}
	dial := new(net.Dialer).DialContext
	taken.Hither = answersAsHither(ctx, dial, address) // another user's has no name for us
	if !taken.Hither {                                 // it would only log that there is no such name
		taken.Proxy = AnswersConnect(ctx, dial, address)
	}
	return taken
}

// isKnownProxy knows programs that take port 7890, for the case that they do not answer in time.
func isKnownProxy(name string) bool {
	name = strings.ToLower(name)
	for _, known := range []string{"clash", "mihomo", "sing-box", "v2ray", "xray", "privoxy", "squid", "tinyproxy"} {
		if strings.Contains(name, known) {
			return true
		}
	}
	return false
}

func isHither(name string) bool { return strings.TrimSuffix(strings.ToLower(name), ".exe") == "hither" }

// Next proposes the neighbour of a port, on the same address; behind the last one, any that is free.
func Next(address string) string {
	host, text, err := net.SplitHostPort(address)
	port, err2 := strconv.ParseUint(text, 10, 16)
	switch {
	case err != nil || err2 != nil:
		return "127.0.0.1:0"
	case port == math.MaxUint16:
		return net.JoinHostPort(host, "0")
	}
	return net.JoinHostPort(host, strconv.FormatUint(port+1, 10))
}
