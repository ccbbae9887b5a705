package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"hither/cmd/hither/environ"
)

func TestWhyHitherEndsIsAnErrorInTheJournal(t *testing.T) {
	sockets, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(t, err)
	stream := os.NewFile(uintptr(sockets[0]), "stream")
	defer stream.Close()
	defer syscall.Close(sockets[1])
	var socket syscall.Stat_t
	must(t, syscall.Fstat(sockets[0], &socket))
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", socket.Dev, socket.Ino))
	a := &app{in: strings.NewReader(""), out: io.Discard, err: stream, env: environ.List{"HOME=" + t.TempDir()}}
	same(t, "status", a.run(t.Context(), []string{"up", "--cache", "tape"}), exitUsage)
	said := make([]byte, 4096)
	n, err := syscall.Read(sockets[1], said)
	must(t, err)
	same(t, "why it ends is an error", strings.HasPrefix(string(said[:n]), "<3>hither: "), true)
}
