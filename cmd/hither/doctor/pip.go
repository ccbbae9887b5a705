package doctor

import (
	"context"
	"slices"
	"strings"

	"hither/cmd/hither/doctor/told"
)

// pipClient is pip; uv reads some of the same variables.
type pipClient struct{}

// Name implements client.
func (pipClient) Name() string { return "pip" }

// Told implements client.
func (pipClient) Told(p *Patient) told.Tool { return told.Pip{Reader: p.reader()} }

// Roots implements client. From 24.2 on pip asks the system; before it had roots of its own.
func (pipClient) Roots(ctx context.Context, p *Patient) (shelf, string, bool) {
	if s := (told.Pip{Reader: p.reader()}).Get("cert"); s.Said() {
		return p.shelf(s.Name, s.Value), p.appendRemedy(s.Value), true
	}
	return p.environmentRoots(ctx, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
}

// More implements client.
func (pipClient) More(p *Patient) (out []Finding) {
	tool := told.Pip{Reader: p.reader()}
	if s := tool.Get("trusted-host"); s.Said() && slices.ContainsFunc(strings.Fields(s.Value), func(h string) bool { return h == tool.Host() || h == "files.pythonhosted.org" }) {
		out = append(out, warn("pip checks no certificate of a host in "+s.Name, "Take it back: `pip config unset global.trusted-host`; Hither needs no such thing."))
	}
	return out
}
