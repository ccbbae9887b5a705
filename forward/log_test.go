package forward

import (
	"testing"
	"time"
)

func TestWarningsOfAKindAreBounded(t *testing.T) {
	var w seldom
	now := time.Now()
	said := 0
	for range 3 * warnMost {
		if _, ok := w.take("a tunnel could not be opened", now); ok {
			said++
		}
	}
	if said != warnMost {
		t.Errorf("got:  %d\nwant: %d", said, warnMost)
	}
	if _, ok := w.take("another", now); !ok {
		t.Error("another kind\ngot:  nothing\nwant: a warning")
	}
	if unsaid, ok := w.take("a tunnel could not be opened", now.Add(warnWindow)); !ok || unsaid != 2*warnMost {
		t.Errorf("a minute later\ngot:  %d not logged, %v\nwant: %d, true", unsaid, ok, 2*warnMost)
	}
}
