package sysdns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"hither/install/installtest"
)

// TestInNamespaces has the tests that change a whole machine, or start and kill what serves one. Six run at once, the
// longest first: they mostly wait.
func TestInNamespaces(t *testing.T) {
	var all sync.WaitGroup
	turns := make(chan struct{}, 6)
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"AStoppedDaemonLosesTheDNSAndTakesItAgain", aStoppedDaemonLosesTheDNSAndTakesItAgain},
		{"TheScopeIsRenewed", theScopeIsRenewed},
		{"AStoppedDaemonGivesItsNamesBack", aStoppedDaemonGivesItsNamesBack},
		{"ANewDaemonTakesOverWithoutAGap", aNewDaemonTakesOverWithoutAGap},
		{"AKilledGuardIsReplaced", aKilledGuardIsReplaced},
		{"ResolvConfOfEveryKind", resolvConfOfEveryKind},
		{"KillingTheDaemonGivesTheWholeDNSBack", killingTheDaemonGivesTheWholeDNSBack},
		{"KillingUsGivesTheNamesBack", killingUsGivesTheNamesBack},
		{"AfterAPowerCutRestoreFindsTheJournal", afterAPowerCutRestoreFindsTheJournal},
		{"AScopeOfAllLeavesVPNsTheirs", aScopeOfAllLeavesVPNsTheirs},
		{"OnlyNamesOfTheScopeComeToUs", onlyNamesOfTheScopeComeToUs},
		{"WithoutResolvedItSaysSo", withoutResolvedItSaysSo},
		{"AFullDiskKeepsNobodyFromHisDNS", aFullDiskKeepsNobodyFromHisDNS},
		{"AnImmutableFileIsLeftAsItIs", anImmutableFileIsLeftAsItIs},
		{"OurAddressAvoidsOthers", ourAddressAvoidsOthers},
	} {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			t.Run(test.name, test.run)
		})
	}
	all.Wait()
}

// inNamespace runs the calling test in a process with namespaces of its own for mounts and networks, where nothing that it
// does reaches the machine; it returns false in the process outside, which only waits. Without root the test is skipped.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv("HITHER_TEST_SPACE") == t.Name() {
		must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(t, unix.Mount("tmpfs", "/run", "tmpfs", 0, ""))
		command(t, "ip", "link", "set", "lo", "up")
		return true
	}
	if os.Getuid() != 0 {
		t.Skip("namespaces need root: run this test as root, as .ci/run does in its container")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), "HITHER_TEST_SPACE="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL) {
		t.Skipf("this kernel gives no namespaces: %v", err)
	}
	if err != nil {
		t.Fatalf("in its own namespaces: %v\n%s", err, out)
	}
	if bytes.Contains(out, []byte("--- SKIP")) {
		t.Skipf("in its own namespaces:\n%s", out)
	}
	t.Logf("%s", out)
	return false
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func command(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// start runs a program until the test ends; it dies with the test.
func start(t *testing.T, env []string, argv ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// privateEtc puts a copy of /etc over /etc, which can be written and thrown away.
func privateEtc(t *testing.T) {
	t.Helper()
	must(t, os.RemoveAll("/run/etc"))
	must(t, os.MkdirAll("/run/etc", 0o755))
	command(t, "cp", "-a", "/etc/.", "/run/etc/")
	os.Remove("/run/etc/resolv.conf")
	must(t, unix.Mount("/run/etc", "/etc", "", unix.MS_BIND, ""))
	must(t, os.WriteFile("/etc/nsswitch.conf", []byte("passwd: files\ngroup: files\nhosts: files dns\n"), 0o644))
}

// nameServer answers every question of A with one address.
func nameServer(t *testing.T, at string, answer string) {
	t.Helper()
	srv, err := serveNames(at, answer)
	must(t, err)
	t.Cleanup(func() {
		srv.Shutdown()
		srv.PacketConn.Close() // of a server that has not begun yet, Shutdown leaves it open
	})
}

// serveNames is nameServer for roles.
func serveNames(at, answer string) (*dns.Server, error) {
	conn, err := net.ListenPacket("udp", at)
	if err != nil {
		return nil, err
	}
	srv := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			rr, err := dns.NewRR(q.Question[0].Name + " 1 IN A " + answer)
			if err == nil {
				reply.Answer = []dns.RR{rr}
			}
		}
		w.WriteMsg(reply)
	})}
	go srv.ActivateAndServe()
	return srv, nil
}

// ask returns the address of a name by the server at, or why there is none.
func ask(at, name string) string {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	c := &dns.Client{Timeout: time.Second}
	reply, _, err := c.Exchange(q, at)
	switch {
	case err != nil:
		return err.Error()
	case len(reply.Answer) == 0:
		return dns.RcodeToString[reply.Rcode]
	}
	if a, ok := reply.Answer[len(reply.Answer)-1].(*dns.A); ok {
		return a.A.String()
	}
	return reply.Answer[0].String()
}

// patience is for a machine that is busy with other tests. What is promised, 5 s for names, is told to whoever reads the log;
// TestAGuardRestoresWhenTheLeaseLapses has it in a time of its own.
const patience = 40 * time.Second

// until asks again and again, and returns how long it took to get what is wanted.
func until(t *testing.T, what string, got func() string, want string) time.Duration {
	t.Helper()
	begun, last := time.Now(), ""
	for time.Since(begun) < patience {
		if last = got(); last == want {
			return time.Since(begun)
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatalf("%s\ngot  %s after %s\nwant %s", what, last, patience, want)
	return 0
}

const (
	stub     = "127.0.0.53:53"
	systemAt = "127.0.0.7"
	oursAt   = "127.0.0.9:5300"
)

// systemdResolved starts a bus and systemd-resolved, and in front of it a server for the rest of the world.
func systemdResolved(t *testing.T) (bus, resolved *exec.Cmd) {
	t.Helper()
	program := installtest.FindResolved(t)
	privateEtc(t)
	installtest.LayResolved(t, systemAt)
	must(t, os.WriteFile("/run/bus.conf", installtest.BusConfig("system", installtest.SystemBus), 0o644))
	nameServer(t, systemAt+":53", "192.0.2.1")
	bus = start(t, nil, "dbus-daemon", "--config-file=/run/bus.conf", "--nofork", "--nopidfile")
	until(t, "the bus", func() string {
		if _, err := os.Stat("/run/dbus/system_bus_socket"); err != nil {
			return err.Error()
		}
		return "there"
	}, "there")
	wayOut(t)
	return bus, startResolved(t, program)
}

// wayOut is a link with an address and a default route: without one neither systemd-resolved nor the C library asks
// anybody.
func wayOut(t *testing.T) {
	t.Helper()
	file, err := makeTun("net0")
	must(t, err)
	t.Cleanup(func() { file.Close() })
	command(t, "ip", "address", "add", "10.9.8.7/24", "dev", "net0")
	command(t, "ip", "link", "set", "net0", "up")
	command(t, "ip", "route", "add", "default", "via", "10.9.8.1")
}

func startResolved(t *testing.T, program string) *exec.Cmd {
	t.Helper()
	cmd := start(t, installtest.ResolvedEnv(), program)
	until(t, "systemd-resolved", func() string { return ask(stub, "ready.example") }, "192.0.2.1")
	return cmd
}

// role starts this test program as something else: TestRole does what name says. It returns when that has begun.
func role(t *testing.T, name string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestRole$")
	cmd.Env = append(append(os.Environ(), "HITHER_TEST_ROLE="+name), env...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	ready := make([]byte, 6)
	if _, err := io.ReadFull(out, ready); err != nil || string(ready) != "ready\n" {
		t.Fatalf("the role %s said %q: %v", name, ready, err)
	}
	return cmd
}

// TestRole is a daemon or a guard for other tests, and nothing in itself.
func TestRole(*testing.T) {
	roles := map[string]func(context.Context) error{"scoped": roleScoped, "full": roleFull, "scopedGuarded": roleScopedGuarded, "guard": roleGuard}
	begin := roles[os.Getenv("HITHER_TEST_ROLE")]
	if begin == nil {
		return
	}
	if err := begin(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "role:", err)
		os.Exit(1)
	}
	fmt.Println("ready")
	select {} // until it is killed
}

func stateDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("/run", "hither")
	must(t, os.MkdirAll(dir, 0o700))
	return dir
}
