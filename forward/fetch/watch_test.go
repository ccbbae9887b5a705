package fetch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// The first time nothing was extended yet, by the real clock, too: who reads that it was takes a stall for the end of an outage.
func TestAWatchIsExtendedFromNothingOn(t *testing.T) {
	var asked []time.Duration
	w := newWatch(t.Context(), time.Hour)
	defer w.stop()
	w.spares(func(extended time.Duration) (time.Duration, bool) {
		asked = append(asked, extended)
		return time.Millisecond, len(asked) == 2
	})
	w.reset(time.Millisecond, "no byte came")
	<-w.ctx.Done()
	if len(asked) != 2 || asked[0] != 0 || asked[1] < time.Millisecond {
		t.Errorf("extended, each time it was asked\n got %v\nwant 0, then what it was extended by", asked)
	}
}

// A second outage amid a body is spared as the first was.
func TestAWaitBeginsAnewWithWhatItWasExtendedBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		w := newWatch(t.Context(), time.Hour)
		defer w.stop()
		w.spares(func(extended time.Duration) (time.Duration, bool) {
			asked = append(asked, extended)
			return time.Minute, true
		})
		for range 2 {
			w.reset(time.Second, "no byte came")
			time.Sleep(30 * time.Second)
		}
		synctest.Wait()
		if len(asked) != 2 || asked[0] != 0 || asked[1] != 0 || w.ctx.Err() != nil {
			t.Errorf("extended, in two waits\n got %v, then %v\nwant 0 in each, and no end", asked, context.Cause(w.ctx))
		}
	})
}
