package main

import (
	"crypto/tls"
	"log/slog"
	"sync/atomic"
	"time"

	"hither/forward/authority"
	"hither/rules"
)

// trust is the certificate authority in force. A rule that adds a host makes a new one, because a root may vouch only for
// the hosts it was made for.
type trust struct {
	state string
	log   *slog.Logger
	ca    atomic.Pointer[authority.CA]
}

func openTrust(state string, set *rules.Set, log *slog.Logger) (*trust, error) {
	t := &trust{state: state, log: log}
	return t, t.extend(set)
}

// extend makes sure that the authority may vouch for every host of the rules.
func (t *trust) extend(set *rules.Set) error {
	ca, err := authority.Open(t.state, set.Hosts(), time.Now)
	if err != nil {
		return err
	}
	for _, said := range []string{ca.Reissued(), ca.Repaired()} {
		if said != "" {
			t.log.Warn(said)
		}
	}
	t.ca.Store(ca)
	return ca.Warm()
}

// Certificate implements forward.CA.
func (t *trust) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return t.ca.Load().Certificate(hello)
}

// CertificateFor implements forward.CA.
func (t *trust) CertificateFor(host string) (*tls.Certificate, error) {
	return t.ca.Load().CertificateFor(host)
}

// TLSConfig implements forward.CA. Its GetCertificate is bound to one authority; forward asks Certificate instead.
func (t *trust) TLSConfig() *tls.Config { return t.ca.Load().TLSConfig() }

// File is where the root stands, for clients to be told.
func (t *trust) File() string { return t.ca.Load().File() }

// PEM is the root alone.
func (t *trust) PEM() []byte { return t.ca.Load().PEM() }
