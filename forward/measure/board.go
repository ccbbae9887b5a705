// Package measure knows how fast and how reliable each upstream was, and says whom to ask first.
//
// A [Board] learns only from real transfers, which are handed to [Board.Add]. It sends nothing itself. [Board.Order] sorts
// the upstreams of one object by what they did lately, and changes its mind slowly, so that connections stay warm.
package measure

import "time"

// Outcome is how one transfer ended.
type Outcome int

const (
	OK         Outcome = iota // all bytes came and were right
	Missing                   // the upstream does not have the object; says nothing about its health
	Refused                   // 403, 429, 451, a login page, HTML instead of the thing
	Broken                    // no connection, a 5xx, a stall, a short body
	WrongBytes                // the digest did not match
	Canceled                  // we stopped it; only Wait counts, and only if it was answered
)

// String says the outcome in a word or two, for people.
func (o Outcome) String() string {
	switch o {
	case OK:
		return "ok"
	case Missing:
		return "missing"
	case Refused:
		return "refused"
	case Broken:
		return "broken"
	case WrongBytes:
		return "wrong bytes"
	case Canceled:
		return "canceled"
	}
	return "unknown outcome"
}

// Sample is one transfer as it was seen. Board.Add takes them from real traffic.
type Sample struct {
	Base    string        // the upstream (rules.Source.Base)
	When    time.Time     // when it began; zero: it ended just now
	Outcome Outcome       //
	Wait    time.Duration // from the request to the first byte of the answer; 0 if none came
	Took    time.Duration // from the request to the end
	Bytes   int64         // of body received
}
