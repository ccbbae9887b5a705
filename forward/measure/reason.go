package measure

import (
	"fmt"
	"time"
)

// reason says in words why the upstream stands where it does for an object.
func (p *Place) reason(s *spot, w spread, now time.Time) string {
	if p.State != Quarantined && p.Hole {
		return fmt.Sprintf("lacks this object, as of %s ago", round(now.Sub(s.hole)))
	}
	if s.r == nil {
		return "not measured yet"
	}
	text := s.r.reason(p.State, w, p.Rate, now)
	if s.tier == useless {
		f := &s.r.Classes[p.Class]
		text += fmt.Sprintf("; has next to no %s objects (%s)", p.Class, percent(1-f.Missing-f.Failing))
	}
	return text
}

// reason says in words why the upstream stands as it does.
func (r *record) reason(s State, w spread, rate float64, now time.Time) string {
	switch s {
	case Ejected:
		return fmt.Sprintf("%s; asked again in %s", r.failing(), round(r.Ejected.Sub(now)))
	case HalfOpen:
		return fmt.Sprintf("was %s; the next transfer decides", r.failing())
	case Quarantined:
		return fmt.Sprintf("sent wrong bytes%s; asked last for another %s", r.again(), round(r.Quarantined.Sub(now)))
	case Good:
		return r.speed(w, rate, now)
	}
	_, failed, missing := r.counts()
	switch {
	case failed > 0:
		return fmt.Sprintf("has not sent an object yet (%s last)", r.Cause)
	case missing > 0:
		return fmt.Sprintf("has not sent an object yet (lacked %s)", times(missing))
	}
	return "not measured yet"
}

// failing says what it is left alone for.
func (r *record) failing() string {
	switch {
	case r.Cause == Limited:
		return "left alone because it asked for it (limited)"
	case r.Ejections <= 1:
		return fmt.Sprintf("left alone after %d failures in a row (%s last)", patience, r.Cause)
	}
	return fmt.Sprintf("left alone %d times, it failed each time it was tried (%s last)", r.Ejections, r.Cause)
}

// again says that it was not the first time.
func (r *record) again() string {
	if r.Lies < 2 {
		return ""
	}
	return fmt.Sprintf(" for the %d. time", r.Lies)
}

// speed says how fast it is, and behind a semicolon each what is to be said against it.
func (r *record) speed(w spread, rate float64, now time.Time) string {
	text := "answered, but not within the last day"
	if w.Count > 0 {
		word := "request"
		if w.Probes {
			word = "probe"
		}
		text = fmt.Sprintf("p50 TTFB %s over %s", short(w.P50), count(w.Count, word))
	}
	if rate > 0 {
		text += fmt.Sprintf(", %.1f MB/s", rate/1e6)
	}
	if r.Failures > 0 {
		text += fmt.Sprintf("; failed %d of the %d times in a row that eject it (%s last)", r.Failures, patience, r.Cause)
	}
	if r.behind(now) {
		text += "; lacked the origin's newest entry " + round(now.Sub(r.Behind)) + " ago"
	}
	if r.doubtful(now) {
		text += "; not measured since the network changed, or for hours"
	}
	return text
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func times(n int) string { return count(n, "object") }

// short is a wait as a person reads it: three digits at most matter.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
}

// round keeps as much of a longer time as a person reads.
func round(d time.Duration) string {
	switch {
	case d >= time.Hour && d.Round(time.Hour) == d.Round(time.Minute):
		return fmt.Sprintf("%.0fh", d.Hours())
	case d >= time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute && d.Round(time.Minute) == d.Round(time.Second):
		return fmt.Sprintf("%.0fm", d.Minutes())
	}
	return d.Round(time.Second).String()
}

func percent(share float64) string { return fmt.Sprintf("%.0f %% of them", max(share, 0)*100) }
