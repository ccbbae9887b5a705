package e2e_test

// The false world: origins, mirrors and a relay on loopback, with every wire in reach, and the real binary between them
// and the real clients. It impersonates the public registries: the rule files of a world are the shipped ones, with the
// origins and mirrors on loopback, so that what is tested is what is shipped.
//
//	world_wire_test.go     a server that can be cut and bent, and the ways to bend it
//	world_relay_test.go    a CONNECT proxy that knows where the public names are
//	world_go_test.go       modules and their checksum database
//	world_npm_test.go      packages
//	world_oci_test.go      images, behind Debian's docker-registry and a token server
//	world_big_test.go      one blob of more than a GiB, which nobody ever holds
//	world_hither_test.go   the child process
//	world_client_test.go   real clients, each with a home of its own
//	world_self_test.go     the clients in this world without Hither: what they leave is what Hither must not change
//
// Some worlds are also in namespaces of Linux, for what is done to a machine:
//
//	world_space_linux_test.go     a network of the world's own, where the public names are behind port 443
//	world_zone_linux_test.go      its name server
//	world_machine_linux_test.go   a whole machine of one test's own, which may be changed
//	world_resolved_linux_test.go  its systemd-resolved, its D-Bus and its desktop
//	world_snapshot_linux_test.go  its files, to be compared afterwards
//	world_cut_linux_test.go       a program that is killed between two changes of its disk

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"hither/cmd/hither/hithertest"
)

func TestMain(m *testing.M) {
	hithertest.HearSignals()
	os.Exit(m.Run())
}

// world is what one test stands in. Everything in it ends with the test.
type world struct {
	t     *testing.T
	dir   string            // everything the world writes is below it
	root  *tls.Certificate  // the world's own public authority
	roots string            // its certificate in a file: what upstreams are checked against
	rules string            // directory of the world's rule files
	wires []*wire           // every server of the world, for Dark and Light
	used  int               // names given by next
	names map[string]string // where the public names are: "registry.npmjs.org:443" → "127.0.0.1:1234"
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), names: map[string]string{}}
	w.rules = w.mkdir("rules.d")
	w.root = newRoot(t)
	w.roots = w.write("roots.pem", pemOf(w.root.Certificate[0]))
	return w
}

// Dark cuts every wire: connections are refused, running ones end.
func (w *world) Dark() {
	for _, wire := range w.wires {
		wire.Cut()
	}
}

// serve puts a handler on a plain wire.
func (w *world) serve(handler http.Handler) *wire { return w.listen(handler, nil) }

// serveTLS puts a handler on a wire whose certificate says name, and tells the relay that this is where name is.
func (w *world) serveTLS(name string, handler http.Handler) *wire {
	leaf := newLeaf(w.t, w.root, name)
	wire := w.listen(handler, &tls.Config{Certificates: []tls.Certificate{leaf}, NextProtos: []string{"h2", "http/1.1"}})
	w.names[net.JoinHostPort(name, "443")] = wire.addr
	return wire
}

func (w *world) listen(handler http.Handler, secure *tls.Config) *wire {
	wire := &wire{t: w.t, handler: handler, secure: secure}
	wire.Mend()
	w.t.Cleanup(wire.Cut)
	w.wires = append(w.wires, wire)
	return wire
}

// rule writes one rule file of the world: the shipped one, path for path, with the hosts and mirrors of the world.
// Mirrors that are not of the world must not be asked, so none is kept.
func (w *world) rule(name string, hosts []map[string]any, mirrors ...*wire) {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "rules.d", name+".toml"))
	w.must(err)
	var file map[string]any
	w.must(toml.Unmarshal(text, &file))
	delete(file, "probe")
	list := []map[string]any{}
	for _, m := range mirrors {
		list = append(list, map[string]any{"url": m.URL})
	}
	file["host"], file["mirror"] = hosts, list
	if len(list) == 0 {
		delete(file, "mirror")
	}
	text, err = toml.Marshal(file)
	w.must(err)
	w.write(filepath.Join("rules.d", name+".toml"), text)
}

// mkdir makes a directory of the world.
func (w *world) mkdir(name string) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, name)
	w.must(os.MkdirAll(dir, 0o700))
	return dir
}

// write writes a file of the world and returns where it is.
func (w *world) write(name string, data []byte) string {
	w.t.Helper()
	file := filepath.Join(w.dir, name)
	w.must(os.MkdirAll(filepath.Dir(file), 0o700))
	w.must(os.WriteFile(file, data, 0o600))
	return file
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// newRoot makes an authority that signs the servers of one world.
func newRoot(t *testing.T) *tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "Public authority of the false world"},
		IsCA:         true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	cert := sign(t, template, nil)
	return &cert
}

func newLeaf(t *testing.T, root *tls.Certificate, name string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{name, "localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	return sign(t, template, root)
}

// sign fills in what every certificate has. A nil root signs itself.
func sign(t *testing.T, template *x509.Certificate, root *tls.Certificate) tls.Certificate {
	t.Helper()
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := template, any(key)
	if root != nil {
		parent, signer = root.Leaf, root.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// trusting believes the certificates in a file and no others.
func (w *world) trusting(file string) *tls.Config {
	w.t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(w.read(file))) {
		w.t.Fatalf("%s holds no certificate", file)
	}
	return &tls.Config{RootCAs: pool}
}

// next is a name that was not used before in this world.
func (w *world) next() string {
	w.used++
	return strconv.Itoa(w.used)
}
