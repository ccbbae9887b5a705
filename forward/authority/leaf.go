package authority

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

const (
	// leafLife is short because a new leaf costs 0.1 ms and its key lives no longer than this process. Clients accept 397
	// days at most (CA/Browser Forum baseline; Apple 825 for local roots).
	leafLife = 30 * 24 * time.Hour
	// leafRenewal is how long before its end a leaf is replaced.
	leafRenewal = 10 * 24 * time.Hour
)

// Certificate is for tls.Config's GetCertificate: the leaf for the server name that the client sends. For one that sends
// none, because it asks for an address, call [CA.CertificateFor] with what its CONNECT named.
func (ca *CA) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName == "" {
		return nil, errors.New("the client does not say which host it wants; no certificate fits")
	}
	return ca.CertificateFor(hello.ServerName)
}

// CertificateFor returns the leaf for host, one of the hosts given to [Open]; any other is an error. It is made once,
// kept, and made anew before it ends. The caller does not change it.
func (ca *CA) CertificateFor(host string) (*tls.Certificate, error) {
	name, err := clean(host)
	if err != nil {
		return nil, err
	}
	if !ca.names.has(name) {
		return nil, fmt.Errorf("no certificate for %s: no rule speaks of it, and the local authority may not vouch for others", name)
	}
	ca.mu.Lock()
	defer ca.mu.Unlock()
	now := ca.now()
	if leaf := ca.leaves[name]; leaf != nil && fits(leaf.Leaf, now) {
		return leaf, nil
	}
	leaf, err := ca.mint(name, now)
	if err != nil {
		return nil, err
	}
	ca.leaves[name] = leaf
	return leaf, nil
}

// Warm makes the leaves of all hosts, so that no client waits for one.
func (ca *CA) Warm() error {
	for _, host := range ca.names.all() {
		if _, err := ca.CertificateFor(host); err != nil {
			return err
		}
	}
	return nil
}

// fits says whether a leaf is valid and has a while to go. The clock may have been set back, too.
func fits(leaf *x509.Certificate, now time.Time) bool {
	return !now.Before(leaf.NotBefore) && now.Before(leaf.NotAfter.Add(-leafRenewal))
}

// mint makes a leaf. Its name stands in the subject alternative names, where clients look; the common name is not used.
func (ca *CA) mint(name string, now time.Time) (*tls.Certificate, error) {
	number, err := serial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: number,
		Subject:      pkix.Name{Organization: []string{"Hither"}},
		NotBefore:    latest(now.Add(-backdate), ca.root.NotBefore),
		NotAfter:     earliest(now.Add(leafLife), ca.root.NotAfter),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		template.IPAddresses = []net.IP{addr.AsSlice()}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.root, ca.leafKey.Public(), ca.rootKey)
	if err != nil {
		return nil, fmt.Errorf("make the certificate for %s: %w", name, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make the certificate for %s: %w", name, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: ca.leafKey, Leaf: leaf}, nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// TLSConfig is for listeners that clients reach us by. It is one and the same for all of them, so that a session begun on
// one connection is resumed on the next; the caller does not change it.
func (ca *CA) TLSConfig() *tls.Config { return ca.config }

func (ca *CA) newConfig() *tls.Config {
	return &tls.Config{
		GetCertificate: ca.Certificate,
		MinVersion:     tls.VersionTLS12,
		// The server's order decides. On loopback HTTP/1.1 carries twice what HTTP/2 does; those that want h2 alone get it, and
		// curl --http1.0 what it wants.
		NextProtos: []string{"http/1.1", "h2", "http/1.0"},
		// The post-quantum exchanges, which Go would prefer, cost half a handshake more, and this line does not leave
		// the machine. Go ignores the order of the list: X25519 comes first in its own.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384},
	}
}
