// Package trust is the certificate authority in force, which follows the rules while Hither runs.
//
//	ca, err := trust.Open(state, set, log)
//	err = ca.Extend(other)
package trust

import (
	"crypto/tls"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"hither/forward/authority"
	"hither/rules"
)

// Authority is the certificate authority in force. A rule that adds a host makes a new one, because a root may vouch only for
// the hosts it was made for.
type Authority struct {
	state string
	log   *slog.Logger
	ca    atomic.Pointer[authority.CA]
	hosts []string // that ca was opened for; only Extend changes it
}

// Open makes an authority for the hosts of the rules, or opens the one that the state directory has.
func Open(state string, set *rules.Set, log *slog.Logger) (*Authority, error) {
	t := &Authority{state: state, log: log}
	return t, t.Extend(set)
}

// Extend makes sure that the authority may vouch for every host of the rules. It is called by one at a time.
func (t *Authority) Extend(set *rules.Set) error {
	hosts, old := set.Hosts(), t.ca.Load()
	if old != nil && slices.Equal(hosts, t.hosts) {
		return nil
	}
	ca, err := authority.Open(t.state, hosts, time.Now)
	if err != nil {
		return err
	}
	if said := ca.Repaired(); said != "" {
		t.log.Warn(said)
	}
	if said := ca.Reissued(); said != "" && old != nil {
		t.log.Warn(said + "; start anew what was started behind Hither before, and call `hither env` again in each shell")
	} else if said != "" {
		t.log.Warn(said)
	}
	if err := ca.Warm(); err != nil {
		return err
	}
	t.ca.Store(ca)
	t.hosts = hosts
	return nil
}

// Certificate implements forward.CA.
func (t *Authority) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return t.ca.Load().Certificate(hello)
}

// CertificateFor implements forward.CA.
func (t *Authority) CertificateFor(host string) (*tls.Certificate, error) {
	return t.ca.Load().CertificateFor(host)
}

// TLSConfig implements forward.CA. Its GetCertificate is bound to one authority; forward asks Certificate instead.
func (t *Authority) TLSConfig() *tls.Config { return t.ca.Load().TLSConfig() }

// File is where the root stands, for clients to be told.
func (t *Authority) File() string { return t.ca.Load().File() }

// PEM is the root alone.
func (t *Authority) PEM() []byte { return t.ca.Load().PEM() }
