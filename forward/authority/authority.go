// Package authority is the local certificate authority: one root that may vouch only for the hosts in the rules, and a
// leaf for each of them.
//
// The root is made on the first start and kept in a directory: ca.pem, which clients are told to trust, and ca-key.pem,
// which nobody else can read. It carries a critical name constraint (RFC 5280, 4.2.1.10), so that even a stolen key makes
// no certificate for any other name that a client would accept. The constraint covers the sub-domains of the hosts too:
// X.509 has no way to say otherwise. We ourselves make leaves for the very hosts only.
//
//	ca, err := authority.Open(dir, hosts, time.Now)
//	if text := ca.Reissued(); text != "" { log.Warn(text) } // it must be trusted anew
//	server := tls.NewListener(listener, ca.TLSConfig())
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// CA is an open authority. It may be used from many goroutines.
type CA struct {
	dir      string
	now      func() time.Time
	names    names
	root     *x509.Certificate
	rootKey  *ecdsa.PrivateKey
	rootPEM  []byte
	leafKey  *ecdsa.PrivateKey // one for all leaves of this start, never written down
	reissued string
	repaired string
	config   *tls.Config

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

// Open reads the authority in dir, or makes it, for hosts: DNS names and addresses, a :PORT behind them is passed over.
// dir is made if it is not there. A root that does not permit all the hosts, or ends soon, is replaced by one with a new
// key and name, of which [CA.Reissued] tells; hosts that the rules do not have any more do no harm and replace nothing.
// now is the clock; nil: time.Now. Two processes may open the same dir at once.
func Open(dir string, hosts []string, now func() time.Time) (*CA, error) {
	if now == nil {
		now = time.Now
	}
	wanted, err := parseNames(hosts)
	if err != nil {
		return nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	ca := &CA{dir: dir, now: now, names: wanted, leafKey: leafKey, leaves: map[string]*tls.Certificate{}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("the directory of the certificate authority cannot be made (%w); correct its permissions or name another", err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, fmt.Errorf("the certificate authority in %s cannot be locked (%w); correct its permissions or end that process", dir, err)
	}
	defer unlock()
	if err := ca.load(); err != nil {
		return nil, err
	}
	ca.config = ca.newConfig()
	return ca, nil
}

// Preview returns the root certificate that Open would have, and changes nothing: one that is to be made is made for this call
// alone.
func Preview(dir string, hosts []string, now func() time.Time) (text []byte, file string, err error) {
	ca := &CA{dir: dir, now: now}
	if now == nil {
		ca.now = time.Now
	}
	if ca.names, err = parseNames(hosts); err != nil {
		return nil, "", err
	}
	root, err := readRoot(ca.File())
	if err != nil {
		return nil, "", err
	}
	if root != nil && ca.outgrown(root) == "" {
		return encode(root.Raw), ca.File(), nil
	}
	made, err := newRoot(ca.names, ca.now())
	if err != nil {
		return nil, "", err
	}
	return made.pem, ca.File(), nil
}

// load reads the root, and makes another if there is none or it is not enough.
func (ca *CA) load() error {
	found, err := read(ca.dir)
	if err != nil {
		return err
	}
	if found == nil {
		return ca.begin()
	}
	ca.repaired = found.repaired
	if why := ca.outgrown(found.root); why != "" {
		return ca.replace(found.root, why)
	}
	ca.root, ca.rootKey, ca.rootPEM = found.root, found.key, found.pem
	if begins := ca.root.NotBefore; ca.repaired == "" && ca.now().Before(begins) {
		ca.repaired = fmt.Sprintf("the local certificate authority is valid from %s on only, which is after now, so clients will refuse it: correct the clock; "+
			"if it is right, remove ca.pem and ca-key.pem: then a new authority is made, which must be trusted anew", begins.Format(time.DateOnly))
	}
	return nil
}

// begin makes the first root. A key without a certificate is what an earlier start left that was cut off, perhaps while it
// replaced a root that is trusted.
func (ca *CA) begin() error {
	cut := keyAlone(ca.dir)
	if err := ca.make(); err != nil {
		return err
	}
	if cut {
		ca.reissued = fmt.Sprintf("the local certificate authority was made anew as %q, because its certificate was gone; trust the new one (%s)", ca.root.Subject.CommonName, ca.File())
	}
	return nil
}

// outgrown says why root cannot serve any more; empty if it can.
func (ca *CA) outgrown(root *x509.Certificate) string {
	if missing := ca.names.missing(root); len(missing) > 0 {
		return "the rules have hosts that it may not vouch for: " + strings.Join(missing, ", ")
	}
	now, end := ca.now(), root.NotAfter.Format(time.DateOnly)
	switch {
	case now.After(root.NotAfter):
		return fmt.Sprintf("it ended on %s and the clock says %s (if that is wrong, correct it first)", end, now.Format(time.DateOnly))
	case now.After(root.NotAfter.Add(-rootRenewal)):
		return "it ends on " + end
	}
	return ""
}

// replace makes a new root. The old certificate stays beside it under a name of its own, so that whoever trusted it can
// take that back; its key is gone.
func (ca *CA) replace(old *x509.Certificate, why string) error {
	kept, err := retire(ca.dir, old)
	if err != nil {
		return err
	}
	if err := ca.make(); err != nil {
		return err
	}
	ca.reissued = fmt.Sprintf("the local certificate authority %q was replaced by %q, because %s; trust the new one (%s) and forget the old one (%s)",
		old.Subject.CommonName, ca.root.Subject.CommonName, why, ca.File(), kept)
	return nil
}

func (ca *CA) make() error {
	made, err := newRoot(ca.names, ca.now())
	if err != nil {
		return err
	}
	if err := write(ca.dir, made); err != nil {
		return err
	}
	ca.root, ca.rootKey, ca.rootPEM = made.root, made.key, made.pem
	return nil
}

// Reissued tells in words that the root was replaced by this Open and why; empty if it was not. Whoever trusted the old
// one must trust the new one, so this is to be said aloud.
func (ca *CA) Reissued() string { return ca.reissued }

// Repaired tells in words what Open found wrong, and put right if it could; empty if nothing.
func (ca *CA) Repaired() string { return ca.repaired }

// PEM is the root certificate, for clients to trust.
func (ca *CA) PEM() []byte { return append([]byte(nil), ca.rootPEM...) }

// File is where the root certificate is kept.
func (ca *CA) File() string { return filepath.Join(ca.dir, certFile) }
