package main

import (
	"net"
	"net/http"
	"net/netip"
	"path/filepath"

	"hither/forward/fetch"
)

// where is what projects tell of the client of a request; a dash: nothing.
func where(p *projects, r *http.Request) string {
	to, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	at, ok := p.of(fetch.Client{From: netip.MustParseAddrPort(r.RemoteAddr), To: netip.MustParseAddrPort(to.String())})
	if !ok {
		return "-"
	}
	return at.Dir + " with " + filepath.Base(at.Args[0]) + "."
}
