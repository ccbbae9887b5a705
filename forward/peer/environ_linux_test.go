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
	p, err := Of(from, to)
	if err != nil || !slices.Equal(p.Private, []string{"corp.example/*"}) {
		t.Errorf("private\n got %q %v\nwant corp.example/*", p.Private, err)
	}
}
