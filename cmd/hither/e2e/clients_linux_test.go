package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// clientsFindAndTrust has real clients, without one variable, on a machine that was installed with trust and tools.
func clientsFindAndTrust(t *testing.T, m *machine) {
	bareNpm(t)
	m.installs("--trust", "--dns", "full", "--tools", "go,npm")
	d := m.up()
	m.becomes("up", m.resolves(npmHost), byUs)
	same(t, "go env GOPROXY", strings.TrimSpace(m.shell("/", m.env, "go", "env", "GOPROXY")), "http://127.0.0.1:7890/go|https://proxy.golang.org,direct")
	npm := func() string { return strings.TrimSpace(m.shell("/", m.env, "npm", "config", "get", "https-proxy")) }
	same(t, "npm config get https-proxy", strings.TrimSuffix(npm(), "/"), "http://127.0.0.1:7890")

	version := m.shell("/", m.env, "npm", "view", "--cache", "/tmp/npm", "--registry", "https://"+npmHost, "pkg-001@1.1.0", "version")
	same(t, "what npm got", strings.TrimSpace(version), "1.1.0")

	body := m.shell("/", m.env, "curl", "-sS", "--max-time", "20", "https://"+npmHost+"/pkg-001")
	has(t, "what curl got from the registry's name", body, `"pkg-001@1.1.0"`)

	ca, err := tls.X509KeyPair([]byte(m.read(m.state, "ca.pem")), []byte(m.read(m.state, "ca-key.pem")))
	m.must(err)
	run(t, "install", "-m", "755", m.bin, "/usr/local/bin/hither")
	run(t, "install", "-d", "-m", "700", "-o", "65534", "-g", "65534", "/tmp/nobody")
	nobody := func(args ...string) string {
		user := []string{"--reuid=65534", "--regid=65534", "--clear-groups", "--", "env", "-i", "HOME=/tmp/nobody", "/usr/local/bin/hither"}
		return run(t, append(append([]string{"setpriv"}, user...), args...)...)
	}
	has(t, "status for another user", nobody("status"), "a service of this machine, is up on 127.0.0.1:7890")
	has(t, "env for another user", nobody("env", "--shell", "sh"), "127.0.0.1:7890")
	for name, want := range map[string]string{npmHost: "reached", stranger: "permitted subtree violation", npmHost + ".evil.example": "permitted subtree violation"} {
		if said := m.curlAt(serveAs(t, &ca, name), name); !strings.Contains(said, want) {
			t.Errorf("curl at %s, with a certificate that our root has signed\n got %s\nwant %s", name, said, want)
		}
	}
	d.signal(t, 9)
	m.becomes("npm's proxy after kill -9", npm, "null")
}

// curlAt asks for a name at an address, and returns what it says.
func (m *machine) curlAt(addr, name string) string {
	m.t.Helper()
	_, port, err := net.SplitHostPort(addr)
	m.must(err)
	said, _ := m.try("/", m.env, "curl", "-sS", "--max-time", "10", "--resolve", name+":"+port+":127.0.0.1", "https://"+name+":"+port+"/")
	return said
}

// serveAs is a server that says "reached" under a certificate for name that ca has signed.
func serveAs(t *testing.T, ca *tls.Certificate, name string) string {
	t.Helper()
	root, err := x509.ParseCertificate(ca.Certificate[0])
	mustDo(t, err)
	leaf := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &tls.Certificate{Certificate: ca.Certificate, PrivateKey: ca.PrivateKey, Leaf: root})
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{leaf}})
	mustDo(t, err)
	quiet := log.New(io.Discard, "", 0)
	server := &http.Server{ErrorLog: quiet, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("reached")) })}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

// noNamesWithoutTrust: names are led to Hither only where its certificates are believed.
func noNamesWithoutTrust(t *testing.T, m *machine) {
	before := m.snapshot()
	for _, asked := range [][]string{{"--dns", "full"}, {"--proxy"}} {
		out, err := m.try("/", m.env, m.bin, append([]string{"install", "--yes"}, asked...)...)
		if err == nil || !strings.Contains(out, "--trust") {
			t.Errorf("install %v without trust\n got %v: %s\nwant a refusal that names --trust", asked, err, out)
		}
	}
	m.wantAsBefore("after a refusal", before)

	m.installs("--trust")
	m.installs("--dns", "full") // the root is trusted already
	run(t, "rm", "/usr/local/share/ca-certificates/hither.crt")
	run(t, "update-ca-certificates")
	d := m.up()
	m.becomes("a word about trust", func() string { return contained(m.read(d.log), "hither install --trust") }, "true")
	m.wantLed("without a trusted root", bySystem, bySystem)
}
