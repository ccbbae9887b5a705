//go:build linux

package main

import (
	"context"
	"errors"
	"net/netip"

	"hither/resolver"
	"hither/resolver/exchange"
	"hither/resolver/exchange/group"
	"hither/resolver/exchange/nameserver"
	"hither/resolver/hosts"
	"hither/resolver/socket"
)

// serveResolver is Hither's resolver without the rest of Hither, at args[0], with the upstream args[1].
func serveResolver(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("write resolver ADDRESS:PORT UPSTREAM")
	}
	upstream, err := nameserver.Parse(args[1], nameserver.Options{})
	if err != nil {
		return err
	}
	names := resolver.NewNames([]string{"registry.npmjs.org"}, netip.MustParseAddr("127.0.0.9"), netip.Addr{})
	server := &resolver.Server{
		Names:    func() *resolver.Names { return names },
		Exchange: &group.Group{Upstreams: []exchange.Exchanger{upstream}},
		Hosts:    &hosts.File{},
	}
	sockets, err := socket.Listen(ctx, args[0])
	if err != nil {
		return err
	}
	return server.Serve(ctx, sockets)
}
