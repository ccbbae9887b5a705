//go:build linux

package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Whoever goes into a namespace may do so on a thread that has started a program, which dies with that thread; and no thread may
// stay in there.
func TestWhoVisitsANamespaceComesBack(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("namespaces need root")
	}
	name := fmt.Sprint("visited-", os.Getpid())
	if err := Command(t.Context(), "ip", "netns", "add", name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	for range 50 {
		c := exec.Command("sleep", "60")
		c.SysProcAttr = DieWithUs()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		err := Within(name, func() error { return nil })
		_ = c.Process.Signal(syscall.SIGTERM)
		if how := <-ended; err != nil || fmt.Sprint(how) != "signal: terminated" {
			t.Fatalf("a program that was started before\n got %v, %v\nwant that it ends when it is told", how, err)
		}
	}
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	threads, _ := filepath.Glob("/proc/self/task/*/ns/net")
	for _, thread := range threads {
		if at, err := os.Readlink(thread); err == nil && at != home {
			t.Errorf("%s\n got %s\nwant %s", thread, at, home)
		}
	}
}

func TestAViewIsTheSameNamespaceWithOtherNames(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("namespaces need root")
	}
	of, view := fmt.Sprint("viewed-", os.Getpid()), fmt.Sprint("view-", os.Getpid())
	last := context.WithoutCancel(t.Context())
	for _, name := range []string{of, view} {
		t.Cleanup(func() { RemoveSpace(last, name) })
	}
	if err := AddSpace(t.Context(), of, "192.0.2.1 registry.test\n"); err != nil {
		t.Fatal(err)
	}
	if err := AddView(view, of, "192.0.2.2 other.test\n"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ space, hosts string }{{of, "192.0.2.1 registry.test\n"}, {view, "192.0.2.2 other.test\n"}} {
		said, err := Output(t.Context(), "ip", "netns", "exec", c.space, "cat", "/etc/hosts")
		if err != nil || string(said) != c.hosts {
			t.Errorf("the names of %s\ngot  %q, %v\nwant %q", c.space, said, err, c.hosts)
		}
	}
	var networks []string
	for _, space := range []string{of, view} {
		said, err := Output(t.Context(), "ip", "netns", "exec", space, "readlink", "/proc/self/ns/net")
		if err != nil {
			t.Fatal(err)
		}
		networks = append(networks, string(said))
	}
	if networks[0] != networks[1] {
		t.Errorf("networks\ngot  %s\nwant one", networks)
	}
	RemoveSpace(last, view)
	if err := Within(of, func() error { return nil }); err != nil {
		t.Errorf("the namespace without its view\ngot  %v\nwant that it is still there", err)
	}
}
