//go:build linux

package lab

import (
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
