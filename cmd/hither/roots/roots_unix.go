//go:build !windows && !darwin

package roots

import "hither/cmd/hither/environ"

// GoReadsBundle tells whether Go programs look at SSL_CERT_FILE.
const GoReadsBundle = true

// AddSystem takes the roots of the system: the lists of crypto/x509 root_linux.go and root_bsd.go, in their order.
func (r *Set) AddSystem(env environ.List) {
	r.addListed(env, []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch, Alpine's package
		"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL 6
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/pki/tls/cacert.pem",                           // OpenELEC
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL 7 and later
		"/etc/ssl/cert.pem",                                 // Alpine, OpenBSD, FreeBSD
		"/usr/local/etc/ssl/cert.pem",                       // FreeBSD
		"/usr/local/share/certs/ca-root-nss.crt",            // FreeBSD, DragonFly
		"/etc/openssl/certs/ca-certificates.crt",            // NetBSD
	}, []string{
		"/etc/ssl/certs",
		"/etc/pki/tls/certs",
		"/usr/local/share/certs",
		"/etc/openssl/certs",
	})
}
