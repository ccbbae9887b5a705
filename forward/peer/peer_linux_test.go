package peer

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// childVariable tells a copy of this test binary whom to connect to, and to wait for the end of its input.
const childVariable = "HITHER_PEER_TEST_CONNECT"

func TestMain(m *testing.M) {
	if address := os.Getenv(childVariable); address != "" {
		connect(address)
		return
	}
	os.Exit(m.Run())
}

func connect(address string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// connected starts a process that connects to a listener of ours, and returns both ends of that connection.
func connected(t testing.TB, listen string, change func(*exec.Cmd)) (from, to netip.AddrPort, c *exec.Cmd) {
	t.Helper()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		t.Skip(err) // no IPv6 here
	}
	defer listener.Close()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c = exec.Command(program, "an argument", "", "-x")
	c.Env, c.Dir = append(os.Environ(), childVariable+"="+listener.Addr().String()), t.TempDir()
	if change != nil {
		change(c)
	}
	input, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { input.Close(); _ = c.Process.Kill(); _ = c.Wait() })
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return netip.MustParseAddrPort(conn.RemoteAddr().String()), netip.MustParseAddrPort(conn.LocalAddr().String()), c
}

func TestTheProcessAtTheOtherEnd(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0", "127.0.0.7:0"} {
		from, to, c := connected(t, listen, nil)
		p, err := new(Finder).Of(from, to)
		if err != nil {
			t.Errorf("%s\n got %v", listen, err)
			continue
		}
		dir, _ := filepath.EvalSymlinks(c.Dir)
		if p.PID != c.Process.Pid || p.Dir != dir || !slices.Equal(p.Args[1:], c.Args[1:]) || p.Program != c.Path || p.Started == 0 || p.Parents[0] != os.Getpid() || !slices.Contains(p.Parents, os.Getppid()) {
			t.Errorf("%s\n got %+v\nwant process %d in %s, a child of %d", listen, p, c.Process.Pid, dir, os.Getpid())
		}
	}
}

// TestWhoWasFoundLatelyIsLookedAtFirst has a socket that two processes hold, ours and a younger one.
func TestWhoWasFoundLatelyIsLookedAtFirst(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c := exec.Command("sleep", "1000")
	c.ExtraFiles = []*os.File{file}
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	from, to := conn.LocalAddr().(*net.TCPAddr).AddrPort(), listener.Addr().(*net.TCPAddr).AddrPort()
	const ended = 1 << 29 // above pid_max
	for _, row := range []struct {
		says   string
		lately []int
		want   int
	}{
		{"nobody was found yet: the youngest", nil, c.Process.Pid},
		{"one that was found", []int{ended, os.Getpid()}, os.Getpid()},
		{"some that do not hold it", []int{ended, ended + 1, ended + 2, 1}, c.Process.Pid},
	} {
		f := Finder{lately: row.lately}
		for range 2 * maxLately {
			if p, err := f.Of(from, to); err != nil || p.PID != row.want || f.lately[0] != row.want || len(f.lately) > maxLately {
				t.Errorf("%s\n got %d %v, %v\nwant %d", row.says, p.PID, err, f.lately, row.want)
			}
		}
	}
}

func TestTheTablesSayTheSameAsTheKernel(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		from, to, _ := connected(t, listen, nil)
		asked, err := askDiag(from, to)
		if err != nil {
			t.Skip(err) // a sandbox
		}
		if searched, err := searchTables(from, to); err != nil || searched != asked || asked.inode == 0 {
			t.Errorf("%s\n got %+v %v\nwant %+v", listen, searched, err, asked)
		}
	}
}

func TestNothingIsToldOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may start processes of others")
	}
	const nobody = 65534
	// The program stands in a directory of ours that others may not enter; its copy does not.
	from, to, _ := connected(t, "127.0.0.1:0", func(c *exec.Cmd) {
		open := t.TempDir()
		for _, dir := range []string{open, filepath.Dir(open)} {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(c.Path)
		if err != nil {
			t.Fatal(err)
		}
		c.Path, c.Dir = filepath.Join(open, "client"), "/"
		if err := os.WriteFile(c.Path, data, 0o755); err != nil {
			t.Fatal(err)
		}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	})
	p, err := new(Finder).Of(from, to)
	if !errors.Is(err, ErrForeign) || p.PID != 0 || p.Dir != "" {
		t.Errorf("a process of nobody\n got %+v %v\nwant %v", p, err, ErrForeign)
	}
}

// TestPathsOfAContainerAreNotOurs has a process whose working directory is of the same name as one of ours, as a
// container's is, and means another.
func TestPathsOfAContainerAreNotOurs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may make another mount namespace")
	}
	from, to, _ := connected(t, "127.0.0.1:0", func(c *exec.Cmd) {
		within(c, `mount -t tmpfs none "$PWD" && cd "$PWD" && exec "$@"`)
	})
	if p, err := new(Finder).Of(from, to); !errors.Is(err, ErrUnknown) {
		t.Errorf("a process with another directory of that name\n got %+v %v\nwant %v", p, err, ErrUnknown)
	}
	from, to, c := connected(t, "127.0.0.1:0", func(c *exec.Cmd) { within(c, `exec "$@"`) })
	if p, err := new(Finder).Of(from, to); err != nil || p.Dir != c.Dir {
		t.Errorf("a process with mounts of its own, in our directory\n got %+v %v\nwant it in %s", p, err, c.Dir)
	}
}

// within has a command run in a mount namespace of its own, by a shell script that ends with exec.
func within(c *exec.Cmd, script string) {
	c.Args = append([]string{"sh", "-c", script, "sh", c.Path}, c.Args[1:]...)
	c.Path = "/bin/sh"
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
}

func TestWhatIsNotThereIsUnknown(t *testing.T) {
	from, to, c := connected(t, "127.0.0.1:0", nil)
	for _, ends := range [][2]netip.AddrPort{
		{from, netip.MustParseAddrPort("127.0.0.1:1")},
		{netip.MustParseAddrPort("192.0.2.1:1234"), to},
		{from, netip.MustParseAddrPort("192.0.2.1:1234")},
		{from, {}},
		{},
	} {
		if p, err := new(Finder).Of(ends[0], ends[1]); !errors.Is(err, ErrUnknown) {
			t.Errorf("%v\n got %+v %v\nwant %v", ends, p, err, ErrUnknown)
		}
	}
	if err := os.Remove(c.Dir); err != nil {
		t.Fatal(err)
	}
	if p, err := new(Finder).Of(from, to); !errors.Is(err, ErrUnknown) {
		t.Errorf("a working directory that is gone\n got %+v %v\nwant %v", p, err, ErrUnknown)
	}
}

const procTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1ED2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:9999 0100007F:1ED2 01 00000000:00000000 00:00000000 00000000  1000        0 222 1 0 100 0 0 10 0
   2: 0100007F:9998 0100007F:1ED2 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0 100 0 0 10 0
   3: 0000000000000000FFFF00000100007F:9997 0000000000000000FFFF00000100007F:1ED2 01 00000000:00000000 00:00000000 00000000     0        0 333 1
`

func TestProcTablesAreRead(t *testing.T) {
	to := netip.MustParseAddrPort("127.0.0.1:7890")
	for _, row := range []struct {
		says string
		port uint16
		want socket
	}{
		{"a connection", 0x9999, socket{222, 1000}},
		{"one that nobody holds", 0x9998, socket{}},
		{"IPv4 on an IPv6 socket", 0x9997, socket{333, 0}},
		{"a listener", 7890, socket{}},
	} {
		if got, _ := findSocket(strings.NewReader(procTable), netip.AddrPortFrom(to.Addr(), row.port), to); got != row.want {
			t.Errorf("%s\n got %+v\nwant %+v", row.says, got, row.want)
		}
	}
}

func TestNamesInStatMayHaveBrackets(t *testing.T) {
	s, err := parseStat("12 (a ) R (b) S 7 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 99887766 1 2")
	if err != nil || s != (stat{7, 99887766}) {
		t.Errorf("got %+v %v", s, err)
	}
}

func FuzzProc(f *testing.F) {
	f.Add(procTable)
	f.Add("12 (x) S 7 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 99887766 1 2")
	f.Add("a\x00b\x00\x00")
	f.Add(string(diagRequest(netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2"))))
	f.Fuzz(func(_ *testing.T, text string) {
		to := netip.MustParseAddrPort("127.0.0.1:7890")
		_, _ = findSocket(strings.NewReader(text), netip.AddrPortFrom(to.Addr(), 0x9999), to)
		_, _ = parseStat(text)
		_, _ = parseDiag([]byte(text))
		_ = splitArgs([]byte(text))
		for name := range direntNames([]byte(text)) {
			_ = name
		}
	})
}

// BenchmarkOf is one whole look beside 300 other processes. They are older than the one that is looked for, as when a
// client has just started; or they are all younger; or the one was found before.
func BenchmarkOf(b *testing.B) {
	for _, youngest := range []bool{true, false} {
		b.Run(fmt.Sprintf("youngest=%v", youngest), func(b *testing.B) {
			if youngest {
				crowd(b)
			}
			from, to, _ := connected(b, "127.0.0.1:0", nil)
			if !youngest {
				crowd(b)
			}
			for b.Loop() {
				if _, err := new(Finder).Of(from, to); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("again", func(b *testing.B) {
		from, to, _ := connected(b, "127.0.0.1:0", nil)
		crowd(b)
		var f Finder
		for b.Loop() {
			if _, err := f.Of(from, to); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// crowd starts 300 processes that do nothing.
func crowd(b *testing.B) {
	b.Helper()
	for range 300 {
		c := exec.Command("sleep", "1000")
		if err := c.Start(); err != nil {
			b.Skip(err)
		}
		b.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	}
}
