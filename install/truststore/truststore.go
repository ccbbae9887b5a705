// Package truststore makes the tools of a machine trust one root: by the system's store, by the bundles and stores of their own
// that tools are told to read (npm, pip, git, cargo; NSS, Java), and by what daemons of containers read for each registry. Steps
// are changes as any others; a store that is changed by a program of its own is asked and told by that.
package truststore

import (
	"bytes"
	"context"
	"crypto/sha1" // by it Windows and macOS find a certificate; it proves nothing
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hither/install"
	"hither/install/lines"
	"hither/install/toolfile"
)

// Certificate is the root that the machine is to trust. NewCertificate makes it; the zero one is none.
type Certificate struct {
	PEM        []byte   // one certificate
	File       string   // where it stands, for commands that read it; readable to them
	Registries []string // hosts of container registries, for whose daemons each gets a copy

	der    []byte
	name   string // the subject's common name
	sha1   string // of der, hexadecimal, capitals
	sha256 string
}

// NewCertificate reads a root.
func NewCertificate(text []byte, file string, registries ...string) (Certificate, error) {
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return Certificate{}, fmt.Errorf("%s does not hold one certificate: stop Hither and start it again, then it makes a new one", file)
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !root.IsCA {
		return Certificate{}, fmt.Errorf("%s does not hold a root (%v): stop Hither and start it again, then it makes a new one", file, err)
	}
	one, two := sha1.Sum(root.Raw), sha256.Sum256(root.Raw)
	return Certificate{
		PEM: pem.EncodeToMemory(block), File: file, Registries: slices.Clone(registries), der: root.Raw, name: root.Subject.CommonName,
		sha1: strings.ToUpper(hex.EncodeToString(one[:])), sha256: strings.ToUpper(hex.EncodeToString(two[:])),
	}, nil
}

// Steps returns the steps that make this machine's tools trust root, the system's own store first. Which tool and which
// directory is there decides, not the name of the distribution. A root that replaces another takes its place in each
// store; Done says whether root itself is in it. All but the step for the system's store are install.Optional.
func Steps(m *install.Machine, root Certificate) []install.Step {
	steps := systemStore(m, root)
	for _, more := range [][]install.Step{bundles(m, root), registries(m, root), nssStores(m, root), javaStores(m, root)} {
		for _, step := range more {
			steps = append(steps, install.Optional{Step: step})
		}
	}
	return steps
}

func systemStore(m *install.Machine, root Certificate) []install.Step {
	switch m.System() {
	case "darwin":
		return []install.Step{keychain(m, root)}
	case "windows":
		return []install.Step{rootStore(m, root)}
	}
	a, ok := findAnchors(m)
	if !ok {
		return []install.Step{missing{"trust the root certificate in the system's store"}}
	}
	return []install.Step{install.Noted{
		Step: install.Edit{
			On: m, Name: "trust the root certificate in " + a.dir, Path: a.dir + "/" + a.file, Mode: 0o644,
			Change: func([]byte, bool) ([]byte, error) { return root.PEM, nil },
			After:  [][]string{a.update}, AfterUndo: a.forget(),
		},
		Note: trustNote(m),
	}}
}

// trustNote names the daemons that go on without the root: Go programs read the system's store once, when they first need it.
func trustNote(m *install.Machine) string {
	var programs, units []string
	for _, daemon := range []struct{ program, unit string }{{"dockerd", "docker"}, {"containerd", "containerd"}} {
		if m.Look(daemon.program) {
			programs, units = append(programs, daemon.program), append(units, daemon.unit)
		}
	}
	if len(units) == 0 {
		return ""
	}
	return strings.Join(programs, " and ") + " may go on without it until `systemctl restart " + strings.Join(units, " ") + "`, which may end containers; no such thing was done"
}

const debianAnchors = "/usr/local/share/ca-certificates"

// anchors is where a system takes roots from, and how it is told to.
type anchors struct {
	dir, file string
	update    []string
}

// findAnchors tries the layouts from the most particular to the most common. Arch and SUSE have update-ca-trust or
// update-ca-certificates too, so the directory decides with the tool.
func findAnchors(m *install.Machine) (anchors, bool) {
	for _, a := range []anchors{
		{"/etc/pki/ca-trust/source/anchors", "hither.pem", []string{"update-ca-trust", "extract"}},       // Fedora, RHEL
		{"/etc/ca-certificates/trust-source/anchors", "hither.crt", []string{"trust", "extract-compat"}}, // Arch
		{"/etc/pki/trust/anchors", "hither.pem", []string{"update-ca-certificates"}},                     // SUSE, the administrator's
		{"/usr/share/pki/trust/anchors", "hither.pem", []string{"update-ca-certificates"}},               // SUSE
	} {
		if m.Exists(a.dir) && m.Look(a.update[0]) {
			return a, true
		}
	}
	// Debian and Alpine; the directory may be missing. Only names that end in .crt are taken.
	debian := anchors{debianAnchors, "hither.crt", []string{"update-ca-certificates"}}
	return debian, m.Look(debian.update[0])
}

// forget is what makes the system forget the root once its file is gone. Debian's tool leaves the links to it, and tells
// its hooks, of which one keeps the store of Java, only what it removes itself.
func (a anchors) forget() [][]string {
	if a.dir != debianAnchors {
		return nil
	}
	const script = `for l in /etc/ssl/certs/*; do case "$(readlink "$l")" in hither.pem|` + debianAnchors + `/hither.crt) rm -f "$l"; esac; done
update-ca-certificates || exit
[ -d /etc/ca-certificates/update.d ] || exit 0
run-parts --test /etc/ca-certificates/update.d | while read -r hook; do echo "-/etc/ssl/certs/hither.pem" | "$hook" || echo "$hook failed"; done`
	return [][]string{{"sh", "-c", script}}
}

// missing is a step for which this machine has no place.
type missing struct{ name string }

var errNoStore = errors.New("this system has none that is known: install the package ca-certificates, or give tools the root by `hither env`")

func (s missing) String() string                   { return s.name }
func (missing) Done(context.Context) (bool, error) { return false, nil }
func (missing) Do(context.Context) error           { return errNoStore }
func (missing) Undo(context.Context) error         { return nil }

// marker stands before our root in a file with the roots of others.
const marker = "# Hither: the root certificate of this machine"

// addTo returns a Change that adds the root to a bundle, in the place of one that we had added before. What is no bundle
// of PEM is left as it is.
func (c Certificate) addTo(old []byte, exists bool) ([]byte, error) {
	if exists && len(bytes.TrimSpace(old)) > 0 && !bytes.Contains(old, []byte("-----BEGIN")) {
		return nil, errors.New("it is no bundle of certificates in PEM; add the root to it by hand")
	}
	if c.isIn(old) {
		return old, nil
	}
	text := withoutMarked(old)
	end := "\n"
	if bytes.Contains(text, []byte("\r\n")) {
		end = "\r\n"
	}
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, end...)
	}
	block := marker + "\n" + string(c.PEM)
	return append(text, strings.ReplaceAll(block, "\n", end)...), nil
}

func (c Certificate) isIn(text []byte) bool {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if bytes.Equal(block.Bytes, c.der) {
			return true
		}
	}
	return false
}

// withoutMarked drops the certificates that follow our marker.
func withoutMarked(text []byte) []byte {
	var out []string
	skip := false
	for _, l := range lines.Split(text) {
		switch {
		case strings.TrimRight(l, lines.Ends) == marker:
			skip = true
		case skip && strings.HasPrefix(l, "-----END"):
			skip = false
		case !skip:
			out = append(out, l)
		}
	}
	return []byte(strings.Join(out, ""))
}

// registries gives container daemons the root for each host. They read the system's store only when they start, these
// files at each request; both count, so the system's roots stay in force.
func registries(m *install.Machine, root Certificate) []install.Step {
	var dirs []string
	for _, place := range []struct{ sign, dir string }{
		{"/etc/docker", "/etc/docker/certs.d"},
		{"/etc/containerd", toolfile.CertsDir},
		{m.Home + "/.config/docker", m.Home + "/.config/docker/certs.d"}, // without root
	} {
		if m.System() == "linux" && m.Exists(place.sign) {
			dirs = append(dirs, place.dir)
		}
	}
	if m.System() == "darwin" && m.Exists(m.Home+"/.docker") {
		dirs = append(dirs, m.Home+"/.docker/certs.d")
	}
	var steps []install.Step
	for _, dir := range dirs {
		for _, host := range registryDirs(m, dir, root.Registries) {
			path := dir + "/" + host + "/ca.crt"
			steps = append(steps, install.Edit{On: m, Name: "trust the root certificate in " + path, Path: path, Mode: 0o644, Change: root.addTo})
		}
	}
	return steps
}

// registryDirs adds the directory where containerd looks: it goes by the name in the image, docker.io, whose registry has another.
// It passes the user's _default over for what has a directory of its own, so none is made beside that.
func registryDirs(m *install.Machine, dir string, hosts []string) []string {
	if dir != toolfile.CertsDir {
		return hosts
	}
	hosts = slices.Clone(hosts)
	if slices.Contains(hosts, "registry-1.docker.io") {
		hosts = append(hosts, "docker.io")
	}
	return slices.DeleteFunc(hosts, func(host string) bool { return !m.Exists(dir+"/"+host) && m.Exists(dir+"/_default") })
}

// underSystem says that a file is made by the system's own tool, which would write over it; our root comes in that way.
func underSystem(m *install.Machine, path string) bool {
	real, err := m.Resolve(m.Path(path))
	if err != nil {
		return false
	}
	for _, dir := range []string{
		"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/var/lib/ca-certificates", "/usr/share/ca-certificates", "/usr/share/pki",
	} {
		if install.IsBelow(real, m.Path(dir)) {
			return true
		}
	}
	return false
}
