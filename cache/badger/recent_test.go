package badger

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestWhatIsFilledStaysInMemoryUntilItsWriterIsClosed(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int
		stays bool // any of it, after the commits
	}{
		{"a small blob", []int{5000}, true},
		{"a blob of several chunks", []int{3*smallChunk + 7}, true},
		{"a blob of whole chunks", []int{2 * smallChunk}, true},
		{"more blobs than there is room for", []int{maxRecent / 2, maxRecent / 2, maxRecent / 2, 9}, true},
		{"a large blob", []int{maxRecent + 3*smallChunk}, false},
		{"nothing", []int{0}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(Options{Dir: t.TempDir(), Limit: 1 << 30, Floor: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var writers []io.Closer
			for i, size := range c.sizes {
				w, err := s.Create(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				writers = append(writers, w)
				want, _ := io.ReadAll(noise(uint64(i), size))
				for _, step := range []func() error{
					func() error { _, err := w.Write(want); return err },
					w.Commit,
				} {
					if err := step(); err != nil {
						t.Fatal(err)
					}
					got := make([]byte, size)
					if n, err := w.ReadAt(got, 0); n < size || err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(got, want) {
						t.Fatalf("blob %d of %d bytes\n got %d other bytes, %v\nwant what was written", i, size, n, err)
					}
				}
			}
			if n := s.recent.Load(); n < 0 || n > maxRecent || c.stays != (n > 0) {
				t.Errorf("bytes in memory\n got %d\nwant some: %v, at most %d", n, c.stays, maxRecent)
			}
			for _, w := range writers {
				w.Close()
			}
			if n := s.recent.Load(); n != 0 {
				t.Errorf("bytes in memory, with all writers closed\n got %d\nwant 0", n)
			}
		})
	}
}
