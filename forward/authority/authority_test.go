package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

var day = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, hosts ...string) *CA {
	t.Helper()
	ca, err := Open(dir, hosts, func() time.Time { return day })
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What is shown before anything is changed must not change anything.
func TestAPreviewChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	preview := func(hosts ...string) string {
		text, file, err := Preview(dir, hosts, func() time.Time { return day })
		if err != nil {
			t.Fatal(err)
		}
		want(t, file, filepath.Join(dir, "ca.pem"))
		if block, _ := pem.Decode(text); block == nil {
			t.Errorf("got %s, want a certificate", text)
		}
		return string(text)
	}
	preview("registry.example")
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("got %v, want no directory", err)
	}
	kept := string(open(t, dir, "registry.example").PEM())
	want(t, preview("registry.example"), kept)
	if preview("registry.example", "more.example") == kept {
		t.Error("a root that would be replaced was shown")
	}
	want(t, string(open(t, dir, "registry.example").PEM()), kept)
}

func TestRootIsNarrow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "ca")
	ca := open(t, dir, "Registry.example:443", "cdn.example.", "cdn.example")
	r := ca.root
	checks := map[string]bool{
		"a root, with no authority below it": r.IsCA && r.MaxPathLen == 0 && r.MaxPathLenZero,
		"ECDSA P-256":                        ca.rootKey.Curve == elliptic.P256(),
		"for servers only":                   len(r.ExtKeyUsage) == 1 && r.ExtKeyUsage[0] == x509.ExtKeyUsageServerAuth,
		"the constraint is critical":         r.PermittedDNSDomainsCritical,
		"these hosts":                        fmt.Sprint(r.PermittedDNSDomains) == "[cdn.example registry.example]",
		"no addresses at all":                fmt.Sprint(r.PermittedIPRanges, r.ExcludedIPRanges) == "[] [0.0.0.0/0 ::/0]",
		"its name says whose it is":          strings.HasPrefix(r.Subject.CommonName, "Hither local authority (") && len(r.Subject.CommonName) <= 64,
		"valid for ten years":                r.NotAfter.Sub(day) == rootLife && r.NotBefore.Equal(day.Add(-backdate)),
		"said nothing":                       ca.Reissued() == "" && ca.Repaired() == "",
	}
	for what, ok := range checks {
		if !ok {
			t.Errorf("not so: %s\n%+v", what, r.Subject)
		}
	}
	for file, mode := range map[string]os.FileMode{"ca.pem": 0o644, "ca-key.pem": 0o600} {
		if runtime.GOOS == "windows" {
			mode = 0o666 // all that is told there; the directory's list keeps others out
		}
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode() != mode {
			t.Errorf("%s\ngot  %v, %v\nwant %v", file, info.Mode(), err, mode)
		}
	}
	text, _ := os.ReadFile(ca.File())
	if !bytes.Equal(text, ca.PEM()) {
		t.Error("PEM is not what File holds")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.pem.*")); len(left) > 0 {
		t.Errorf("temporary files were left: %v", left)
	}
}

func TestConstraintsOfOtherHosts(t *testing.T) {
	tests := map[string]struct {
		hosts []string
		want  string // permitted names, permitted and excluded addresses
	}{
		"none":            {nil, "[hither.invalid] [] [0.0.0.0/0 ::/0]"},
		"an IPv4 address": {[]string{"192.0.2.1:5000"}, "[hither.invalid] [192.0.2.1/32] [::/0]"},
		"an IPv6 address": {[]string{"[2001:db8::1]:5000", "a.example"}, "[a.example] [2001:db8::1/128] [0.0.0.0/0]"},
		"both families":   {[]string{"192.0.2.1", "2001:db8::1"}, "[hither.invalid] [192.0.2.1/32 2001:db8::1/128] []"},
		"an odd name":     {[]string{"a_b.example", "localhost"}, "[a_b.example localhost] [] [0.0.0.0/0 ::/0]"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for range 2 { // made, then read back
				ca := open(t, dir, test.hosts...)
				want(t, fmt.Sprint(ca.root.PermittedDNSDomains, ca.root.PermittedIPRanges, ca.root.ExcludedIPRanges), test.want)
				want(t, ca.Reissued(), "")
			}
		})
	}
}

func TestRootIsKeptUntilItIsNotEnough(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, "a.example", "b.example", "192.0.2.1")
	same := func(what string, ca *CA) {
		t.Helper()
		if !ca.root.Equal(first.root) || !ca.rootKey.Equal(first.rootKey) || ca.Reissued() != "" {
			t.Errorf("%s: the root was replaced: %s", what, ca.Reissued())
		}
	}
	same("the same hosts", open(t, dir, "b.example", "192.0.2.1:443", "a.example"))
	same("fewer hosts", open(t, dir, "a.example"))
	same("a sub-domain", open(t, dir, "x.a.example"))
	next := open(t, dir, "a.example", "new.example", "192.0.2.2")
	if next.root.Equal(first.root) || next.rootKey.Equal(first.rootKey) || next.root.Subject.String() == first.root.Subject.String() {
		t.Error("the new root shares its key or name with the old one")
	}
	kept, _ := filepath.Glob(filepath.Join(dir, "ca-old-*.pem"))
	if len(kept) != 1 {
		t.Fatalf("got  %v\nwant the old certificate kept, to be forgotten by those who trust it", kept)
	}
	want(t, next.Reissued(), fmt.Sprintf("the local certificate authority %q was replaced by %q, because the rules have hosts that it may not vouch for: new.example, 192.0.2.2; trust the new one (%s) and forget the old one (%s)",
		first.root.Subject.CommonName, next.root.Subject.CommonName, filepath.Join(dir, "ca.pem"), kept[0]))
	want(t, fmt.Sprint(next.root.PermittedDNSDomains, next.root.PermittedIPRanges), "[a.example new.example] [192.0.2.2/32]")
	if again := open(t, dir, "new.example"); again.Reissued() != "" || !again.root.Equal(next.root) {
		t.Error("the new root was not kept")
	}
}

func TestRootIsReplacedBeforeItEnds(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, "a.example")
	late, err := Open(dir, []string{"a.example"}, func() time.Time { return first.root.NotAfter.Add(-rootRenewal + time.Second) })
	if err != nil || late.root.Equal(first.root) || !strings.Contains(late.Reissued(), "because it ends on 2036-11-18;") {
		t.Errorf("got  %v, %s\nwant a new root", err, late.Reissued())
	}
	astray, err := Open(dir, []string{"a.example"}, func() time.Time { return day.AddDate(40, 0, 0) })
	if err != nil || !strings.Contains(astray.Reissued(), "the clock says "+day.AddDate(40, 0, 0).Format(time.DateOnly)+" (if that is wrong, correct it first)") {
		t.Errorf("decades ahead\ngot  %v, %s\nwant word of the clock", err, astray.Reissued())
	}
}

// A machine that has lost its clock is put right in a minute; a new root would have to be trusted anew on every client.
func TestRootOfTheFutureIsKeptAndSaid(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, "a.example")
	early, err := Open(dir, []string{"a.example"}, func() time.Time { return first.root.NotBefore.Add(-time.Hour) })
	if err != nil || !early.root.Equal(first.root) || !strings.Contains(early.Repaired(), "correct the clock") {
		t.Errorf("got  %v, %q\nwant the same root, and what to do", err, early.Repaired())
	}
	if now := open(t, dir, "a.example"); now.Repaired() != "" {
		t.Errorf("with a good clock\ngot  %q\nwant nothing", now.Repaired())
	}
}

func TestFilesInTrouble(t *testing.T) {
	other := open(t, t.TempDir(), "a.example")
	otherKey, _ := os.ReadFile(filepath.Join(other.dir, keyFile))
	tests := map[string]struct {
		spoil func(cert, key string)
		want  string // in the error; %d is the directory, %s what the system says
	}{
		"garbage in the certificate": {func(cert, _ string) { put(cert, []byte("hello")) }, "%d/ca.pem holds no certificate; " + remedy},
		"a certificate cut short": {func(cert, _ string) {
			put(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30}}))
		}, "%d/ca.pem holds a certificate that cannot be read; " + remedy},
		"garbage in the key": {func(_, key string) { put(key, []byte("hello")) }, "%d/ca-key.pem holds no key; " + remedy},
		"a key cut short": {func(_, key string) {
			put(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{0x30}}))
		}, "%d/ca-key.pem holds a key that cannot be read; " + remedy},
		"the key of another":         {func(_, key string) { put(key, otherKey) }, "%d/ca-key.pem is not the key of ca.pem; " + remedy},
		"the certificate of another": {func(cert, _ string) { put(cert, other.PEM()) }, "%d/ca-key.pem is not the key of ca.pem; " + remedy},
		"the key is gone":            {func(_, key string) { os.Remove(key) }, "%d/ca-key.pem is gone while its certificate is there; " + remedy},
		"a root that is not narrow":  {func(cert, key string) { wide(t, cert, key) }, "%d/ca.pem is not a root that Hither made: it could vouch for any host; " + remedy},
		"a directory in its place":   {func(cert, _ string) { os.Remove(cert); os.Mkdir(cert, 0o700) }, "the root certificate cannot be read (%s); correct its permissions"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			open(t, dir, "a.example")
			test.spoil(filepath.Join(dir, certFile), filepath.Join(dir, keyFile))
			_, system := os.ReadFile(filepath.Join(dir, certFile))
			_, err := Open(dir, []string{"a.example"}, nil)
			text := strings.NewReplacer("%d/", dir+string(filepath.Separator), "%s", fmt.Sprint(system)).Replace(test.want)
			want(t, fmt.Sprint(err), text)
		})
	}
	if _, err := Open(filepath.Join("/dev/null", "ca"), nil, nil); err == nil {
		t.Error("a directory that cannot be made: no error")
	}
	for _, host := range []string{"", "a b", "*.example", "a..b", "https://a.example", strings.Repeat("a", 64) + ".example", "fe80::1%eth0"} {
		if _, err := Open(t.TempDir(), []string{host}, nil); err == nil {
			t.Errorf("host %q: no error", host)
		}
	}
}

func put(path string, content []byte) { os.WriteFile(path, content, 0o600) }

// wide writes a root as others make them, without a constraint.
func wide(t *testing.T, cert, key string) {
	k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "wide"}, NotBefore: day, NotAfter: day.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := x509.MarshalPKCS8PrivateKey(k)
	put(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	put(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// Cut off after any of its steps, a start is followed by one that works, and a root that clients trusted does not vanish
// without a word.
func TestStartThatWasCutOff(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, "a.example")
	os.Remove(filepath.Join(dir, certFile)) // the key was written, the certificate was not
	if ca := open(t, dir, "a.example"); !strings.Contains(ca.Reissued(), "made anew") {
		t.Errorf("got  %q\nwant it said", ca.Reissued())
	}
	if ca := open(t, dir, "a.example"); ca.Reissued() != "" {
		t.Errorf("got  %q\nwant silence", ca.Reissued())
	}
}

func TestKeyThatOthersCanReadIsClosedAndSaid(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there, the directory's list says who may read it")
	}
	dir := t.TempDir()
	first := open(t, dir, "a.example")
	key := filepath.Join(dir, keyFile)
	os.Chmod(key, 0o644)
	ca := open(t, dir, "a.example")
	if info, _ := os.Stat(key); info.Mode() != 0o600 || !ca.root.Equal(first.root) {
		t.Errorf("got  %v\nwant -rw------- and the same root", info.Mode())
	}
	if !strings.HasPrefix(ca.Repaired(), key+" was open to others on this machine (mode 0644) and is now readable by its owner only") {
		t.Errorf("got  %q\nwant it said", ca.Repaired())
	}
	want(t, open(t, dir, "a.example").Repaired(), "")
}

func TestManyStartsAtOnceMakeOneRoot(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	roots := make([]*CA, 8)
	for i := range roots {
		all.Go(func() { roots[i], _ = Open(dir, []string{"a.example"}, nil) })
	}
	all.Wait()
	for _, ca := range roots {
		if ca == nil || !ca.root.Equal(roots[0].root) {
			t.Fatal("not all have the same root")
		}
	}
}
