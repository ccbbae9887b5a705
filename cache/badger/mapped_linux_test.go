package badger

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"hither/cache/digest"
)

// resident is how much of the log files below dir is in this process's memory, in KiB (proc_pid_smaps(5)).
func resident(t *testing.T, dir string) (sum int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	ours := false
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		switch {
		case !strings.HasSuffix(fields[0], ":"):
			ours = strings.Contains(line, dir) && strings.Contains(line, ".vlog")
		case ours && fields[0] == "Rss:":
			n := 0
			for _, c := range fields[1] {
				n = 10*n + int(c-'0')
			}
			sum += n
		}
	}
	return sum
}

// TestRestGivesPagesBackAndLosesNothing reads and writes all the time while a store rests.
func TestRestGivesPagesBackAndLosesNothing(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{Dir: dir, Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := t.Context()
	keep := func(b []byte) digest.Digest {
		w, err := s.Create(ctx, "")
		if err != nil {
			t.Error(err)
			return ""
		}
		defer w.Close()
		if _, err := w.Write(b); err != nil {
			t.Error(err)
		}
		if err := w.Commit(); err != nil {
			t.Error(err)
		}
		return w.Digest()
	}
	check := func(d digest.Digest, want []byte) {
		b, err := s.Open(ctx, d)
		if err != nil {
			t.Error(err)
			return
		}
		defer b.Close()
		if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got:  %d bytes, %v\nwant: %d", len(got), err, len(want))
		}
	}
	first := bytes.Repeat([]byte("first"), 1<<20)
	d := keep(first)
	var work sync.WaitGroup
	for i := range 2 {
		work.Go(func() {
			for n := range 10 {
				more := bytes.Repeat([]byte{byte(i), byte(n)}, 1<<20)
				check(keep(more), more)
				check(d, first)
			}
		})
	}
	for range 50 {
		if err := s.Rest(ctx); err != nil {
			t.Error(err)
		}
	}
	work.Wait()
	for _, f := range []func(context.Context) error{s.Compact, s.Rest} {
		if err := f(ctx); err != nil {
			t.Error(err)
		}
	}
	if n := resident(t, dir); n > 256 {
		t.Errorf("after a rest\ngot:  %d KiB of log files\nwant: next to none", n)
	}
	check(d, first)
}

func TestOnlyLogsOfTheDirectoryAreLetGo(t *testing.T) {
	got := logMappings(strings.NewReader(`
7f00-7f10 rw-s 00000000 fe:00 1 /a b/cache/000001.vlog
7f10-7f20 rw-p 00000000 fe:00 1 /a b/cache/000001.vlog
7f20-7f30 rw-s 00000000 fe:00 1 /a b/cache/000001.sst
7f30-7f40 rw-s 00000000 fe:00 1 /a b/cache/000002.vlog (deleted)
7f40-7f50 rw-s 00000000 fe:00 1 /a b/cache/more/000002.vlog
7f50-7f60 rw-s 00000000 fe:00 1 /other/cache/000002.vlog
7f60-7f70 rw-p 00000000 00:00 0
7f80-7f70 rw-s 00000000 fe:00 1 /a b/cache/000003.vlog
zz-7f70 rw-s 00000000 fe:00 1 /a b/cache/000003.vlog
7f80-7fa0 rw-s 00000000 fe:00 1 /a b/cache/000004.vlog
`), "/a b/cache")
	if want := []mapping{{0x7f00, 0x10}, {0x7f80, 0x20}}; !slices.Equal(got, want) {
		t.Errorf("got:  %x\nwant: %x", got, want)
	}
}
