// Package roots is the certificates that this machine's programs believe, and files of them for programs that read one file alone:
// the system's roots, what the user gave to single tools, and our own.
//
//	b, err := roots.Bundler{Env: env, CA: ca, Dir: dir, System: system}.Write()
package roots

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"hither/cmd/hither/amount"
	"hither/cmd/hither/environ"
)

// Limit bounds one file of certificates: Mozilla's whole set has 0.2 MB.
const Limit = 8 << 20

// Set collects certificates, each once.
type Set struct {
	ders     [][]byte
	seen     map[[sha256.Size]byte]bool
	warnings []string // about files that a tool was told to use and that cannot be read
}

// add takes one certificate.
func (r *Set) add(der []byte) {
	sum := sha256.Sum256(der)
	if r.seen[sum] {
		return
	}
	if r.seen == nil {
		r.seen = map[[sha256.Size]byte]bool{}
	}
	r.seen[sum] = true
	r.ders = append(r.ders, der)
}

// AddPEM takes every certificate in PEM text and tells how many there were. OpenSSL's TRUSTED CERTIFICATE blocks carry
// more than a certificate and are left out, as everybody else leaves them.
func (r *Set) AddPEM(data []byte) int {
	n := 0
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return n
		}
		if block.Type == "CERTIFICATE" {
			r.add(block.Bytes)
			n++
		}
	}
}

// addPath takes a file, or every file of a directory, as requests takes its REQUESTS_CA_BUNDLE. It tells how many
// certificates there were.
func (r *Set) addPath(path string) (int, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if !info.IsDir() {
		return r.addFile(path, info)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, entry := range entries {
		file := filepath.Join(path, entry.Name())
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			more, _ := r.addFile(file, info)
			n += more
		}
	}
	return n, nil
}

func (r *Set) addFile(path string, info os.FileInfo) (int, error) {
	if !info.Mode().IsRegular() { // a pipe would be waited for without end, and a project's .npmrc may name one
		return 0, fmt.Errorf("%s is no ordinary file", path)
	}
	if info.Size() > Limit {
		return 0, fmt.Errorf("%s has %s, which is no list of certificates", path, amount.Bytes(info.Size()))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return r.AddPEM(data), nil
}

// addNamed takes what the setting of that name points to; trouble is a warning, as it is for the tools themselves.
func (r *Set) addNamed(setting, path string) {
	n, err := r.addPath(path)
	if err == nil && n == 0 {
		err = fmt.Errorf("%s has no PEM certificate", path)
	}
	if err != nil {
		r.warnings = append(r.warnings, fmt.Sprintf("%s: %v; its roots are left out", setting, err))
	}
}

// addListed takes the first file that has certificates and all directories, as OpenSSL and Go do. SSL_CERT_FILE and
// SSL_CERT_DIR replace one list each.
func (r *Set) addListed(env environ.List, files, dirs []string) {
	if file := env.Get("SSL_CERT_FILE"); file != "" {
		r.addNamed("SSL_CERT_FILE", file)
		files = nil
	}
	if list := env.Get("SSL_CERT_DIR"); list != "" {
		dirs = strings.Split(list, string(os.PathListSeparator))
	}
	for _, file := range files {
		if n, err := r.addPath(file); err == nil && n > 0 {
			break
		}
	}
	for _, dir := range dirs {
		_, _ = r.addPath(dir) // it is usual that some do not exist
	}
}

// Encode writes PEM, oldest source first.
func (r *Set) Encode() []byte {
	var out bytes.Buffer
	for _, der := range r.ders {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a Buffer takes everything
	}
	return out.Bytes()
}

// SystemTrusts says that the system's own store has a root, whatever the environment of this process names instead.
func SystemTrusts(root []byte) bool {
	var ours, all Set
	ours.AddPEM(root)
	all.AddSystem(nil)
	return len(ours.ders) == 1 && all.seen[sha256.Sum256(ours.ders[0])]
}
