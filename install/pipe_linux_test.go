package install

import (
	"testing"

	"golang.org/x/sys/unix"

	"hither/install/stage"
)

func makePipe(t *testing.T, path string) {
	t.Helper()
	stage.Check(t, unix.Mkfifo(path, 0o600))
}
