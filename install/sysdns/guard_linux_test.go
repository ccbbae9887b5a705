package sysdns

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hither/install"
	"hither/install/guard"
)

const (
	journalAt = "/run/hither/journal"
	leaseAt   = "/run/hither/lease"
	stubFile  = "/run/systemd/resolve/stub-resolv.conf"
	former    = "# by hand\nnameserver " + systemAt + "\noptions rotate ndots:2\nsearch lab.example\n"
)

func testMachine() *install.Machine {
	return &install.Machine{UID: -1, GID: -1, Journal: install.OpenJournal(journalAt)}
}

// roleFull is a daemon with the whole DNS of the machine.
func roleFull(ctx context.Context) error {
	if _, err := serveNames("127.0.0.1:53", byUs); err != nil {
		return err
	}
	os.Setenv("HITHER_TEST_ROLE", "guard")
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	steps, err := Steps(ctx, testMachine(), Full, Resolver{Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}})
	if err != nil {
		return err
	}
	l := &guard.Lease{
		File: leaseAt, Guard: []string{os.Args[0], "-test.run=^TestRole$", "--"}, Log: log, Err: os.Stderr,
		Lapsed: func(ctx context.Context) {
			if err := install.Apply(ctx, steps...); err != nil {
				log.Error("again", "reason", err)
			}
		},
	}
	if err := l.Take(ctx); err != nil {
		return err
	}
	return install.Apply(ctx, steps...)
}

// roleScopedGuarded is a daemon with some names, which a guard watches.
func roleScopedGuarded(ctx context.Context) error {
	if err := roleScoped(ctx); err != nil {
		return err
	}
	os.Setenv("HITHER_TEST_ROLE", "guard")
	return (&guard.Lease{File: leaseAt, Guard: []string{os.Args[0], "-test.run=^TestRole$", "--"}, Err: os.Stderr}).Take(ctx)
}

func roleGuard(ctx context.Context) error {
	g := guard.Guard{
		Lease: leaseAt, Holder: flag.Arg(1), In: os.Stdin, Out: os.Stdout, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Restore: func(ctx context.Context) error {
			_, err := install.Restore(ctx, testMachine(), install.Volatile)
			return errors.Join(err, ReleaseScoped(""))
		},
	}
	err := g.Run(ctx)
	if err == nil {
		os.Exit(0)
	}
	return err
}

func fullWorld(t *testing.T) {
	t.Helper()
	privateEtc(t)
	stateDir(t)
	nameServer(t, systemAt+":53", bySystem)
	noGuardsLeft(t)
	must(t, os.WriteFile(resolvPath, []byte(former), 0o640))
}

// noGuardsLeft ends guards with the test, or the process outside would wait for their output.
func noGuardsLeft(t *testing.T) {
	t.Cleanup(func() {
		for _, pid := range guards() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
}

// getent asks as programs that use the C library do.
func getent() string {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "getent", "ahostsv4", "some.host.example").Output()
	if err != nil {
		return err.Error()
	}
	return strings.Fields(string(out))[0]
}

func resolvText() string {
	text, err := os.ReadFile(resolvPath)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func resolvIsOurs() string { return strconv.FormatBool(strings.HasPrefix(resolvText(), resolvBegin)) }

// guards are the processes that watch.
func guards() (pids []int) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range lines {
		text, err := os.ReadFile(file)
		if pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && strings.Contains(string(text), "TestRole$\x00--\x00--holder") && sameSpace(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func sameSpace(pid int) bool {
	a, err := os.Readlink("/proc/self/ns/net")
	b, err2 := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/net")
	return err == nil && err2 == nil && a == b
}

// signalGuard waits until there is one guard, and sends it a signal.
func signalGuard(t *testing.T, sig syscall.Signal) {
	t.Helper()
	wantGuards(t, 1)
	must(t, syscall.Kill(guards()[0], sig))
}

func wantGuards(t *testing.T, want int) {
	t.Helper()
	until(t, "guards", func() string { return strconv.Itoa(len(guards())) }, strconv.Itoa(want))
}

func killingTheDaemonGivesTheWholeDNSBack(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	fullWorld(t)
	wayOut(t)
	daemon := role(t, "full")
	until(t, "the daemon's DNS", getent, byUs)
	signalGuard(t, syscall.SIGSTOP)
	must(t, syscall.Kill(-daemon.Process.Pid, syscall.SIGKILL)) // its whole process group, of which the guard is none
	took := until(t, "after kill -9, before the guard", getent, bySystem)
	t.Logf("names resolve %s after kill -9", took)
	signalGuard(t, syscall.SIGCONT)
	took = until(t, "resolv.conf after kill -9", resolvText, former)
	t.Logf("resolv.conf is as before %s after kill -9", took)
	wantGuards(t, 0)
	if _, err := os.Stat(journalAt); err == nil {
		t.Error("the journal\ngot  still there\nwant removed")
	}
}

func aStoppedDaemonLosesTheDNSAndTakesItAgain(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	fullWorld(t)
	wayOut(t)
	daemon := role(t, "full")
	must(t, daemon.Process.Signal(syscall.SIGSTOP))
	begun := time.Now()
	until(t, "after SIGSTOP", getent, bySystem)
	t.Logf("names resolve %s after SIGSTOP, by the second server", time.Since(begun))
	until(t, "resolv.conf after SIGSTOP", resolvText, former)
	t.Logf("resolv.conf is as before %s after SIGSTOP", time.Since(begun))
	wantGuards(t, 0)

	must(t, daemon.Process.Signal(syscall.SIGCONT))
	took := until(t, "ours again after SIGCONT", resolvIsOurs, "true")
	t.Logf("ours again %s after SIGCONT", took)
	until(t, "the daemon's DNS", getent, byUs)
	wantGuards(t, 1)
	must(t, daemon.Process.Kill())
	until(t, "resolv.conf after kill -9", resolvText, former)
}

func aNewDaemonTakesOverWithoutAGap(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	fullWorld(t)
	first := role(t, "full")
	must(t, first.Process.Kill())
	first.Wait()
	role(t, "full")
	for range 30 { // three seconds, more than the guard waits
		if resolvIsOurs() != "true" {
			t.Fatal("resolv.conf while daemons change\ngot  given back\nwant ours throughout")
		}
		<-time.After(100 * time.Millisecond)
	}
	wantGuards(t, 1)
}

func aKilledGuardIsReplaced(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	fullWorld(t)
	daemon := role(t, "full")
	old := guards()[0]
	must(t, syscall.Kill(old, syscall.SIGKILL))
	until(t, "another guard", func() string {
		g := guards()
		return strconv.FormatBool(len(g) == 1 && g[0] != old)
	}, "true")
	must(t, daemon.Process.Kill())
	until(t, "resolv.conf after kill -9", resolvText, former)
}

func afterAPowerCutRestoreFindsTheJournal(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	fullWorld(t)
	daemon := role(t, "full")
	signalGuard(t, syscall.SIGSTOP) // which the daemon does not see, as it would see its end
	must(t, daemon.Process.Kill())
	signalGuard(t, syscall.SIGKILL)
	wantGuards(t, 0)
	if resolvIsOurs() != "true" {
		t.Fatal("resolv.conf after the power cut\ngot  not ours\nwant ours, as nobody could give it back")
	}
	if _, err := install.Restore(t.Context(), testMachine(), install.Volatile); err != nil {
		t.Fatal(err)
	}
	if got := resolvText(); got != former {
		t.Errorf("resolv.conf after Restore\ngot  %q\nwant %q", got, former)
	}
}

func aStoppedDaemonGivesItsNamesBack(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	systemdResolved(t)
	stateDir(t)
	noGuardsLeft(t)
	daemon := role(t, "scopedGuarded")
	wantAsked(t, map[string]string{oursName: byUs})
	must(t, daemon.Process.Signal(syscall.SIGSTOP))
	took := until(t, "after SIGSTOP", func() string { return ask(stub, oursName) }, bySystem)
	t.Logf("after SIGSTOP: the system's again in %s", took)
	must(t, daemon.Process.Signal(syscall.SIGCONT))
	took = until(t, "after SIGCONT", func() string { return ask(stub, oursName) }, byUs)
	t.Logf("after SIGCONT: ours again in %s", took)
	signalGuard(t, syscall.SIGSTOP)
	must(t, daemon.Process.Kill())
	took = until(t, "after kill -9, before the guard", func() string { return ask(stub, oursName) }, bySystem)
	t.Logf("after kill -9: the system's again in %s, though the guard lives", took)
}

func resolvConfOfEveryKind(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	for name, make := range map[string]func(*testing.T) string{
		"a file":           func(*testing.T) string { return resolvPath },
		"a link to a stub": func(t *testing.T) string { return linkTo(t, "../run/systemd/resolve/stub-resolv.conf") },
		"a link into nowhere": func(t *testing.T) string {
			os.Remove(resolvPath)
			must(t, os.Symlink("/run/none/resolv.conf", resolvPath))
			return resolvPath
		},
		"a bind mount of a container": func(t *testing.T) string {
			must(t, os.WriteFile("/run/bound", []byte(former), 0o644))
			must(t, unix.Mount("/run/bound", resolvPath, "", unix.MS_BIND, ""))
			t.Cleanup(func() { unix.Unmount(resolvPath, 0) })
			return "/run/bound"
		},
	} {
		t.Run(name, func(t *testing.T) {
			fullWorld(t)
			t.Cleanup(func() { unix.Unmount("/etc", 0) })
			make(t)
			before := snapshot(t)
			step := resolvConf(testMachine(), addrs)
			must(t, install.Apply(t.Context(), step))
			if resolvIsOurs() != "true" {
				t.Fatalf("after Do\ngot  %s\nwant our block first", resolvText())
			}
			if text, err := os.ReadFile(stubFile); err == nil && string(text) != former {
				t.Errorf("what the link leads to, which is systemd-resolved's\ngot  %s\nwant %s", text, former)
			}
			must(t, step.Undo(t.Context()))
			if got := snapshot(t); got != before {
				t.Errorf("after Undo\ngot  %s\nwant %s", got, before)
			}
		})
	}
	t.Run("a read-only /etc", func(t *testing.T) {
		fullWorld(t)
		must(t, unix.Mount("none", "/etc", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
		defer unix.Unmount("/etc", 0)
		err := install.Apply(t.Context(), resolvConf(testMachine(), addrs))
		if !errors.Is(err, syscall.EROFS) || resolvText() != former {
			t.Errorf("got  %v, %q\nwant EROFS and the file as it was", err, resolvText())
		}
		t.Log(err)
	})
}

func linkTo(t *testing.T, target string) string {
	t.Helper()
	os.Remove(resolvPath)
	must(t, os.MkdirAll(filepath.Dir(stubFile), 0o755))
	must(t, os.WriteFile(stubFile, []byte(former), 0o644))
	must(t, os.Symlink(target, resolvPath))
	return resolvPath
}

// snapshot is resolv.conf with its kind, mode and text.
func snapshot(t *testing.T) string {
	t.Helper()
	info, err := os.Lstat(resolvPath)
	must(t, err)
	target, _ := os.Readlink(resolvPath)
	return info.Mode().String() + " " + target + "\n" + resolvText()
}
