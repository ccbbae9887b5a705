package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"

	"hither/cmd/hither/environ"
)

// journald puts its own time before each line, and looks for the priority in front.
func TestTheJournalHasPriorities(t *testing.T) {
	var out strings.Builder
	log := newLog(&out, slog.LevelDebug, true)
	log.Debug("a")
	log.Info("b", "time", "noon")
	log.With("process", "guard").Warn("c")
	log.Error("d\ne")
	same(t, "lines", out.String(), "<7>level=DEBUG msg=a\n<6>level=INFO msg=b time=noon\n<4>level=WARN msg=c process=guard\n<3>level=ERROR msg=\"d\\ne\"\n")
	t.Setenv("JOURNAL_STREAM", "9:1")
	same(t, "standard error of a test is the journal", isJournal(os.Stderr), false)
	sockets, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(t, err)
	stream := os.NewFile(uintptr(sockets[0]), "stream")
	defer stream.Close()
	defer syscall.Close(sockets[1])
	var socket syscall.Stat_t
	must(t, syscall.Fstat(sockets[0], &socket))
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", socket.Dev, socket.Ino))
	same(t, "its socket is the journal", isJournal(stream), true)
	a := &app{in: strings.NewReader(""), out: io.Discard, err: stream, env: environ.List{"HOME=" + t.TempDir()}}
	same(t, "status", a.run(t.Context(), []string{"up", "--cache", "tape"}), exitUsage)
	said := make([]byte, 4096)
	n, err := syscall.Read(sockets[1], said)
	must(t, err)
	same(t, "why it ends is an error", strings.HasPrefix(string(said[:n]), "<3>hither: "), true)
	same(t, "each line of it", asError(stream, "a\nb"), "<3>a\n<3>b")
	same(t, "elsewhere", asError(&out, "a\nb"), "a\nb")
}
