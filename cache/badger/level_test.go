package badger

import (
	"fmt"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
)

func TestNewTablesAreMergedInAQuietMoment(t *testing.T) {
	s := openIn(t, t.TempDir())
	value := make([]byte, valueThreshold/2) // larger ones are in Badger's log
	for n := 0; n < 3*memTable; {           // more than two tables
		err := s.update(func(txn *badger.Txn) error {
			for range 500 {
				n += len(value)
				if err := txn.Set([]byte(fmt.Sprintf("some key %d", n)), value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for s.db.Levels()[0].NumTables >= fewTables || s.db.Levels()[6].NumTables == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := s.get(fmt.Sprintf("some key %d", len(value))); err != nil {
		t.Fatal(err)
	}
}

// Under the race detector.
func TestTablesAreMergedAndDroppedAtOnce(t *testing.T) {
	s := openIn(t, t.TempDir())
	var both sync.WaitGroup
	for _, what := range []func() error{s.flatten, func() error { return s.Compact(t.Context()) }} {
		both.Go(func() {
			for range 20 {
				if err := what(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
}

// Two of Badger's compactors woke forty times a second.
func TestNobodyLooksWhetherThereIsSomethingToMerge(t *testing.T) {
	openIn(t, t.TempDir())
	for !strings.Contains(stacks(t), "badger.(*Store).level(") {
		time.Sleep(time.Millisecond)
	}
	if strings.Contains(stacks(t), "runCompactor") {
		t.Error("one of Badger's own compactors runs")
	}
}

func stacks(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&b, 2); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
