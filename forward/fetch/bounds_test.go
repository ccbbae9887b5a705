package fetch

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
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

// Busy is what a Fetcher holds: transfers, bodies that come in parts, bytes that wait in memory.
func (f *Fetcher) Busy() (transfers int, splits, waiting int64) {
	return len(f.slots.free), f.splits.Load(), f.Over.Held()
}
