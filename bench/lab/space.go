//go:build linux

package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Client is the namespace of the near end.
const Client = Prefix + "client"

// Space is the namespace of a server.
func Space(server string) string { return Prefix + server }

// AddSpace makes a namespace with a hosts file of its own (`ip netns exec` mounts it) and without any name server.
func AddSpace(ctx context.Context, name, hosts string) error {
	if err := Command(ctx, "ip", "netns", "add", name); err != nil {
		return err
	}
	if err := writeNames(name, hosts); err != nil {
		return err
	}
	if err := Command(ctx, "ip", "-n", name, "link", "set", "lo", "up"); err != nil {
		return err
	}
	// What the kernel remembers of one connection would decide how the next begins. IPv6 would only chatter.
	return Command(ctx, "ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1", "net.ipv6.conf.default.disable_ipv6=1")
}

// AddView gives a namespace another name, under which it has another hosts file. [RemoveSpace] removes it alone.
func AddView(name, of, hosts string) error {
	const dir = "/run/netns"
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	file.Close()
	if err := unix.Mount(filepath.Join(dir, of), file.Name(), "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("give %s another name: %w", of, err)
	}
	return writeNames(name, hosts)
}

func writeNames(space, hosts string) error {
	dir := filepath.Join("/etc/netns", space)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for file, text := range map[string]string{"hosts": hosts, "resolv.conf": ""} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// RemoveSpace also removes one that is half made.
func RemoveSpace(ctx context.Context, name string) {
	_ = Command(ctx, "ip", "netns", "del", name) // it may not be there
	_ = os.RemoveAll(filepath.Join("/etc/netns", name))
	_ = os.Remove("/etc/netns") // only if nobody else has something there
}

// Leftovers are the namespaces of a run that was killed.
func Leftovers() (names []string) {
	for _, dir := range []string{"/var/run/netns", "/etc/netns"} {
		found, _ := filepath.Glob(filepath.Join(dir, Prefix+"*")) // the pattern is good
		for _, path := range found {
			names = append(names, filepath.Base(path))
		}
	}
	return names
}

// RemoveLeftovers removes them; nobody else's lab may be alive.
func RemoveLeftovers(ctx context.Context) {
	for _, name := range Leftovers() {
		RemoveSpace(ctx, name)
	}
}

// Within calls f in a namespace: sockets that it makes belong there for ever. The thread comes back afterwards: if it were given up,
// programs that were started on it earlier would die with it (see [DieWithUs]). f must not start any.
func Within(name string, f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			runtime.UnlockOSThread()
			result <- fmt.Errorf("open our own namespace: %w", err)
			return
		}
		defer home.Close()
		err = enter(name, f)
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread() // otherwise it ends with the goroutine: no other may find itself in a strange network
		}
		result <- err
	}()
	return <-result
}

func enter(name string, f func() error) error {
	file, err := os.Open(filepath.Join("/var/run/netns", name))
	if err != nil {
		return fmt.Errorf("open the namespace: %w", err)
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the namespace %s: %w; run this as root", name, err)
	}
	return f()
}

// Command runs a program to its end. What it said is in the error.
func Command(ctx context.Context, name string, args ...string) error {
	_, err := Output(ctx, name, args...)
	return err
}

// Output runs a program and returns its standard output.
func Output(ctx context.Context, name string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.SysProcAttr = DieWithUs()
	var said, complaint strings.Builder
	c.Stdout, c.Stderr = &said, &complaint
	if err := c.Run(); err != nil {
		return []byte(said.String()), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return []byte(said.String()), nil
}
