package dial

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"hither/forward/wiretest"
)

// spy is a Resolver and a network in one, which both make connections of their own: nobody shall hear of those.
type spy struct {
	wiretest.Names
	t      *testing.T
	refuse string // by this address
}

func (s spy) LookupNetIP(ctx context.Context, host string) ([]netip.Addr, error) {
	if httptrace.ContextClientTrace(ctx) != nil {
		s.t.Error("the resolver can see the request's trace")
	}
	return s.Names.LookupNetIP(ctx, host)
}

func (s spy) connect(ctx context.Context, _, addr string) (net.Conn, error) {
	if httptrace.ContextClientTrace(ctx) != nil {
		s.t.Error("package net can see the request's trace, and would tell everything twice")
	}
	if strings.HasPrefix(addr, s.refuse) {
		return nil, errors.New("refused")
	}
	return wiretest.PipeTo(s.t), nil
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
			world := spy{Names: wiretest.Names{"one.example": "192.0.2.1", "two.example": "192.0.2.1 2001:db8::1", "rebind.example": "127.0.0.1"}, t: t, refuse: "[2001:db8::1]"}
			d := &Dialer{Resolver: world, Connect: world.connect}
			var told wiretest.Diary
			_, _ = d.DialContext(told.Traced(t.Context()), "tcp", c.addr)
			want(t, told.String(), c.want)
		})
	}
}

// The names and the connections of package net itself are told once.
func TestARealConnectionIsToldOnce(t *testing.T) {
	s := httptest.NewServer(wiretest.Says("ok"))
	defer s.Close()
	var told wiretest.Diary
	addr := s.Listener.Addr().String()
	conn, err := new(Dialer).DialContext(told.Traced(t.Context()), "tcp", addr)
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
			world := spy{Names: wiretest.Names{"proxy.example": "192.0.2.99"}, t: t, refuse: c.refuse}
			d := &Dialer{Resolver: world, Connect: world.connect, Proxy: &url.URL{Scheme: "http", Host: "proxy.example:3128"}}
			var told wiretest.Diary
			_, _ = d.DialContext(told.Traced(t.Context()), "tcp", c.addr)
			want(t, told.String(), c.want)
		})
	}
}
