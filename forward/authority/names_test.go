package authority

import (
	"net/netip"
	"testing"
)

// FuzzClean: a server name comes from the client. What is accepted has one spelling and fits in a certificate.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"a.example", "A.Example.:443", "[2001:db8::1]:443", "192.0.2.1", "::ffff:192.0.2.1", "fe80::1%eth0", "a:b:c", "[]", "*.x", "a\x00.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, err := clean(host)
		if err != nil {
			return
		}
		if again, err := clean(name); err != nil || again != name {
			t.Errorf("%q became %q, that became %q (%v)", host, name, again, err)
		}
		if addr, err := netip.ParseAddr(name); (err != nil || addr.Zone() != "") && !isDNSName(name) {
			t.Errorf("%q became %q", host, name)
		}
	})
}

// FuzzFiles: what stands in ca.pem and ca-key.pem is refused or usable, and never a panic.
func FuzzFiles(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("hello"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if root, err := parseRoot(text); (root == nil) == (err == nil) {
			t.Errorf("root %v, error %v", root, err)
		}
		if key, err := parseKey(text); (key == nil) == (err == nil) {
			t.Errorf("key %v, error %v", key, err)
		}
	})
}
