package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// clock compares this machine's clock with those of the registries.
type clock struct{}

// Name implements Check.
func (clock) Name() string { return "clock" }

const (
	// wrongClock is how far a clock may be off before certificates and signed times become a matter of luck.
	wrongClock = 5 * time.Minute
	// slowClock is worth a word.
	slowClock = 30 * time.Second
)

// Run implements Check. Registries are asked for what Hither does not keep, through Hither, until one's clock agrees, or else the nearest
// counts: then those of the others are wrong. A HEAD of the root is enough.
func (c clock) Run(ctx context.Context, p *Patient) []Finding {
	if p.Quick || len(p.root()) == 0 {
		return nil
	}
	through, err := p.through()
	if err != nil {
		return nil
	}
	defer through.CloseIdleConnections()
	var nearest time.Duration
	var off []Finding
	for _, host := range p.registries() {
		answer, err := get(ctx, through, http.MethodHead, "https://"+host+"/")
		if err != nil {
			continue
		}
		there, ok := dateOf(answer.Header)
		if !ok || answer.Status >= http.StatusInternalServerError {
			continue
		}
		distance := p.now().Sub(there)
		found := []Finding{judgeClock(p, distance, host)}
		if found[0].Level == OK {
			return found
		}
		if off == nil || distance.Abs() < nearest {
			nearest, off = distance.Abs(), found
		}
	}
	return off
}

// dateOf is when an answer was given, by its sender's clock and the time it was kept on the way (RFC 9110, section
// 6.6.1, and RFC 9111, section 5.1).
func dateOf(h http.Header) (time.Time, bool) {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return time.Time{}, false
	}
	if age, err := strconv.ParseUint(h.Get("Age"), 10, 31); err == nil {
		at = at.Add(time.Duration(age) * time.Second)
	}
	return at, true
}

func judgeClock(p *Patient, off time.Duration, host string) Finding {
	side := "ahead of"
	if off < 0 {
		side = "behind"
	}
	remedy := "Set it: `sudo timedatectl set-ntp true`."
	switch p.system() {
	case "darwin":
		remedy = "Set it: `sudo sntp -sS time.apple.com`."
	case "windows":
		remedy = "Set it: `w32tm /resync`."
	}
	said := fmt.Sprintf("this machine's clock is %v %s that of %s", off.Abs().Round(time.Second), side, host)
	switch {
	case off.Abs() > wrongClock:
		return fail(said+", so certificates are refused or believed at the wrong time", remedy)
	case off.Abs() > slowClock:
		return note(said, remedy)
	}
	return well("this machine's clock agrees with " + host)
}
