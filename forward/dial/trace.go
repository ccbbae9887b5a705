package dial

import (
	"context"
	"net"
	"net/http/httptrace"
	"net/netip"
)

// untraced hides everything that was attached to a context but its end. Package net tells a httptrace of each connection it
// makes, also of those to a name server or to a proxy, as if they were the request's own; we tell of them ourselves.
type untraced struct{ context.Context }

func (untraced) Value(any) any { return nil }

// trace tells whoever listens to a request how its connection comes about. nil and nil functions are not called.
type trace struct{ *httptrace.ClientTrace }

func traceOf(ctx context.Context) trace { return trace{httptrace.ContextClientTrace(ctx)} }

func (t trace) dnsStart(host string) {
	if t.ClientTrace != nil && t.DNSStart != nil {
		t.DNSStart(httptrace.DNSStartInfo{Host: host})
	}
}

func (t trace) dnsDone(found []netip.Addr, err error) {
	if t.ClientTrace == nil || t.DNSDone == nil {
		return
	}
	addrs := make([]net.IPAddr, 0, len(found))
	for _, a := range found {
		addrs = append(addrs, net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()})
	}
	t.DNSDone(httptrace.DNSDoneInfo{Addrs: addrs, Err: err})
}

func (t trace) connectStart(network, addr string) {
	if t.ClientTrace != nil && t.ConnectStart != nil {
		t.ConnectStart(network, addr)
	}
}

func (t trace) connectDone(network, addr string, err error) {
	if t.ClientTrace != nil && t.ConnectDone != nil {
		t.ConnectDone(network, addr, err)
	}
}
