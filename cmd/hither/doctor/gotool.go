package doctor

import (
	"context"
	"path/filepath"
	"strings"

	"hither/cmd/hither/doctor/told"
	"hither/forward/dial"
)

// goClient is the go command.
type goClient struct{}

// Name implements client.
func (goClient) Name() string { return "go" }

// Told implements client.
func (goClient) Told(p *Patient) told.Tool { return told.Go{Reader: p.reader()} }

// Roots implements client. Beside the file of SSL_CERT_FILE Go reads directories, the system's or those of SSL_CERT_DIR; on macOS
// and Windows no variable counts.
func (goClient) Roots(ctx context.Context, p *Patient) (shelf, string, bool) {
	if system := p.system(); system == "windows" || system == "darwin" {
		return p.environmentRoots(ctx)
	}
	found, remedy, known := p.environmentRoots(ctx, "SSL_CERT_FILE")
	if found.Ours {
		return found, remedy, known
	}
	setting, dirs := "", []string{"/etc/ssl/certs", "/etc/pki/tls/certs"} // of crypto/x509
	if list := p.lookup("SSL_CERT_DIR"); list != "" {
		setting, dirs = "SSL_CERT_DIR", strings.Split(list, ":")
	}
	for _, dir := range dirs {
		for _, place := range []string{dir, filepath.Join(dir, "ca-certificates.crt")} { // which shelf leaves out
			if beside := p.shelf(setting, place); beside.Ours {
				return beside, remedy, true
			}
		}
	}
	return found, remedy, known
}

// Advice implements advised.
func (goClient) Advice(p *Patient) string {
	return "For this shell: `" + p.thisShell() + "`; for all: `go env -w 'GOPROXY=http://" + p.proxyAddress() + "/go|https://proxy.golang.org,direct'`."
}

// More implements client: settings that make the go command ask less, or believe more, than it should.
func (goClient) More(p *Patient) (out []Finding) {
	tool := told.Go{Reader: p.reader()}
	list := tool.Get("GOPROXY")
	if u := tool.Registry(); u.Said() && strings.HasPrefix(u.Value, "http") && strings.Contains(u.Value, "://") {
		if rest := strings.TrimPrefix(list.Value, u.Value); strings.HasPrefix(rest, ",") && p.isOursURL(u.Value) {
			out = append(out, note(list.Name+" has a comma behind Hither, at which Go stops when Hither does not run",
				"Put a bar there: `go env -w 'GOPROXY="+u.Value+"|"+strings.TrimPrefix(rest, ",")+"'`."))
		}
	}
	if s := tool.Get("GOSUMDB"); s.Value == "off" {
		out = append(out, warn(s.Name+" is off: the go command no longer compares modules with the checksum database", "Take it back: `go env -u GOSUMDB; "+p.Shell.Unset("GOSUMDB")+"`; for private modules set GOPRIVATE."))
	}
	for _, name := range []string{"GONOSUMDB", "GONOSUMCHECK", "GONOPROXY", "GOINSECURE"} {
		s := tool.Get(name)
		if !s.Said() {
			continue
		}
		if s.Value == "*" || name == "GONOSUMCHECK" {
			out = append(out, warn(s.Name+" is "+s.Value+", which holds for every module: "+goMeaning(name), "Name only your own modules in it: `go env -u "+name+"; "+p.Shell.Unset(name)+"`, then set GOPRIVATE."))
		} else {
			out = append(out, note(s.Name+" is "+s.Value+": "+goMeaning(name), ""))
		}
	}
	if s := tool.Get("GOFLAGS"); strings.Contains(s.Value, "-insecure") {
		out = append(out, warn(s.Name+" has -insecure, which Go removed in 1.19 and older ones take for a leave to use plain HTTP", "Take it out: `go env -u GOFLAGS`."))
	} else if strings.Contains(s.Value, "-mod=vendor") {
		out = append(out, note(s.Name+" has -mod=vendor, so builds download nothing", ""))
	}
	return out
}

func goMeaning(name string) string {
	switch name {
	case "GONOPROXY":
		return "those go past Hither to version control"
	case "GOINSECURE":
		return "those may come by plain HTTP, unchecked"
	}
	return "those are not compared with the checksum database"
}

func (p *Patient) isOursURL(text string) bool {
	u, ok := parseProxy(text)
	return ok && p.isOurs(dial.HostPort(u))
}
