package e2e_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// space is a false world with a network of its own, in which the public names are where they are on the Internet: behind
// port 443 of addresses that a name server knows. Nothing in it leads out.
type space struct {
	*world
	zone   *zone
	resolv string // the file that is /etc/resolv.conf here
	hosts  int    // addresses given by serveAt
}

// Addresses of a space. What begins with 198.51.100 counts as public.
const (
	doorAddress   = "127.0.7.90"    // of Hither
	zoneAddress   = "198.51.100.53" // the network's name server
	bridgeAddress = "172.30.0.1"    // of this machine, in the network of a container
	guestAddress  = "172.30.0.2"    // the container's
)

// newSpace runs the calling test again in a process with networks and mounts of its own; false says that this was done, so
// that there is nothing left to do here. Without root the test is skipped.
func newSpace(t *testing.T) (*space, bool) {
	t.Helper()
	if os.Getenv("HITHER_TEST_SPACE") != t.Name() {
		if os.Getuid() != 0 {
			t.Skip("a network of its own needs root: run this test as root, as .ci/run does in its container")
		}
		again(t, "HITHER_TEST_SPACE="+t.Name(), 0)
		return nil, false
	}
	s := &space{world: newWorld(t)}
	s.must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	s.command("ip", "link", "set", "lo", "up")
	s.command("ip", "route", "add", "local", "198.51.100.0/24", "dev", "lo")
	s.zone = newZone(s.world, zoneAddress+":53")
	s.resolv = s.instead("/etc/resolv.conf", "nameserver "+zoneAddress+"\n")
	s.instead("/etc/nsswitch.conf", "hosts: files dns\n")
	s.instead("/etc/hosts", "127.0.0.1 localhost\n")
	return s, true
}

// again runs the calling test in a process with networks and mounts of its own, which variable tells that it is there, and
// waits for it. more are further kinds of namespaces (clone(2)).
func again(t *testing.T, variable string, more uintptr) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), variable)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | more, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EINVAL):
		t.Skipf("this kernel gives no namespaces: %v", err)
	case err != nil:
		t.Fatalf("in namespaces of its own: %v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("in namespaces of its own:\n%s", out)
	}
	t.Logf("in namespaces of its own:\n%s", out)
}

// command is for setting up; what fails there is not what is tested.
func (s *space) command(name string, args ...string) {
	s.t.Helper()
	s.shell(s.dir, os.Environ(), name, args...)
}

// instead puts a file of the world in the place of one of the machine, as far as this test sees, and returns its name.
func (s *space) instead(file, text string) string {
	s.t.Helper()
	own := s.write(filepath.Base(file), []byte(text))
	s.must(os.Chmod(own, 0o644)) // everybody reads those
	s.must(unix.Mount(own, file, "", unix.MS_BIND, ""))
	return own
}

// askAt points the system's DNS at a server, and at no other.
func (s *space) askAt(server string) {
	s.t.Helper()
	s.must(os.WriteFile(s.resolv, []byte("nameserver "+server+"\n"), 0o600))
}

// serveAt puts a handler where programs look for a public name: on port 443 of an address of its own, which the name
// server knows from now on, and on port 80 without TLS.
func (s *space) serveAt(name string, handler http.Handler) (sealed, plain *wire) {
	s.t.Helper()
	s.hosts++
	addr := "198.51.100." + strconv.Itoa(s.hosts)
	s.zone.add(name + ". 300 IN A " + addr)
	leaf := newLeaf(s.t, s.root, name)
	sealed = &wire{addr: addr + ":443", secure: &tls.Config{Certificates: []tls.Certificate{leaf}, NextProtos: []string{"h2", "http/1.1"}}}
	plain = &wire{addr: addr + ":80"}
	for _, w := range []*wire{sealed, plain} {
		w.t, w.handler = s.t, handler
		w.Mend()
		s.t.Cleanup(w.Cut)
		s.wires = append(s.wires, w)
	}
	return sealed, plain
}

// goAt is the Go world under its public names, with the rule that is shipped but for the mirrors and the key.
func (s *space) goAt() *goOrigin {
	s.t.Helper()
	o := s.goWorld()
	handler, sum := o.handler, o.sum.handler
	o.wire, _ = s.serveAt("proxy.golang.org", handler)
	o.sum, _ = s.serveAt(sumName, sum)
	s.rule("go", []map[string]any{{"name": "proxy.golang.org"}, {"name": sumName, "prefix": "/sumdb/" + sumName, "key": o.sumKey}})
	return o
}

// npmAt is the npm world under its public name.
func (s *space) npmAt() *npmOrigin {
	s.t.Helper()
	o := s.npmWorld()
	o.wire, _ = s.serveAt(npmHost, http.HandlerFunc(o.answer))
	s.rule("npm", []map[string]any{{"name": npmHost}})
	return o
}

// ociAt is Docker Hub under its public names. The name of its token server is in no rule.
func (s *space) ociAt() *ociOrigin {
	s.t.Helper()
	signer := newLeaf(s.t, s.root, "tokens.world.test")
	tokens := &tokenServer{s.world, signer.Certificate[0], signer.PrivateKey.(*ecdsa.PrivateKey)}
	o := &ociOrigin{image: s.ociImage("image", 6)}
	o.tokens, _ = s.serveAt("auth.docker.io", http.HandlerFunc(tokens.answer))
	o.wire, _ = s.serveAt(ociHost, registryAt(s.dockerRegistry("https://auth.docker.io/token")))
	s.rule("docker", []map[string]any{{"name": ociHost, "tokens": []string{"https://auth.docker.io"}}})
	s.shell(s.dir, s.clientEnv("push"), "skopeo", "--insecure-policy", "copy", "--quiet", "--dest-creds", "world:world",
		"oci:"+o.image.dir+":latest", "docker://docker.io/library/alpine:latest")
	return o
}

// up starts Hither with DNS and doors on this machine, and on further addresses, and points the system's DNS at it.
func (s *space) up(args ...string) *hither {
	s.t.Helper()
	h := s.hither(append([]string{"--dns", "127.0.0.1:53", "--dns-upstream", zoneAddress, "--transparent", doorAddress}, args...)...)
	s.askAt("127.0.0.1")
	return h
}

// believer is the environment of a client that knows nothing of Hither but its root, which is what `hither install --trust`
// is for. more are files with further roots.
func (h *hither) believer(name string, more ...string) []string {
	h.w.t.Helper()
	roots := h.w.read(h.ca)
	for _, file := range more {
		roots += h.w.read(file)
	}
	file := h.w.write(name+".pem", []byte(roots))
	return h.w.clientEnv(name, "SSL_CERT_FILE="+file, "NODE_EXTRA_CA_CERTS="+file, "CURL_CA_BUNDLE="+file, "GIT_SSL_CAINFO="+file)
}

// ---- A container. ----

// container is a process with a network of its own on a bridge of this machine, and a resolv.conf of its own.
type container struct {
	*space
	pid string
}

// container starts one that asks the bridge's address for names. It ends with the test: what it reads then ends.
func (s *space) container() *container {
	s.t.Helper()
	init := exec.Command("cat")
	init.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	in, err := init.StdinPipe()
	s.must(err)
	s.must(init.Start())
	s.t.Cleanup(func() { _ = in.Close(); _ = init.Wait() })
	c := &container{s, strconv.Itoa(init.Process.Pid)}
	for _, command := range []string{
		"link add bridge0 type bridge", "address add " + bridgeAddress + "/24 dev bridge0", "link set bridge0 up",
		"link add port0 type veth peer name eth0", "link set port0 master bridge0 up", "link set eth0 netns " + c.pid,
	} {
		s.command("ip", strings.Fields(command)...)
	}
	resolv := s.write("container/resolv.conf", []byte("nameserver "+bridgeAddress+"\n"))
	for _, command := range []string{
		"ip link set lo up", "ip address add " + guestAddress + "/24 dev eth0", "ip link set eth0 up", "ip route add default via " + bridgeAddress,
		"mount --bind " + resolv + " /etc/resolv.conf",
	} {
		c.run(s.dir, os.Environ(), strings.Fields(command)...)
	}
	return c
}

// run runs a client in the container.
func (c *container) run(dir string, env []string, command ...string) string {
	c.t.Helper()
	enter := []string{"-t", c.pid, "-n", "-m", "--", "sh", "-c", `cd "$0" && exec "$@"`, dir}
	return c.shell(c.dir, env, "nsenter", append(enter, command...)...)
}

// dig asks from the container, in as few words as dig has.
func (c *container) dig(args ...string) string {
	c.t.Helper()
	return strings.TrimSpace(c.run(c.dir, os.Environ(), append([]string{"dig", "+short", "+tries=1", "+time=5"}, args...)...))
}

// ---- What a client sees. ----

// signer is who signed the certificate of the host to which DNS leads.
func (s *space) signer(name string) string {
	s.t.Helper()
	at := net.JoinHostPort(s.leads("127.0.0.1:53", name), "443")
	conn, err := tls.Dial("tcp", at, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	s.must(err)
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].Issuer.CommonName
}
