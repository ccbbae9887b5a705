package fetch

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hither/cache"
)

func TestMistake8AMemoryIsBounded(t *testing.T) {
	var m memory[negative]
	now := time.Now()
	for i := range 10 * maxGones {
		m.put(strconv.Itoa(i), negative{}, now, goneLife, maxGones)
	}
	if len(m.facts) > maxGones {
		t.Errorf("\ngot  %d facts\nwant at most %d", len(m.facts), maxGones)
	}
	if _, ok := m.get(strconv.Itoa(10*maxGones-1), now); !ok {
		t.Error("the last fact was forgotten")
	}
}

func TestABombDoesNotEndCleanly(t *testing.T) {
	for size, want := range map[int]error{9: nil, 10: nil, 11: errors.New("sent more than anybody can want")} {
		_, err := io.ReadAll(&atMost{r: strings.NewReader(strings.Repeat("x", size)), left: 10})
		if (err == nil) != (want == nil) {
			t.Errorf("%d of 10 bytes\ngot  %v\nwant %v", size, err, want)
		}
	}
}

// fullDisk takes nothing.
type fullDisk struct{ page }

func (*fullDisk) Write([]byte) (int, error) { return 0, cache.ErrFull }

func TestAllFillsTogetherAreBoundedWithoutADisk(t *testing.T) {
	var all atomic.Int64
	all.Store(maxOverflows - 5) // other fills
	o := &overflow{Writer: &fullDisk{}, all: &all, most: maxOverflow}
	if _, err := o.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Write([]byte("!")); !errors.Is(err, cache.ErrFull) {
		t.Errorf("\ngot  %v\nwant %v", err, cache.ErrFull)
	}
	o.Close()
	o.Close()
	if got := all.Load(); got != maxOverflows-5 {
		t.Errorf("\ngot  %d bytes held\nwant %d", got, maxOverflows-5)
	}
}

// A client that joins while a liar's body is looked at must not be told its length: of nothing, it would have all.
func TestNobodyIsToldALengthThatIsNotYetTrue(t *testing.T) {
	s := newSpool(&page{}, 0, true)
	if got := s.reader(t.Context()).told; got != -1 {
		t.Errorf("\ngot  %d bytes promised\nwant -1", got)
	}
	s.finish(nil)
	if got := s.reader(t.Context()).told; got != 0 {
		t.Errorf("\ngot  %d bytes promised\nwant 0", got)
	}
}

// Busy is what a Fetcher holds: transfers, bodies that come in parts, bytes that wait in memory.
func (f *Fetcher) Busy() (transfers int, splits, waiting int64) {
	return len(f.slots.free), f.splits.Load(), f.over.Load()
}
