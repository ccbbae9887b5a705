package transport

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Roots are the authorities we believe: the system's, those of SSL_CERT_FILE and SSL_CERT_DIR (which Go itself reads on
// Unix only; what cannot be read there is passed over, as Go does), and those in the PEM files. A file that cannot be
// read or holds no certificate is an error.
func Roots(files ...string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, file := range environmentRoots() {
		if text, err := os.ReadFile(file); err == nil {
			pool.AppendCertsFromPEM(text)
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("a file of root certificates cannot be read (%w); correct its name or its permissions", err)
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate; it must be PEM, with -----BEGIN CERTIFICATE----- in it", file)
		}
	}
	return pool, nil
}

func environmentRoots() []string {
	var files []string
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		files = append(files, file)
	}
	for _, dir := range filepath.SplitList(os.Getenv("SSL_CERT_DIR")) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				files = append(files, filepath.Join(dir, e.Name()))
			}
		}
	}
	return files
}
