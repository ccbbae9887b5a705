package logbook

import (
	"io"
	"testing"
	"time"
)

// TestALogThatNobodyReadsHoldsNothingUp guards restoring against a terminal that was stopped with Ctrl-S.
func TestALogThatNobodyReadsHoldsNothingUp(t *testing.T) {
	read, write := io.Pipe()
	defer read.Close()
	w := NewLate(write)
	for range 10 * lateLines {
		if n, err := w.Write([]byte("line\n")); n != 5 || err != nil {
			t.Fatalf("\n got %d, %v\nwant 5, no error", n, err)
		}
	}
	closed := make(chan struct{})
	go func() { w.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Error("Close\n got none\nwant it after a second")
	}
}
