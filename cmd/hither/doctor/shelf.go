package doctor

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// shelf is a file or directory of roots, as it was found.
type shelf struct {
	Setting string // who says that it is read: "NODE_EXTRA_CA_CERTS"; empty: the system's habit
	Path    string
	Err     error    // it cannot be read
	Count   int      // certificates in it; 0 also for stores that are not PEM
	Ours    bool     // the root in force is in it
	Late    bool     // it was written after the program began that reads it but once
	Others  []string // names of other roots that a Hither made
}

// place names the shelf for people.
func (s shelf) place() string {
	if s.Setting == "" {
		return s.Path
	}
	return s.Setting + " (" + s.Path + ")"
}

// wrong says what of ours is in it although it is of no use; empty: nothing.
func (s shelf) wrong() string {
	if s.Ours || len(s.Others) == 0 {
		return ""
	}
	return s.place() + " holds " + strings.Join(s.Others, ", ") + ", which is an older root or another Hither's"
}

// maxShelf bounds the files of one directory that are read.
const maxShelf = 2000

// hitherName is how authority names its roots. In stores that are not PEM it is looked for in the bytes.
var hitherName = [...]*regexp.Regexp{regexp.MustCompile(`Hither local authority \([^()\x00-\x1f]{0,64}\) [0-9a-f]{6}`)}

// shelf looks at a file or a directory.
func (p *Patient) shelf(setting, name string) shelf {
	s := shelf{Setting: setting, Path: name}
	info, err := os.Stat(p.path(name))
	if err != nil {
		s.Err = err
		return s
	}
	if !info.IsDir() {
		s.take(p, name)
		return s
	}
	entries, err := os.ReadDir(p.path(name))
	s.Err = err
	for _, entry := range entries[:min(len(entries), maxShelf)] {
		if entry.Name() == "ca-certificates.crt" || entry.IsDir() {
			continue // the bundle of all the others
		}
		part := shelf{}
		part.take(p, path.Join(name, entry.Name()))
		s.Count, s.Ours = s.Count+part.Count, s.Ours || part.Ours
		for _, other := range part.Others {
			s.note(other)
		}
	}
	return s
}

// take reads one file: PEM, or a store of another kind (Java's, NSS's), in which certificates stand as they are.
func (s *shelf) take(p *Patient, name string) {
	data, err := p.read(name)
	if err != nil {
		s.Err = err
		return
	}
	ours := p.root()
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		s.Ours = len(ours) > 0 && bytes.Contains(data, ours)
		for _, found := range hitherName[0].FindAll(data, 8) {
			s.note(string(found))
		}
		return
	}
	s.takePEM(p, data)
	if s.Count == 0 {
		s.Err = errors.New("there is no certificate in it")
	}
}

// takePEM reads every certificate in PEM text.
func (s *shelf) takePEM(p *Patient, data []byte) {
	ours := p.root()
	for len(data) > 0 {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		s.Count++
		if bytes.Equal(block.Bytes, ours) {
			s.Ours = true
		} else if bytes.Contains(block.Bytes, []byte("Hither")) {
			if cert, err := x509.ParseCertificate(block.Bytes); err == nil && slices.Contains(cert.Subject.Organization, "Hither") {
				s.note(cert.Subject.CommonName)
			}
		}
	}
}

// pemShelf looks at PEM text that a command printed.
func (p *Patient) pemShelf(name, text string) shelf {
	s := shelf{Path: name}
	s.takePEM(p, []byte(text))
	return s
}

// note remembers the name of a root that a Hither made.
func (s *shelf) note(name string) {
	if !slices.Contains(s.Others, name) && len(s.Others) < 8 {
		s.Others = append(s.Others, name)
	}
}

// root is the root in force, DER; nil: not known.
func (p *Patient) root() []byte {
	block, _ := pem.Decode(p.CA)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil
	}
	return block.Bytes
}

// IsRoot says whether PEM text begins with a root that a Hither made.
func IsRoot(text []byte) bool {
	cert, err := x509.ParseCertificate((&Patient{CA: text}).root())
	return err == nil && slices.Contains(cert.Subject.Organization, "Hither")
}

// rootFile is where the root in force stands, for commands.
func (p *Patient) rootFile() string {
	if p.Daemon.CA != "" {
		return p.Daemon.CA
	}
	return path.Join(p.State, "ca.pem")
}

// systemFiles are the bundles of the systems that have files, in the order of crypto/x509.
func systemFiles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem", "/usr/local/share/certs/ca-root-nss.crt",
	}
}

// systemShelf is what programs read that were told nothing; false: there is none.
func (p *Patient) systemShelf(ctx context.Context) (shelf, bool) {
	switch p.system() {
	case "darwin":
		text := p.run(ctx, "/usr/bin/security", "find-certificate", "-a", "-p", "-c", "Hither local authority")
		return p.pemShelf("the keychains", text), true
	case "windows":
		return p.certificateStore(ctx), true
	}
	for _, file := range systemFiles() {
		if s := p.shelf("", file); !errors.Is(s.Err, fs.ErrNotExist) {
			return s, true
		}
	}
	return shelf{}, false
}

// certificateStore asks Windows for the roots that bear our name.
func (p *Patient) certificateStore(ctx context.Context) shelf {
	out := p.run(ctx, "powershell", "-NoProfile", "-Command",
		"Get-ChildItem Cert:\\LocalMachine\\Root, Cert:\\CurrentUser\\Root | Where-Object Subject -like '*Hither local authority*' | ForEach-Object { [Convert]::ToBase64String($_.RawData) }")
	var text strings.Builder
	for _, word := range strings.Fields(out) {
		if _, err := base64.StdEncoding.DecodeString(word); err == nil {
			fmt.Fprintf(&text, "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n", word)
		}
	}
	return p.pemShelf("the certificate store", text.String())
}

// trustCommand is how a root becomes one of the system.
func (p *Patient) trustCommand() string {
	if command := p.installs("--trust"); command != "" {
		return command
	}
	file := p.Shell.Quote(p.rootFile())
	switch p.system() {
	case "darwin":
		return "sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain " + file
	case "windows":
		return "certutil -user -addstore Root " + file
	}
	switch {
	case p.exists("/usr/local/share/ca-certificates") || p.exists("/etc/ca-certificates.conf"):
		return "sudo install -m 644 " + file + " /usr/local/share/ca-certificates/hither.crt && sudo update-ca-certificates"
	case p.exists("/etc/pki/trust/anchors"):
		return "sudo install -m 644 " + file + " /etc/pki/trust/anchors/hither.pem && sudo update-ca-certificates"
	case p.exists("/etc/pki/ca-trust/source/anchors"):
		return "sudo install -m 644 " + file + " /etc/pki/ca-trust/source/anchors/hither.pem && sudo update-ca-trust"
	}
	return "sudo trust anchor --store " + file
}

func (p *Patient) exists(name string) bool {
	_, err := os.Stat(p.path(name))
	return err == nil
}
