package fetch

import (
	"testing"
	"time"
)

// TestAStartingConnectionIsNotSlow: it doubles with each round trip, and so does the guess of who looks at the mean.
func TestAStartingConnectionIsNotSlow(t *testing.T) {
	for _, c := range []struct {
		name  string
		spans []int64 // bytes in each
		want  float64 // bytes a second
	}{
		{"nothing yet", nil, 0},
		{"one span", []int64{1000}, 0},
		{"it doubles", []int64{1000, 2000, 4000}, 0},
		{"it is level", []int64{1000, 1000}, 2000},
		{"it doubled, and a packet was lost", []int64{1000, 2000, 4000, 2000}, 4000},
		{"it was lost early, and grows again", []int64{4000, 1000, 1500}, 0},
		{"silence", []int64{1000, 0}, 1},
	} {
		now := time.Unix(0, 0)
		s, bytes, got := speed{from: now}, int64(0), 0.0
		for _, n := range c.spans {
			s.after(bytes+n/2, now.Add(speedSpan/2))
			bytes, now = bytes+n, now.Add(speedSpan)
			got = s.after(bytes, now)
		}
		if got != c.want {
			t.Errorf("%s\ngot  %g bytes a second\nwant %g", c.name, got, c.want)
		}
	}
}
