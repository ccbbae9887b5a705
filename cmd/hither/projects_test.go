package main

import (
	"net"
	"net/http"
	"net/netip"
	"path/filepath"

	"hither/cmd/hither/projects"
	"hither/forward/fetch"
)

// where is what projects tell of the client of a request; a dash: nothing.
func where(p *projects.Finder, r *http.Request) string {
	to, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	at, ok := p.Where(fetch.Client{From: netip.MustParseAddrPort(r.RemoteAddr), To: netip.MustParseAddrPort(to.String())})
	if !ok {
		return "-"
	}
	return at.Dir + " with " + filepath.Base(at.Args[0]) + "."
}
