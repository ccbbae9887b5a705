package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// diary notes what a httptrace is told, in order and comma-separated.
type diary struct {
	mu   sync.Mutex
	text []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = append(d.text, fmt.Sprintf(format, args...))
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.text, ", ")
}

// traced is ctx with a httptrace that writes the diary.
func (d *diary) traced(ctx context.Context) context.Context {
	ended := func(err error) string {
		if err != nil {
			return "in vain"
		}
		return "done"
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:     func(i httptrace.DNSStartInfo) { d.note("dns %s", i.Host) },
		DNSDone:      func(i httptrace.DNSDoneInfo) { d.note("dns %s %d", ended(i.Err), len(i.Addrs)) },
		ConnectStart: func(_, addr string) { d.note("connect %s", addr) },
		ConnectDone:  func(_, addr string, err error) { d.note("connect %s %s", addr, ended(err)) },
	})
}

// spy is a Resolver and a network in one, which both make connections of their own: nobody shall hear of those.
type spy struct {
	names
	t      *testing.T
	refuse string // by this address
}

func (s spy) LookupNetIP(ctx context.Context, host string) ([]netip.Addr, error) {
	if httptrace.ContextClientTrace(ctx) != nil {
		s.t.Error("the resolver can see the request's trace")
	}
	return s.names.LookupNetIP(ctx, host)
}

func (s spy) connect(ctx context.Context, _, addr string) (net.Conn, error) {
	if httptrace.ContextClientTrace(ctx) != nil {
		s.t.Error("package net can see the request's trace, and would tell everything twice")
	}
	if strings.HasPrefix(addr, s.refuse) {
		return nil, errors.New("refused")
	}
	return pipeTo(s.t), nil
}

func TestADialTellsItsPhases(t *testing.T) {
	for _, c := range []struct{ name, addr, want string }{
		{"a name is looked up, then connected to", "one.example:443",
			"dns one.example, dns done 1, connect 192.0.2.1:443, connect 192.0.2.1:443 done"},
		{"a written address is in no name server", "192.0.2.7:80", "connect 192.0.2.7:80, connect 192.0.2.7:80 done"},
		{"nor is localhost", "localhost:80", "connect [::1]:80, connect [::1]:80 done"},
		{"of a race each attempt is told", "two.example:443",
			"dns two.example, dns done 2, connect [2001:db8::1]:443, connect [2001:db8::1]:443 in vain, connect 192.0.2.1:443, connect 192.0.2.1:443 done"},
		{"a name without an address is not connected to", "none.example:443", "dns none.example, dns in vain 0"},
		{"a forbidden address is not connected to", "rebind.example:443", "dns rebind.example, dns done 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			world := spy{names: names{"one.example": "192.0.2.1", "two.example": "192.0.2.1 2001:db8::1", "rebind.example": "127.0.0.1"}, t: t, refuse: "[2001:db8::1]"}
			d := &Dialer{Resolver: world, Connect: world.connect}
			var told diary
			_, _ = d.DialContext(told.traced(t.Context()), "tcp", c.addr)
			want(t, told.String(), c.want)
		})
	}
}

// The names and the connections of package net itself are told once.
func TestARealConnectionIsToldOnce(t *testing.T) {
	s := httptest.NewServer(says("ok"))
	defer s.Close()
	var told diary
	addr := s.Listener.Addr().String()
	conn, err := new(Dialer).DialContext(told.traced(t.Context()), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	want(t, told.String(), "connect "+addr+", connect "+addr+" done")
}

// Behind an upstream proxy the whole way to its consent is one connection, and no name is ours to find.
func TestBehindAProxyTheWayToItIsTheConnection(t *testing.T) {
	for _, c := range []struct{ name, addr, refuse, want string }{
		{"a tunnel that cannot be had", "one.example:443", "192.0.2.99", "connect proxy.example:3128, connect proxy.example:3128 in vain"},
		{"the proxy itself, for plain HTTP", "proxy.example:3128", "none", "connect proxy.example:3128, connect proxy.example:3128 done"},
		{"a host that is reached without it", "192.168.0.7:80", "none", "connect 192.168.0.7:80, connect 192.168.0.7:80 done"},
	} {
		t.Run(c.name, func(t *testing.T) {
			world := spy{names: names{"proxy.example": "192.0.2.99"}, t: t, refuse: c.refuse}
			d := &Dialer{Resolver: world, Connect: world.connect, Proxy: &url.URL{Scheme: "http", Host: "proxy.example:3128"}}
			var told diary
			_, _ = d.DialContext(told.traced(t.Context()), "tcp", c.addr)
			want(t, told.String(), c.want)
		})
	}
}
