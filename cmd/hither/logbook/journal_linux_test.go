package logbook

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"

	"hither/cmd/hither/hithertest"
)

// journald puts its own time before each line, and looks for the priority in front.
func TestTheJournalHasPriorities(t *testing.T) {
	var out strings.Builder
	log := New(&out, slog.LevelDebug, true)
	log.Debug("a")
	log.Info("b", "time", "noon")
	log.With("process", "guard").Warn("c")
	log.Error("d\ne")
	hithertest.Same(t, "lines", out.String(), "<7>level=DEBUG msg=a\n<6>level=INFO msg=b time=noon\n<4>level=WARN msg=c process=guard\n<3>level=ERROR msg=\"d\\ne\"\n")
	t.Setenv("JOURNAL_STREAM", "9:1")
	hithertest.Same(t, "standard error of a test is the journal", IsJournal(os.Stderr), false)
	sockets, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	hithertest.Must(t, err)
	stream := os.NewFile(uintptr(sockets[0]), "stream")
	defer stream.Close()
	defer syscall.Close(sockets[1])
	var socket syscall.Stat_t
	hithertest.Must(t, syscall.Fstat(sockets[0], &socket))
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", socket.Dev, socket.Ino))
	hithertest.Same(t, "its socket is the journal", IsJournal(stream), true)
	hithertest.Same(t, "each line of it", AsError(stream, "a\nb"), "<3>a\n<3>b")
	hithertest.Same(t, "elsewhere", AsError(&out, "a\nb"), "a\nb")
}
