package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"
)

const (
	// rootLife is long because each new root must be trusted again by hand on every client, and the constraint is what
	// keeps it harmless. Apple's and the browsers' limits are for leaves; local roots are exempt.
	rootLife = 10 * 365 * 24 * time.Hour
	// rootRenewal is how long before its end a root is replaced: longer than a leaf lives.
	rootRenewal = 60 * 24 * time.Hour
	// backdate makes certificates valid for clients whose clock is behind (containers, virtual machines after sleep).
	backdate = 24 * time.Hour
	// maxCommonName is ub-common-name of RFC 5280.
	maxCommonName = 64
)

// identity is a root and its key.
type identity struct {
	root     *x509.Certificate
	key      *ecdsa.PrivateKey
	pem      []byte // of root
	repaired string // what was wrong with the files
}

// newRoot makes a root for n: ECDSA P-256, good for servers only, with no authority below it. Its name is new each time:
// clients look issuers up by name, and two keys under one name confuse them.
func newRoot(n names, now time.Time) (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	number, err := serial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          number,
		Subject:               pkix.Name{Organization: []string{"Hither"}, CommonName: commonName(number)},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(rootLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
	}
	n.constrain(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the root certificate: %w", err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make the root certificate: %w", err)
	}
	return &identity{root: root, key: key, pem: encode(der)}, nil
}

// commonName tells whose authority it is, and which: lists of trusted roots show little else.
func commonName(number *big.Int) string {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	before, behind := "Hither local authority (", fmt.Sprintf(") %06x", new(big.Int).And(number, big.NewInt(0xffffff)))
	host = host[:min(len(host), maxCommonName-len(before)-len(behind))]
	return before + strings.ToValidUTF8(host, "") + behind
}

// serial is a random number of at most 20 bytes (RFC 5280, 4.1.2.2), here 16.
func serial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}
