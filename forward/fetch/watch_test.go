package fetch

import (
	"testing"
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
