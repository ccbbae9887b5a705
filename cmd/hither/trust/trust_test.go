package trust

import (
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"hither/cmd/hither/hithertest"
	"hither/rules"
)

// ruled is a set of rules for hosts, one file each.
func ruled(t *testing.T, hosts ...string) *rules.Set {
	t.Helper()
	files := fstest.MapFS{}
	for _, host := range hosts {
		name := strings.ReplaceAll(host, ".", "-")
		files[name+".toml"] = &fstest.MapFile{Data: hithertest.Rule(name, host)}
	}
	set, err := rules.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func trusting(t *testing.T, state string, said *hithertest.Journal, hosts ...string) *Authority {
	t.Helper()
	tr, err := Open(state, ruled(t, hosts...), slog.New(slog.NewTextHandler(said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// vouched says whether a client that trusts root takes our leaf for host.
func vouched(t *testing.T, tr *Authority, root []byte, host string) bool {
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
	state, said := t.TempDir(), &hithertest.Journal{}
	tr := trusting(t, state, said, "a.test")
	old := tr.PEM()
	hithertest.Same(t, "a.test", vouched(t, tr, old, "a.test"), true)
	hithertest.Same(t, "b.test before", vouched(t, tr, old, "b.test"), false)
	hithertest.Same(t, "said", said.String(), "")

	hithertest.Same(t, "error", tr.Extend(ruled(t, "a.test", "b.test")), nil)
	hithertest.Contains(t, said.String(), "was replaced by", "b.test", "trust the new one", "hither env")
	hithertest.Same(t, "b.test", vouched(t, tr, tr.PEM(), "b.test"), true)
	hithertest.Same(t, "a.test by the new root", vouched(t, tr, tr.PEM(), "a.test"), true)
	hithertest.Same(t, "a.test by the old root", vouched(t, tr, old, "a.test"), false)
	file, err := os.ReadFile(tr.File())
	hithertest.Same(t, "error", err, nil)
	hithertest.Same(t, "the file", string(file), string(tr.PEM()))

	second := tr.PEM()
	hithertest.Same(t, "error", tr.Extend(ruled(t, "a.test", "b.test", "c.test")), nil)
	hithertest.Same(t, "a second host makes a third root", string(tr.PEM()) == string(second), false)
	hithertest.Same(t, "c.test", vouched(t, tr, tr.PEM(), "c.test"), true)
}

func TestRulesWithoutANewHostKeepTheRoot(t *testing.T) {
	state, said := t.TempDir(), &hithertest.Journal{}
	tr := trusting(t, state, said, "a.test", "b.test")
	root := tr.PEM()
	leaf, err := tr.CertificateFor("a.test")
	hithertest.Same(t, "error", err, nil)
	hithertest.Same(t, "the same hosts", tr.Extend(ruled(t, "b.test", "a.test")), nil)
	again, err := tr.CertificateFor("a.test")
	hithertest.Same(t, "error", err, nil)
	hithertest.Same(t, "the same leaf", again, leaf)
	hithertest.Same(t, "a host less", tr.Extend(ruled(t, "a.test")), nil)
	hithertest.Same(t, "b.test", vouched(t, tr, root, "b.test"), false)
	hithertest.Same(t, "and again", tr.Extend(ruled(t, "a.test", "b.test")), nil)
	hithertest.Same(t, "b.test", vouched(t, tr, root, "b.test"), true)
	hithertest.Same(t, "after a restart", string(trusting(t, state, said, "a.test").PEM()), string(root))
	hithertest.Same(t, "said", said.String(), "")
}

func TestATrustThatCannotBeExtendedStaysAsItWas(t *testing.T) {
	state, said := t.TempDir(), &hithertest.Journal{}
	tr := trusting(t, state, said, "a.test")
	root := tr.PEM()
	hithertest.Write(t, filepath.Join(state, "ca.pem"), []byte("nonsense"))
	err := tr.Extend(ruled(t, "a.test", "b.test"))
	if err == nil {
		t.Fatal("no error")
	}
	hithertest.Contains(t, err.Error(), "ca.pem", "remove ca.pem and ca-key.pem")
	hithertest.Same(t, "a.test", vouched(t, tr, root, "a.test"), true)
	hithertest.Same(t, "b.test", vouched(t, tr, root, "b.test"), false)
	hithertest.Write(t, filepath.Join(state, "ca.pem"), root)
	hithertest.Same(t, "when it is mended", tr.Extend(ruled(t, "a.test", "b.test")), nil)
	hithertest.Same(t, "b.test", vouched(t, tr, tr.PEM(), "b.test"), true)
}

// The doors ask for certificates while the rules change.
func TestCertificatesAreAskedForWhileTheRulesChange(t *testing.T) {
	tr := trusting(t, t.TempDir(), &hithertest.Journal{}, "a.test")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			if _, err := tr.CertificateFor("a.test"); err != nil {
				t.Error(err)
			}
		}
	}()
	hithertest.Same(t, "error", tr.Extend(ruled(t, "a.test", "b.test")), nil)
	hithertest.Same(t, "error", tr.Extend(ruled(t, "a.test", "c.test")), nil)
	<-done
}
