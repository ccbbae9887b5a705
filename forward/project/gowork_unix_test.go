//go:build unix

package project

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
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

// To open a pipe for a directory would wait for ever.
func TestAPipeForADirectoryIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "x")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := newNeighbours(dir, "go.mod").mod(pipe)
		read <- err
	}()
	select {
	case err := <-read:
		if err == nil {
			t.Error("a pipe has no go.mod")
		}
	case <-time.After(10 * time.Second):
		t.Error("a pipe was waited for")
	}
}

// Whose directory it is may put another file there at any time; what counts is whose is read.
func TestTheFileThatIsReadIsTheUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := files(t, map[string]string{"p/go.mod": "module p\n", "x/mine": "module mine\n", "x/theirs": "module theirs\n"})
	x := filepath.Join(dir, "x")
	if err := os.Chown(filepath.Join(x, "theirs"), 12345, -1); err != nil {
		t.Skip(err)
	}
	end, ended := make(chan struct{}), make(chan struct{})
	defer func() { close(end); <-ended }()
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			default:
			}
			_ = os.Symlink([]string{"mine", "theirs"}[i%2], filepath.Join(x, "next"))
			_ = os.Rename(filepath.Join(x, "next"), filepath.Join(x, "go.mod"))
		}
	}()
	for start := time.Now(); time.Since(start) < 200*time.Millisecond; {
		if data, err := newNeighbours(filepath.Join(dir, "p"), "go.mod").mod(x); err == nil && string(data) != "module mine\n" {
			t.Fatalf("read %q", data)
		}
	}
}
