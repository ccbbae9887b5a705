package authority

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func pool(ca *CA) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	return roots
}

func TestLeaf(t *testing.T) {
	ca := open(t, t.TempDir(), "a.example", "192.0.2.1", "2001:db8::1")
	for _, host := range []string{"a.example", "A.EXAMPLE.", "a.example:443", "192.0.2.1", "192.0.2.1:5000", "[2001:db8::1]:443", "::ffff:192.0.2.1"} {
		cert, err := ca.CertificateFor(host)
		if err != nil {
			t.Fatal(err)
		}
		leaf := cert.Leaf
		name, _ := clean(host)
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool(ca), CurrentTime: day}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if days := leaf.NotAfter.Sub(leaf.NotBefore).Hours() / 24; days > 397 || !leaf.NotBefore.Before(day) {
			t.Errorf("%s: valid for %v days from %v", host, days, leaf.NotBefore)
		}
		if len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth || leaf.IsCA {
			t.Errorf("%s: for more than a server", host)
		}
		if !ca.leafKey.PublicKey.Equal(leaf.PublicKey) || ca.rootKey.PublicKey.Equal(leaf.PublicKey) {
			t.Errorf("%s: not the shared leaf key", host)
		}
		if again, _ := ca.CertificateFor(host); again != cert {
			t.Errorf("%s: made twice", host)
		}
	}
	if len(ca.leaves) != 3 {
		t.Errorf("got  %d leaves\nwant 3", len(ca.leaves))
	}
}

func TestOtherHostsAreRefused(t *testing.T) {
	ca := open(t, t.TempDir(), "a.example", "192.0.2.1")
	for _, host := range []string{"b.example", "example", "x.a.example", "xa.example", "192.0.2.2", "127.0.0.1", "", "*.a.example"} {
		if cert, err := ca.CertificateFor(host); err == nil {
			t.Errorf("%q\ngot  a certificate for %v\nwant an error", host, cert.Leaf.DNSNames)
		}
	}
}

// What a thief of the root's key could do: nothing that a client accepts, but for sub-domains, which X.509 cannot part.
func TestConstraintHoldsAgainstTheKeyItself(t *testing.T) {
	ca := open(t, t.TempDir(), "a.example", "192.0.2.1")
	forge := func(parent *x509.Certificate, key *ecdsa.PrivateKey, template x509.Certificate) *x509.Certificate {
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(7), day.Add(-time.Hour), day.Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, &template, parent, ca.leafKey.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		cert, _ := x509.ParseCertificate(der)
		return cert
	}
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	tests := map[string]struct {
		cert  x509.Certificate
		usage x509.ExtKeyUsage
		ok    bool
	}{
		"its own host":        {x509.Certificate{DNSNames: []string{"a.example"}, ExtKeyUsage: server}, x509.ExtKeyUsageServerAuth, true},
		"its own address":     {x509.Certificate{IPAddresses: []net.IP{{192, 0, 2, 1}}, ExtKeyUsage: server}, x509.ExtKeyUsageServerAuth, true},
		"a sub-domain":        {x509.Certificate{DNSNames: []string{"x.a.example"}, ExtKeyUsage: server}, x509.ExtKeyUsageServerAuth, true},
		"another host":        {x509.Certificate{DNSNames: []string{"bank.example"}, ExtKeyUsage: server}, x509.ExtKeyUsageServerAuth, false},
		"another host beside": {x509.Certificate{DNSNames: []string{"a.example", "bank.example"}, ExtKeyUsage: server}, x509.ExtKeyUsageServerAuth, false},
		"another address":     {x509.Certificate{IPAddresses: []net.IP{{192, 0, 2, 2}}, ExtKeyUsage: server}, x509.ExtKeyUsageServerAuth, false},
		"an IPv6 address":     {x509.Certificate{IPAddresses: []net.IP{net.ParseIP("2001:db8::1")}, ExtKeyUsage: server}, x509.ExtKeyUsageServerAuth, false},
		"signing programs":    {x509.Certificate{DNSNames: []string{"a.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}, x509.ExtKeyUsageCodeSigning, false},
	}
	for name, test := range tests {
		_, err := forge(ca.root, ca.rootKey, test.cert).Verify(x509.VerifyOptions{Roots: pool(ca), CurrentTime: day, KeyUsages: []x509.ExtKeyUsage{test.usage}})
		if (err == nil) != test.ok {
			t.Errorf("%s\ngot  %v\nwant accepted %t", name, err, test.ok)
		}
	}
	below := forge(ca.root, ca.rootKey, x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	middle := x509.NewCertPool()
	middle.AddCert(below)
	leaf := forge(below, ca.leafKey, x509.Certificate{DNSNames: []string{"a.example"}, ExtKeyUsage: server})
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool(ca), Intermediates: middle, CurrentTime: day}); err == nil {
		t.Error("an authority below the root was accepted")
	}
}

func TestLeafIsRenewedBeforeItEndsAndWhenTheClockGoesBack(t *testing.T) {
	now := day
	ca, err := Open(t.TempDir(), []string{"a.example"}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	first, _ := ca.CertificateFor("a.example")
	steps := []struct {
		at      time.Time
		renewed bool
	}{
		{day.Add(leafLife - leafRenewal - time.Second), false},
		{day.Add(leafLife - leafRenewal), true},
		{day.Add(-2 * backdate), true},
	}
	for _, step := range steps {
		now = step.at
		cert, err := ca.CertificateFor("a.example")
		if err != nil || (cert != first) != step.renewed {
			t.Errorf("at %v\ngot  renewed %t, %v\nwant renewed %t", step.at, cert != first, err, step.renewed)
		}
	}
	now = ca.root.NotAfter.Add(-time.Hour)
	if cert, _ := ca.CertificateFor("a.example"); cert.Leaf.NotAfter.After(ca.root.NotAfter) {
		t.Error("a leaf outlives its root")
	}
}

func TestWarmMakesAllOfThem(t *testing.T) {
	ca := open(t, t.TempDir(), "a.example", "b.example", "192.0.2.1")
	if err := ca.Warm(); err != nil || len(ca.leaves) != 3 {
		t.Errorf("got  %d leaves, %v\nwant 3", len(ca.leaves), err)
	}
}

func TestManyHandshakesAtOnce(t *testing.T) {
	ca := open(t, t.TempDir(), "a.example", "b.example")
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if _, err := ca.CertificateFor([]string{"a.example", "b.example"}[i%2]); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// server answers over TLS with ca's certificates, "hello PROTO", and returns where. target is a CONNECT's.
func server(t *testing.T, ca *CA, target string) string {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprintf(w, "hello %s resumed %t", req.Proto, req.TLS.DidResume)
	}))
	s.Config.ErrorLog = quiet
	config := ca.TLSConfig()
	if target != "" { // as forward does
		config = config.Clone()
		config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName == "" {
				return ca.CertificateFor(target)
			}
			return ca.Certificate(hello)
		}
	}
	s.Listener = tls.NewListener(s.Listener, config)
	s.Start()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.Listener.Addr().String(), "http://")
}

func live(t *testing.T, hosts ...string) *CA {
	ca, err := Open(t.TempDir(), hosts, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestHandshakes(t *testing.T) {
	ca := live(t, "a.example", "192.0.2.1")
	tests := map[string]struct {
		name, target string
		protos       []string
		want         string // protocol, or a word of the error
	}{
		"by server name":                     {"a.example", "", nil, ""},
		"HTTP/1.1 before HTTP/2":             {"a.example", "", []string{"h2", "http/1.1"}, "http/1.1"},
		"HTTP/2 for those who want it alone": {"a.example", "", []string{"h2"}, "h2"},
		"curl --http1.0":                     {"a.example", "", []string{"http/1.0"}, "http/1.0"},
		"by the CONNECT's target":            {"192.0.2.1", "192.0.2.1:443", nil, ""},
		"without any name":                   {"192.0.2.1", "", nil, "error"},
		"a name in no rule":                  {"b.example", "", nil, "error"},
		"the server name before the target":  {"a.example", "192.0.2.1:443", nil, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			conn, err := tls.Dial("tcp", server(t, ca, test.target), &tls.Config{ServerName: test.name, RootCAs: pool(ca), NextProtos: test.protos})
			got := "error"
			if err == nil {
				got = conn.ConnectionState().NegotiatedProtocol
				if curve := conn.ConnectionState().CurveID; curve != tls.X25519 {
					t.Errorf("got  %v\nwant X25519", curve)
				}
				conn.Close()
			}
			if got != test.want {
				t.Errorf("got  %s (%v)\nwant %s", got, err, test.want)
			}
		})
	}
	if _, err := tls.Dial("tcp", server(t, ca, ""), &tls.Config{ServerName: "a.example", RootCAs: pool(ca), MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestSessionsAreResumedAcrossListeners(t *testing.T) {
	ca := live(t, "a.example")
	config := &tls.Config{ServerName: "a.example", RootCAs: pool(ca), ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	for i, want := range []string{"hello HTTP/1.1 resumed false", "hello HTTP/1.1 resumed true"} {
		addr := server(t, ca, "") // another listener each time
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		resp, err := client.Get("https://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != want {
			t.Errorf("connection %d\ngot  %s\nwant %s", i, body, want)
		}
	}
}

func BenchmarkMint(b *testing.B) {
	ca, err := Open(b.TempDir(), []string{"a.example"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := ca.mint("a.example", time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
