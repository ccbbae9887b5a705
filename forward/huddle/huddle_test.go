package huddle

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// wireTap counts writes.
type wireTap struct {
	net.Conn
	mu     sync.Mutex
	writes int
	bytes.Buffer
	err    error
	closed bool
}

func (w *wireTap) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	w.writes++
	return w.Buffer.Write(p)
}

func (w *wireTap) Read([]byte) (int, error)         { return 0, io.EOF }
func (w *wireTap) SetWriteDeadline(time.Time) error { return nil }
func (w *wireTap) Close() error                     { w.closed = true; return nil }

func TestABurstOfSmallWritesIsAFewLargeOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tap := &wireTap{}
		h := &huddle{Conn: tap}
		var want []byte
		write := func(p []byte) {
			t.Helper()
			want = append(want, p...)
			if n, err := h.Write(p); n != len(p) || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		}
		write([]byte("alone"))
		if tap.writes != 1 {
			t.Errorf("a write by itself made %d writes at once, want 1", tap.writes)
		}
		for range 100 {
			write(bytes.Repeat([]byte("x"), 100))
		}
		time.Sleep(huddled)
		synctest.Wait()
		if tap.writes > 4 {
			t.Errorf("a burst of 100 made %d writes, want 3 at most: two of %d bytes, and the rest", tap.writes-1, crowd)
		}
		write(bytes.Repeat([]byte("y"), 3))
		write(bytes.Repeat([]byte("z"), 2*crowd))
		if !bytes.Equal(tap.Bytes(), want) {
			t.Error("bytes are lost, or out of order")
		}
		write([]byte("last"))
		h.Close()
		if !bytes.Equal(tap.Bytes(), want) || !tap.closed {
			t.Error("Close loses what was held")
		}
	})
}

func TestAWriteThatFailsIsToldByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tap := &wireTap{}
		h := &huddle{Conn: tap}
		h.Write([]byte("a"))
		tap.err = errors.New("cut")
		if _, err := h.Write([]byte("b")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, err := h.Write([]byte("c")); !errors.Is(err, tap.err) {
			t.Errorf("got %v, want %v", err, tap.err)
		}
	})
}
