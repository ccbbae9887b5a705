package peer

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Shells of Nix and of build farms have environments of hundreds of kilobytes; a pattern far behind must not be missed.
func TestWhatALargeEnvironmentKeepsPrivateIsKnown(t *testing.T) {
	from, to, _ := connected(t, "127.0.0.1:0", func(c *exec.Cmd) {
		for _, name := range []string{"A", "B", "C"} {
			c.Env = append(c.Env, name+"="+strings.Repeat("x", 100<<10))
		}
		c.Env = append(c.Env, "GOPRIVATE=corp.example/*")
	})
	p, err := new(Finder).Of(from, to)
	if err != nil || !slices.Equal(p.Private, []string{"corp.example/*"}) {
		t.Errorf("private\n got %q %v\nwant corp.example/*", p.Private, err)
	}
}

// A program that has only begun has no arguments and no environment for a moment: the kernel lets its parent go on before it has
// laid them out. What it keeps private is not nothing then.
func TestWhatAProgramThatHasJustBegunKeepsPrivateIsKnown(t *testing.T) {
	for range 400 {
		c := exec.Command("sleep", "60")
		c.Env = []string{"GOPRIVATE=corp.example/*"}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		p, err := ByPID(c.Process.Pid)
		_ = c.Process.Kill()
		_ = c.Wait()
		if err != nil || !slices.Equal(p.Private, []string{"corp.example/*"}) || !slices.Equal(p.Args, c.Args) {
			t.Fatalf("of a program that has just begun\n got %q %q %v\nwant corp.example/* and sleep 60", p.Private, p.Args, err)
		}
	}
}

func TestAProgramMayHaveNoEnvironment(t *testing.T) {
	c := exec.Command("sleep", "60")
	c.Env = []string{}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	if p, err := ByPID(c.Process.Pid); err != nil || p.Private != nil || p.Caching != nil || !slices.Equal(p.Args, c.Args) {
		t.Errorf("without an environment\n got %q %q %q %v\nwant sleep 60 and nothing", p.Private, p.Caching, p.Args, err)
	}
}
