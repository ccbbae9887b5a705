package amount

import (
	"fmt"
	"strings"
	"time"
)

// Rough is a duration for people: 3 days, 2h5m, 41s, 120ms. A clock that was set back makes none that is negative.
func Rough(d time.Duration) string {
	switch d = max(d, 0); {
	case d > 0 && d < time.Millisecond:
		return "under 1ms"
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= time.Hour:
		d = d.Round(time.Minute)
	case d >= time.Second:
		d = d.Round(time.Second)
	default:
		d = d.Round(time.Millisecond)
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// Count is a number with its noun.
func Count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
