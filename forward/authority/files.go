package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"hither/cache/filelock"
	"hither/cache/wholefile"
)

const (
	certFile = "ca.pem"
	keyFile  = "ca-key.pem"
	lockFile = "ca.lock"
	// lockPatience is how long another process may take to open the authority; it needs milliseconds.
	lockPatience = 10 * time.Second
	// remedy ends the errors about files that cannot be used.
	remedy = "restore it from a backup, or remove ca.pem and ca-key.pem: then a new authority is made, which must be trusted anew"
)

// lock keeps other processes out of dir until unlock is called. The system lets go when a process dies.
func lock(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(10 * time.Millisecond) { //nolint:forbidigo // a file lock cannot be waited for otherwise; lockPatience bounds it
		taken, err := filelock.Try(file)
		if taken {
			return func() { file.Close() }, nil
		}
		if err == nil && time.Now().After(deadline) {
			err = errors.New("another process holds it")
		}
		if err != nil {
			file.Close()
			return nil, err
		}
	}
}

// read returns what dir holds; nil if there is nothing, or a key alone, which is what a start that was cut off leaves.
func read(dir string) (*identity, error) {
	certPath, keyPath := filepath.Join(dir, certFile), filepath.Join(dir, keyFile)
	root, err := readRoot(certPath)
	if root == nil || err != nil {
		return nil, err
	}
	repaired, err := guard(keyPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is open to others and that cannot be changed (%w); make it readable by its owner only", keyPath, err)
	}
	secret, err := os.ReadFile(keyPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is gone while its certificate is there; %s", keyPath, remedy)
	}
	if err != nil {
		return nil, fmt.Errorf("the root's key cannot be read (%w); correct its permissions or run as its owner", err)
	}
	key, err := parseKey(secret)
	if err != nil {
		return nil, fmt.Errorf("%s %w; %s", keyPath, err, remedy)
	}
	if !key.PublicKey.Equal(root.PublicKey) {
		return nil, fmt.Errorf("%s is not the key of %s; %s", keyPath, certFile, remedy)
	}
	return &identity{root: root, key: key, pem: encode(root.Raw), repaired: repaired}, nil
}

func keyAlone(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, keyFile))
	return err == nil
}

// readRoot returns the certificate in a file; nil if there is none.
func readRoot(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the root certificate cannot be read (%w); correct its permissions", err)
	}
	root, err := parseRoot(text)
	if err != nil {
		return nil, fmt.Errorf("%s %w; %s", file, err, remedy)
	}
	return root, nil
}

// encode writes a certificate as PEM.
func encode(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// parseRoot refuses what we would not have made: above all a root without a constraint.
func parseRoot(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("holds no certificate")
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("holds a certificate that cannot be read")
	}
	narrow := root.PermittedDNSDomainsCritical && len(root.PermittedDNSDomains) > 0 && len(root.PermittedIPRanges)+len(root.ExcludedIPRanges) > 0
	if !root.IsCA || !narrow || root.CheckSignatureFrom(root) != nil {
		return nil, errors.New("is not a root that Hither made: it could vouch for any host")
	}
	return root, nil
}

func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("holds no key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("holds a key that cannot be read")
	}
	if k, ok := key.(*ecdsa.PrivateKey); ok && k.Curve == elliptic.P256() {
		return k, nil
	}
	return nil, errors.New("holds a key of another kind than ECDSA P-256")
}

// write puts the key first: a certificate without its key is never seen, whenever we are cut off.
func write(dir string, made *identity) error {
	der, err := x509.MarshalPKCS8PrivateKey(made.key)
	if err != nil {
		return fmt.Errorf("write the root's key: %w", err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := wholefile.Write(filepath.Join(dir, keyFile), secret, 0o600); err != nil {
		return fmt.Errorf("the root's key cannot be written (%w); correct the permissions or make room", err)
	}
	if err := wholefile.Write(filepath.Join(dir, certFile), made.pem, 0o644); err != nil {
		return fmt.Errorf("the root certificate cannot be written (%w); correct the permissions or make room", err)
	}
	return nil
}

// retire moves the certificate of a root aside and returns where to.
func retire(dir string, old *x509.Certificate) (string, error) {
	sum := sha256.Sum256(old.Raw)
	kept := filepath.Join(dir, fmt.Sprintf("ca-old-%x.pem", sum[:6]))
	if err := os.Rename(filepath.Join(dir, certFile), kept); err != nil {
		return "", fmt.Errorf("the old root certificate cannot be put aside (%w); correct the permissions", err)
	}
	return kept, nil
}
