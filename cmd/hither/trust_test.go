package main

import (
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"hither/rules"
)

// ruled is a set of rules for hosts, one file each.
func ruled(t *testing.T, hosts ...string) *rules.Set {
	t.Helper()
	files := fstest.MapFS{}
	for _, host := range hosts {
		name := strings.ReplaceAll(host, ".", "-")
		files[name+".toml"] = &fstest.MapFile{Data: rule(name, host)}
	}
	set, err := rules.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func trusting(t *testing.T, state string, said *journal, hosts ...string) *trust {
	t.Helper()
	tr, err := openTrust(state, ruled(t, hosts...), slog.New(slog.NewTextHandler(said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// vouched says whether a client that trusts root takes our leaf for host.
func vouched(t *testing.T, tr *trust, root []byte, host string) bool {
	t.Helper()
	leaf, err := tr.CertificateFor(host)
	if err != nil {
		return false
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	_, err = leaf.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: pool})
	return err == nil
}

func TestARuleThatAddsAHostMakesANewRootAndSaysSo(t *testing.T) {
	state, said := t.TempDir(), &journal{}
	tr := trusting(t, state, said, "a.test")
	old := tr.PEM()
	same(t, "a.test", vouched(t, tr, old, "a.test"), true)
	same(t, "b.test before", vouched(t, tr, old, "b.test"), false)
	same(t, "said", said.String(), "")

	same(t, "error", tr.extend(ruled(t, "a.test", "b.test")), nil)
	contains(t, said.String(), "was replaced by", "b.test", "trust the new one", "hither env")
	same(t, "b.test", vouched(t, tr, tr.PEM(), "b.test"), true)
	same(t, "a.test by the new root", vouched(t, tr, tr.PEM(), "a.test"), true)
	same(t, "a.test by the old root", vouched(t, tr, old, "a.test"), false)
	file, err := os.ReadFile(tr.File())
	same(t, "error", err, nil)
	same(t, "the file", string(file), string(tr.PEM()))

	second := tr.PEM()
	same(t, "error", tr.extend(ruled(t, "a.test", "b.test", "c.test")), nil)
	same(t, "a second host makes a third root", string(tr.PEM()) == string(second), false)
	same(t, "c.test", vouched(t, tr, tr.PEM(), "c.test"), true)
}

func TestRulesWithoutANewHostKeepTheRoot(t *testing.T) {
	state, said := t.TempDir(), &journal{}
	tr := trusting(t, state, said, "a.test", "b.test")
	root := tr.PEM()
	leaf, err := tr.CertificateFor("a.test")
	same(t, "error", err, nil)
	same(t, "the same hosts", tr.extend(ruled(t, "b.test", "a.test")), nil)
	again, err := tr.CertificateFor("a.test")
	same(t, "error", err, nil)
	same(t, "the same leaf", again, leaf)
	same(t, "a host less", tr.extend(ruled(t, "a.test")), nil)
	same(t, "b.test", vouched(t, tr, root, "b.test"), false)
	same(t, "and again", tr.extend(ruled(t, "a.test", "b.test")), nil)
	same(t, "b.test", vouched(t, tr, root, "b.test"), true)
	same(t, "after a restart", string(trusting(t, state, said, "a.test").PEM()), string(root))
	same(t, "said", said.String(), "")
}

func TestATrustThatCannotBeExtendedStaysAsItWas(t *testing.T) {
	state, said := t.TempDir(), &journal{}
	tr := trusting(t, state, said, "a.test")
	root := tr.PEM()
	write(t, filepath.Join(state, "ca.pem"), []byte("nonsense"))
	err := tr.extend(ruled(t, "a.test", "b.test"))
	if err == nil {
		t.Fatal("no error")
	}
	contains(t, err.Error(), "ca.pem", "remove ca.pem and ca-key.pem")
	same(t, "a.test", vouched(t, tr, root, "a.test"), true)
	same(t, "b.test", vouched(t, tr, root, "b.test"), false)
	write(t, filepath.Join(state, "ca.pem"), root)
	same(t, "when it is mended", tr.extend(ruled(t, "a.test", "b.test")), nil)
	same(t, "b.test", vouched(t, tr, tr.PEM(), "b.test"), true)
}

// The doors ask for certificates while the rules change.
func TestCertificatesAreAskedForWhileTheRulesChange(t *testing.T) {
	tr := trusting(t, t.TempDir(), &journal{}, "a.test")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			if _, err := tr.CertificateFor("a.test"); err != nil {
				t.Error(err)
			}
		}
	}()
	same(t, "error", tr.extend(ruled(t, "a.test", "b.test")), nil)
	same(t, "error", tr.extend(ruled(t, "a.test", "c.test")), nil)
	<-done
}
