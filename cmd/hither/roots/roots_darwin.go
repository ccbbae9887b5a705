package roots

import (
	"context"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"hither/cmd/hither/environ"
)

// GoReadsBundle tells whether Go programs look at SSL_CERT_FILE: on macOS they ask the Security framework instead.
const GoReadsBundle = false

// keychainWait bounds all questions to the keychains; the lists come in well below a second.
const keychainWait = 15 * time.Second

// AddSystem takes Apple's roots, and those that an administrator added and that are trusted in fact.
func (r *Set) AddSystem(env environ.List) {
	ctx, cancel := context.WithTimeout(context.Background(), keychainWait)
	defer cancel()
	r.AddPEM(findCertificates(ctx, "/System/Library/Keychains/SystemRootCertificates.keychain"))
	var added Set
	added.AddPEM(findCertificates(ctx, "/Library/Keychains/System.keychain"))
	for _, der := range added.ders {
		if isTrusted(ctx, der) {
			r.add(der)
		}
	}
	r.addListed(env, []string{"/etc/ssl/cert.pem"}, nil)
}

func findCertificates(ctx context.Context, keychain string) []byte {
	out, _ := exec.CommandContext(ctx, "/usr/bin/security", "find-certificate", "-a", "-p", keychain).Output()
	return out
}

// isTrusted asks the system: a keychain holds device certificates and distrusted roots as well.
func isTrusted(ctx context.Context, der []byte) bool {
	cert, err := x509.ParseCertificate(der)
	if err != nil || !cert.IsCA {
		return false
	}
	dir, err := os.MkdirTemp("", "hither-")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "root.cer")
	if os.WriteFile(file, der, 0o600) != nil {
		return false
	}
	return exec.CommandContext(ctx, "/usr/bin/security", "verify-cert", "-l", "-L", "-q", "-c", file).Run() == nil
}
