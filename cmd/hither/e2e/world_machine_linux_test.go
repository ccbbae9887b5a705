package e2e_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// machine is a whole Linux of one test's own: everything may be changed, nothing of it reaches the real one. Its files are
// those of the real one under a layer of memory, its network is empty but for loopback and one link, its processes end with it.
type machine struct {
	*world
	bin   string // hither
	state string // of hither
	env   []string
}

// Where things are in a machine.
const (
	machineHome  = "/root"
	machineState = "/var/lib/hither"
	layerOnTop   = "/run/layer"  // what was written
	layerBelow   = "/run/before" // the real machine's files
	systemServer = "127.0.0.7"   // its name server, which says bySystem to everything
	bySystem     = "192.0.2.1"
	byUs         = "127.0.7.90" // our doors
)

// onMachines runs tests at once, each in a process on a machine of its own, some at a time: they mostly wait.
func onMachines(t *testing.T, tests map[string]func(*testing.T, *machine)) {
	t.Helper()
	names := sortedKeys(tests)
	if inside := os.Getenv("HITHER_TEST_MACHINE"); inside != "" {
		for _, name := range names {
			t.Run(name, func(t *testing.T) { tests[name](t, newMachine(t)) })
		}
		return
	}
	if os.Getuid() != 0 {
		t.Skip("a machine of its own needs root: run this test as root, as .ci/run does in its container")
	}
	bin, err := plainHither()
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	turns := make(chan struct{}, 4)
	for _, name := range names {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			t.Run(name, func(t *testing.T) { again(t, "HITHER_TEST_MACHINE="+bin, syscall.CLONE_NEWPID) })
		})
	}
	all.Wait()
}

// newMachine turns this process's namespaces into a machine.
func newMachine(t *testing.T) *machine {
	t.Helper()
	coverRoot(t)
	run(t, "ip", "link", "set", "lo", "up")
	m := &machine{bin: os.Getenv("HITHER_TEST_MACHINE"), state: machineState}
	m.wayOut(t)
	mustDo(t, os.RemoveAll(machineState))
	for _, file := range []string{".npmrc", ".config/go/env", ".cargo/config.toml", ".config/pip/pip.conf"} {
		mustDo(t, os.RemoveAll(filepath.Join(machineHome, file)))
	}
	// Java's store, which this hook keeps, is another in each run: it has times in it. And it takes seconds.
	mustDo(t, os.RemoveAll("/etc/ca-certificates/update.d/jks-keystore"))
	put(t, "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
	put(t, "/etc/resolv.conf", "# by hand\nnameserver "+systemServer+"\noptions ndots:2\nsearch lab.example\n")
	m.fewRoots(t)
	serveName(t, systemServer+":53", bySystem)
	m.world = newWorld(t)
	m.env = []string{"HOME=" + machineHome, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HITHER_RULES=" + m.rules, "HITHER_CA_FILES=" + m.roots, "GOTOOLCHAIN=local", "GOFLAGS=-mod=mod"}
	m.npmRule(m.npmWorld())
	return m
}

// fewRoots leaves the system some of its roots: with all of them each change of the store takes seconds.
func (m *machine) fewRoots(t *testing.T) {
	t.Helper()
	const conf = "/etc/ca-certificates.conf"
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Skip("this is no Debian: it has no ca-certificates.conf")
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	put(t, conf, strings.Join(lines[:min(len(lines), 20)], "\n")+"\n")
	run(t, "update-ca-certificates", "--fresh")
}

// coverRoot puts a layer of memory over all files, and makes that the root of this process.
func coverRoot(t *testing.T) {
	t.Helper()
	dir, err := os.Getwd()
	mustDo(t, err)
	mustDo(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	mustDo(t, unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"))
	for _, dir := range []string{"/run/upper", "/run/work", "/run/root"} {
		mustDo(t, os.Mkdir(dir, 0o755))
	}
	if err := unix.Mount("overlay", "/run/root", "overlay", 0, "lowerdir=/,upperdir=/run/upper,workdir=/run/work"); err != nil {
		t.Skipf("this kernel cannot put a layer over a file system: %v", err)
	}
	mustDo(t, unix.Mount("tmpfs", "/run/root/run", "tmpfs", 0, "mode=755"))
	mustDo(t, unix.Mount("proc", "/run/root/proc", "proc", 0, ""))
	for from, to := range map[string]string{"/dev": "/run/root/dev", "/sys": "/run/root/sys", "/run/upper": "/run/root" + layerOnTop, "/": "/run/root" + layerBelow} {
		mustDo(t, os.MkdirAll(to, 0o755))
		flags := uintptr(unix.MS_BIND)
		if from == "/dev" {
			flags |= unix.MS_REC
		}
		mustDo(t, unix.Mount(from, to, "", flags, ""))
	}
	// The programs and the sources may stand on other file systems.
	for _, dir := range []string{filepath.Dir(os.Args[0]), filepath.Dir(os.Getenv("HITHER_TEST_MACHINE")), filepath.Join(dir, "..", "..", "..")} {
		mustDo(t, os.MkdirAll("/run/root"+dir, 0o755))
		mustDo(t, unix.Mount(dir, "/run/root"+dir, "", unix.MS_BIND|unix.MS_REC, ""))
	}
	mustDo(t, syscall.Chroot("/run/root"))
	t.Chdir(dir)
	mustDo(t, os.Mkdir("/run/tmp", 0o777))
	t.Setenv("TMPDIR", "/run/tmp") // sockets have short names
}

// wayOut is a link with a default route: without one neither systemd-resolved nor the C library asks anybody.
func (m *machine) wayOut(t *testing.T) {
	t.Helper()
	run(t, "ip", "link", "add", "net0", "type", "veth", "peer", "name", "net1")
	for _, link := range []string{"net0", "net1"} {
		run(t, "ip", "link", "set", link, "up")
	}
	run(t, "ip", "address", "add", "10.9.8.7/24", "dev", "net0")
	run(t, "ip", "route", "add", "default", "via", "10.9.8.1")
}

// hither runs a command line of the program, which must succeed.
func (m *machine) hither(args ...string) string {
	m.t.Helper()
	return m.shell("/", m.env, m.bin, args...)
}

// installs is `hither install --yes` with more.
func (m *machine) installs(args ...string) string {
	m.t.Helper()
	return m.hither(append([]string{"install", "--yes"}, args...)...)
}

// daemon is `hither up` as the service of the machine, with its own log.
type daemon struct {
	*exec.Cmd
	log string
}

// up starts the daemon and waits until it has said where it is.
func (m *machine) up() *daemon {
	m.t.Helper()
	log := m.write("up-"+m.next()+".log", nil)
	file, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	m.must(err)
	defer func() { _ = file.Close() }()
	cmd := exec.Command(m.bin, "up", "-v", "--state", m.state)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = m.env, file, file, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	_ = os.Remove(filepath.Join(m.state, "hither.json"))
	m.must(cmd.Start())
	d := &daemon{cmd, log}
	m.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if text := m.read(log); m.t.Failed() || strings.Contains(text, "panic:") {
			m.t.Logf("the end of hither's log:\n%s", tail(text, 60))
		}
	})
	m.await("hither up", func() bool {
		_, err := os.Stat(filepath.Join(m.state, "hither.json"))
		return err == nil
	})
	return d
}

// signal sends a signal to the daemon alone.
func (d *daemon) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	mustDo(t, d.Process.Signal(sig))
	if sig == syscall.SIGKILL {
		_ = d.Wait()
	}
}

// guards are the processes that watch a daemon.
func guards() (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		text, err := os.ReadFile(file)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && strings.Contains(string(text), "\x00guard\x00--journal\x00") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// becomes waits until something is as wanted, and logs how long that took. A minute is for a loaded machine; what is
// promised, 5 s for names and 15 s for proxy settings, is told to whoever reads the log.
func (m *machine) becomes(what string, got func() string, want string) {
	m.t.Helper()
	begun, last := time.Now(), ""
	for time.Since(begun) < time.Minute {
		if last = got(); last == want {
			m.t.Logf("%s: after %v", what, time.Since(begun).Round(10*time.Millisecond))
			return
		}
		pause()
	}
	m.t.Fatalf("%s\n got %s after a minute\nwant %s", what, last, want)
}

// resolves is the address of a name as programs find it that use the C library.
func (m *machine) resolves(name string) func() string {
	return func() string {
		out, err := m.try("/", m.env, "timeout", "6", "getent", "ahostsv4", name)
		if err != nil {
			return "none: " + err.Error()
		}
		return strings.Fields(out)[0]
	}
}

// text is a file of the machine; "none" if it is not there.
func (m *machine) text(path string) func() string {
	return func() string {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "none"
		}
		m.must(err)
		return string(data)
	}
}

// serveName answers every question of A with one address.
func serveName(t *testing.T, at, answer string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", at)
	mustDo(t, err)
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			reply.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.ParseIP(answer),
			}}
		}
		_ = w.WriteMsg(reply) // whoever asked has gone
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	mustDo(t, os.MkdirAll(filepath.Dir(path), 0o755))
	_ = os.Remove(path)
	mustDo(t, os.WriteFile(path, []byte(text), 0o644))
}

// start runs a program of the machine until the test ends.
func start(t *testing.T, env []string, argv ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = env
	cmd.Stderr = os.Stderr
	mustDo(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}
