package fetch

import (
	"testing"
	"time"
	"unsafe"
)

// asleep is now as time.Now tells it after a sleep: the wall's clock went on, the program's own did not.
func asleep(t *testing.T, now time.Time, slept time.Duration) time.Time {
	then := now
	*(*uint64)(unsafe.Pointer(&then)) += uint64(slept/time.Second) << 30 // there is no other way to make one; what follows tells if it is none any more
	if then.Sub(now) != 0 || then.Round(0).Sub(now.Round(0)) != slept {
		t.Fatalf("\n got %v by the program's clock, %v by the wall's\nwant 0 and %v", then.Sub(now), then.Round(0).Sub(now.Round(0)), slept)
	}
	return then
}

// A no of before the night is none in the morning.
func TestAFactEndsByEitherClock(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		when string
		now  time.Time
		want bool
	}{
		{"soon", now.Add(goneLife - 1), true},
		{"in its time", now.Add(goneLife), false},
		{"after a nap", asleep(t, now, goneLife-time.Second), true},
		{"after a night", asleep(t, now, 8*time.Hour), false},
		{"when the clock was put back", asleep(t, now, -8*time.Hour), true},
		{"in its time by a clock that was put back", asleep(t, now, -8*time.Hour).Add(goneLife), false},
	} {
		var m memory[string]
		m.put("a", "gone", now, goneLife, 1)
		if _, got := m.get("a", c.now); got != c.want {
			t.Errorf("%s\ngot  %t\nwant %t", c.when, got, c.want)
		}
	}
}
