package doctor

import (
	"context"

	"hither/cmd/hither/doctor/told"
)

// cargoClient is cargo.
type cargoClient struct{}

// Name implements client.
func (cargoClient) Name() string { return "cargo" }

// Told implements client.
func (cargoClient) Told(p *Patient) told.Tool { return told.Cargo{Reader: p.reader()} }

// Roots implements client.
func (cargoClient) Roots(ctx context.Context, p *Patient) (shelf, string, bool) {
	if s := (told.Cargo{Reader: p.reader()}).CAInfo(); s.Said() && p.lookup("CARGO_HTTP_CAINFO") == "" {
		return p.shelf(s.Name, s.Value), p.appendRemedy(s.Value), true
	}
	return p.environmentRoots(ctx, "CARGO_HTTP_CAINFO", "SSL_CERT_FILE")
}

// More implements client.
func (cargoClient) More(p *Patient) []Finding {
	if file, err := (told.Cargo{Reader: p.reader()}).Broken(); err != nil {
		return []Finding{warn("cargo's configuration "+file+" does not parse: "+err.Error(), "Correct it: `$EDITOR "+p.Shell.Quote(file)+"`.")}
	}
	return nil
}
