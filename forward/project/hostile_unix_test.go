//go:build unix

package project

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Who may write to the directory can put a pipe in the place of a file between two looks at it.
func TestAPipeIsNotWaitedFor(t *testing.T) {
	dir := files(t, map[string]string{"x": ""})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Skip(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	read := make(chan error, 1)
	go func() {
		file, err := open(root, "pipe")
		if err == nil {
			_, err = readAll(file, maxFile)
			_ = file.Close()
		}
		read <- err
	}()
	select {
	case err := <-read:
		if !errors.Is(err, errNotRegular) {
			t.Errorf("a pipe\n got %v\nwant %v", err, errNotRegular)
		}
	case <-time.After(10 * time.Second):
		t.Error("a pipe was waited for")
	}
}
