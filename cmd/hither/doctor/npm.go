package doctor

import (
	"context"
	"strings"

	"hither/cmd/hither/doctor/told"
)

// npmClient is npm; pnpm and Yarn 1 read the same files.
type npmClient struct{}

// Name implements client.
func (npmClient) Name() string { return "npm" }

// Told implements client.
func (npmClient) Told(p *Patient) told.Tool { return told.Npm{Reader: p.reader()} }

// Roots implements client. Npm's cafile and ca replace all other roots; without them Node has its own, or the system's, to
// which NODE_EXTRA_CA_CERTS adds.
func (npmClient) Roots(ctx context.Context, p *Patient) (shelf, string, bool) {
	tool := told.Npm{Reader: p.reader()}
	if s := tool.Get("cafile"); s.Said() {
		found := p.shelf(s.Name, s.Value)
		return found, p.appendRemedy(s.Value), true
	}
	if s := tool.Get("ca"); s.Said() {
		return shelf{Setting: s.Name, Path: "its text", Ours: holdsRoot(p, s.Value)},
			"Name a file instead that has both: `npm config delete ca && npm config set cafile " + p.Shell.Quote(p.rootFile()) + "`; or for this shell: `" + p.thisShell() + "`.", true
	}
	extra, found := p.first("NODE_EXTRA_CA_CERTS"), shelf{}
	if extra.Said() {
		found = p.shelf(extra.Name, extra.Value)
	}
	if !found.Ours && readsSystem(ctx, p) {
		return p.environmentRoots(ctx, "SSL_CERT_FILE")
	}
	return found, "Name Hither's root: `" + p.export("NODE_EXTRA_CA_CERTS", p.rootFile()) + "`; or for this shell: `" + p.thisShell() + "`.", extra.Said()
}

// readsSystem says that this Node believes the system's roots: it was told so, or built so that it believes whom OpenSSL believes, as
// Debian's is (--openssl-use-def-ca-store).
func readsSystem(ctx context.Context, p *Patient) bool {
	options := p.lookup("NODE_OPTIONS")
	switch {
	case p.lookup("NODE_USE_SYSTEM_CA") == "1", strings.Contains(options, "--use-system-ca"), strings.Contains(options, "--use-openssl-ca"):
		return true
	case strings.Contains(options, "--use-bundled-ca"):
		return false
	}
	return strings.TrimSpace(p.run(ctx, "node", "-p", "process.config.target_defaults.defines.includes('NODE_OPENSSL_CERT_STORE')")) == "true"
}

// holdsRoot says whether PEM text, with \n for the ends of lines, has the root in force.
func holdsRoot(p *Patient, text string) bool {
	own := &Patient{CA: []byte(strings.ReplaceAll(text, `\n`, "\n"))}
	return len(p.root()) > 0 && string(own.root()) == string(p.root())
}

// More implements client.
func (npmClient) More(p *Patient) (out []Finding) {
	if s := (told.Npm{Reader: p.reader()}).Get("strict-ssl"); s.Value == "false" {
		out = append(out, warn("npm checks no certificates: "+s.Name+" is false, so whoever is between can change packages",
			"Take it back: `npm config delete strict-ssl`; Hither needs no such thing."))
	}
	if s := p.first("NODE_TLS_REJECT_UNAUTHORIZED"); s.Value == "0" {
		out = append(out, warn("Node checks no certificates: NODE_TLS_REJECT_UNAUTHORIZED is 0", "Take it back: `"+p.Shell.Unset("NODE_TLS_REJECT_UNAUTHORIZED")+"`; Hither needs no such thing."))
	}
	return out
}
