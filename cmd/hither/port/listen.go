// Package port opens the proxy's ports, and says who has one that is taken and how both can live.
package port

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"hither/forward/listener"
)

// probeWait bounds the question whether a stranger's port is a proxy; it is on this machine.
const probeWait = time.Second

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
	other := nextPort(e.Address)
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
func (e *Taken) Who() string {
	if e.Owner.PID == 0 {
		return "another program"
	}
	return fmt.Sprintf("%s (pid %d)", e.Owner.Name, e.Owner.PID)
}

func inspectPort(ctx context.Context, address string) error {
	taken := &Taken{Address: address}
	if at, err := netip.ParseAddrPort(address); err == nil {
		taken.Owner = Owner(ctx, at)
	}
	if isHither(taken.Owner.Name) {
		return taken
	}
	taken.Hither = answersAsHither(ctx, address) // another user's has no name for us
	if !taken.Hither {                           // it would only log that there is no such name
		taken.Proxy = answersAsProxy(ctx, address)
	}
	return taken
}

// maxRoot is more than an answer with a root certificate has, in bytes.
const maxRoot = 64 << 10

// answersAsHither asks for the root certificate, which no other proxy has there.
func answersAsHither(ctx context.Context, address string) bool {
	conn, err := (&net.Dialer{Timeout: probeWait}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(probeWait))
	if _, err := fmt.Fprintf(conn, "GET /ca.pem HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", address); err != nil {
		return false
	}
	answer, _ := io.ReadAll(io.LimitReader(conn, maxRoot)) // half of it will do
	return bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) && bytes.Contains(answer, []byte("\r\n\r\n-----BEGIN CERTIFICATE-----"))
}

// answersAsProxy asks for a tunnel to a name that cannot exist (RFC 6761, section 6.4). A proxy agrees before it looks,
// or reports that it cannot reach it; a web server does not know the method.
func answersAsProxy(ctx context.Context, address string) bool {
	conn, err := (&net.Dialer{Timeout: probeWait}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(probeWait))
	if _, err := fmt.Fprint(conn, "CONNECT hither.invalid:443 HTTP/1.1\r\nHost: hither.invalid:443\r\n\r\n"); err != nil {
		return false
	}
	var line [12]byte
	n, _ := conn.Read(line[:])
	version, status, _ := strings.Cut(string(line[:n]), " ")
	if !strings.HasPrefix(version, "HTTP/1.") {
		return false
	}
	switch status {
	case "200", "407", "502", "503", "504":
		return true
	}
	return false
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

// nextPort proposes the neighbour, on the same address.
func nextPort(address string) string {
	host, text, err := net.SplitHostPort(address)
	port, err2 := strconv.ParseUint(text, 10, 16)
	if err != nil || err2 != nil || port >= 65535 {
		return "127.0.0.1:0"
	}
	return net.JoinHostPort(host, strconv.FormatUint(port+1, 10))
}
