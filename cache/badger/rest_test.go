package badger

import (
	"testing"
	"time"
)

// TestARestWaitsForWhoGoesThroughRecords holds an iterator, behind which Badger may unmap a log file: what lies in its place
// then must not be let go. Writers are not held up by who waits.
func TestARestWaitsForWhoGoesThroughRecords(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir(), Limit: 1 << 30, Floor: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rested := make(chan error, 1)
	err = s.scan(stateKey, func(string, []byte) { // there is one
		go func() { rested <- s.Rest(t.Context()) }()
		select {
		case <-rested:
			t.Error("\n got a rest while somebody has an iterator\nwant one behind it")
			rested <- nil
		case <-time.After(100 * time.Millisecond):
		}
		if err := s.saveState(false); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-rested; err != nil {
		t.Error(err)
	}
}
