//go:build unix

package project

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Another user's directory is read only if the project is that user's, too; and a pipe is not waited for.
func TestAnothersDirectoryIsNotRead(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const somebody = 12345
	dir := files(t, map[string]string{
		"p/go.mod": "module m\ngo 1.21\nrequire example.com/x v1.0.0\nreplace example.com/x => ../x\n", "x/go.mod": "module x\nrequire example.com/y v1.0.0\n",
	})
	graph := func() string { return fmt.Sprint(must[*Go](t)(ReadGo(filepath.Join(dir, "p"))).Graph != nil) }
	give := func(name string) {
		if err := os.Chown(filepath.Join(dir, name), somebody, -1); err != nil {
			t.Skip(err)
		}
	}
	same(t, "one's own", graph(), "true")
	give("x/go.mod")
	same(t, "another's", graph(), "false")
	give("p/go.mod")
	same(t, "of the project's owner", graph(), "true")
	if err := os.Remove(filepath.Join(dir, "x", "go.mod")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "x", "go.mod"), 0o600); err != nil {
		t.Skip(err)
	}
	same(t, "a pipe", graph(), "false")
}
