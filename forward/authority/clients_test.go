package authority

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var quiet = log.New(io.Discard, "", 0)

// run runs a program of this machine, or skips the test if it has none.
func run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not on this machine", name)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	return string(out), err
}

// forged writes a leaf for host that only a thief of the root's key could have made, and returns its file.
func forged(t *testing.T, ca *CA, template x509.Certificate) string {
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(9), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, &template, ca.root, ca.leafKey.Public(), ca.rootKey)
	if err != nil {
		t.Fatal(err)
	}
	return leafFile(t, der)
}

func leafFile(t *testing.T, der []byte) string {
	file := filepath.Join(t.TempDir(), "leaf.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOpenSSLAgrees(t *testing.T) {
	ca := live(t, "a.example", "192.0.2.1")
	for _, host := range []string{"a.example", "192.0.2.1"} {
		cert, _ := ca.CertificateFor(host)
		check := "-verify_hostname"
		if net.ParseIP(host) != nil {
			check = "-verify_ip"
		}
		if out, err := run(t, "openssl", "verify", "-x509_strict", "-purpose", "sslserver", check, host, "-CAfile", ca.File(), leafFile(t, cert.Certificate[0])); err != nil {
			t.Errorf("%s\ngot  %s\nwant OK", host, out)
		}
	}
	for name, cert := range map[string]x509.Certificate{
		"another host":    {DNSNames: []string{"bank.example"}},
		"another address": {IPAddresses: []net.IP{{192, 0, 2, 2}}},
		"an IPv6 address": {IPAddresses: []net.IP{net.ParseIP("2001:db8::1")}},
	} {
		out, err := run(t, "openssl", "verify", "-purpose", "sslserver", "-CAfile", ca.File(), forged(t, ca, cert))
		if err == nil || !strings.Contains(out, "subtree violation") {
			t.Errorf("%s\ngot  %v, %s\nwant a violation of the constraint", name, err, out)
		}
	}
}

func TestCurlAgrees(t *testing.T) {
	ca := live(t, "a.example", "b.example")
	_, port, _ := net.SplitHostPort(server(t, ca, ""))
	for _, version := range [][]string{{"--http1.1"}, {"--http2"}, {"--tls-max", "1.2"}} {
		args := append(slices.Clone(version), "-sS", "--noproxy", "*", "--cacert", ca.File(), "--resolve", "a.example:"+port+":127.0.0.1", "https://a.example:"+port+"/")
		out, err := run(t, "curl", args...)
		if err != nil || !strings.HasPrefix(out, "hello HTTP/") {
			t.Errorf("%s\ngot  %s (%v)\nwant hello", version, out, err)
		}
	}
	other := live(t, "a.example")
	if out, err := run(t, "curl", "-sS", "--noproxy", "*", "--cacert", other.File(), "--resolve", "a.example:"+port+":127.0.0.1", "https://a.example:"+port+"/"); err == nil {
		t.Errorf("another root\ngot  %s\nwant a refusal", out)
	}
}

const nodeScript = `
const tls = require('tls'), fs = require('fs');
const s = tls.connect({host: '127.0.0.1', port: +process.argv[1], servername: process.argv[2], ca: fs.readFileSync(process.argv[3])}, () => {
  console.log(s.authorized, s.getProtocol(), s.getPeerCertificate().subjectaltname); s.destroy();
});
s.on('error', e => { console.log('error', e.code); process.exit(1); });`

func TestNodeAgrees(t *testing.T) {
	ca := live(t, "a.example")
	_, port, _ := net.SplitHostPort(server(t, ca, ""))
	out, err := run(t, "node", "-e", nodeScript, port, "a.example", ca.File())
	if err != nil || strings.TrimSpace(out) != "true TLSv1.3 DNS:a.example" {
		t.Errorf("got  %s (%v)\nwant true TLSv1.3 DNS:a.example", out, err)
	}
	if out, err := run(t, "node", "-e", nodeScript, port, "a.example", live(t, "a.example").File()); err == nil {
		t.Errorf("another root\ngot  %s\nwant a refusal", out)
	}
}
