package mirrors

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hither/forward/measure"
	"hither/rules"
)

// Rank sorts the sources of an object by whom to ask first, without a turn for those who are to be tried. The user's pin
// goes before all that is measured.
func Rank(board *measure.Board, rule *rules.Rule, bases []string, o measure.Object) []measure.Place {
	places := board.Rank(bases, o)
	if i := slices.IndexFunc(places, func(p measure.Place) bool { return p.Base == rule.Pin && !rests(p.State) }); i > 0 {
		pinned := places[i]
		places = slices.Insert(slices.Delete(places, i, i+1), 0, pinned)
	}
	return places
}

// rests says that one is asked behind the others, pinned or not.
func rests(s measure.State) bool { return s == measure.Ejected || s == measure.Quarantined }

// NewChoice sums up a ranking. Nil without places.
func NewChoice(places []measure.Place, pin string, isOrigin func(base string) bool) *Choice {
	if len(places) == 0 {
		return nil
	}
	first := places[0]
	c := &Choice{
		Base: first.Base, Origin: isOrigin(first.Base), Pinned: pin != "" && first.Base == pin, Class: first.Class.String(),
		Reason: first.Reason, P50: first.P50, Requests: first.Requests,
	}
	for _, p := range places[1:] {
		switch {
		case c.RunnerUp == "" && isUsable(p):
			c.RunnerUp, c.Then = p.Base, p.P50
		case c.Official == 0 && isOrigin(p.Base):
			c.Official = p.P50
		}
	}
	return c
}

// isUsable says that one would be asked next, and not only when all others failed.
func isUsable(p measure.Place) bool {
	return p.P50 > 0 && !p.Hole && (p.State == measure.Good || p.State == measure.HalfOpen)
}

// Sentence says it to a person, without a full stop: "goproxy.cn, because p50 TTFB 38 ms over 212 requests; runner-up …".
func (c Choice) Sentence() string { return c.name() + ", " + c.because() }

func (c Choice) name() string {
	if c.Origin {
		return bare(c.Base) + " (the origin)"
	}
	return bare(c.Base)
}

// because is the part of the sentence behind the name.
func (c Choice) because() string {
	text := "because "
	if c.Pinned {
		text = "because you pinned it; "
	}
	if rest, ok := strings.CutPrefix(c.Reason, notMeasured); ok {
		return text + "nothing is measured yet" + rest
	}
	if c.P50 == 0 {
		return text + "no other is known to be better (" + c.Reason + ")"
	}
	text += c.Reason
	if c.RunnerUp != "" {
		text += fmt.Sprintf("; runner-up %s %s", bare(c.RunnerUp), millis(c.Then))
	}
	if c.Official > 0 {
		text += "; origin " + millis(c.Official)
	}
	return text
}

// notMeasured is the board's word for an upstream that it knows nothing of.
const notMeasured = "not measured yet"

// bare is a base as people say it.
func bare(base string) string { return strings.TrimPrefix(base, "https://") }

// millis is a duration as it is compared: 3.1 ms, 38 ms, 1200 ms.
func millis(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond)/time.Millisecond)
}
