package measure

import (
	"fmt"
	"time"
)

// Outcome is how one transfer ended. In JSON it is its word.
type Outcome int

const (
	OK         Outcome = iota // all bytes came and were right
	Missing                   // the upstream does not have the object: a hole, which says nothing about its health
	Refused                   // 401, 403, 451 and other 4xx
	Limited                   // 429, or 503 with Retry-After: it asks us to wait
	Page                      // a web page instead of the thing: a ban, a captive portal, a login it redirected to
	Broken                    // no connection, a 5xx
	Stalled                   // it did not answer, or its body stood still, for longer than we wait
	Short                     // the body was shorter or longer than announced, or another range than we asked for
	Outdated                  // an older answer than the origin's
	WrongBytes                // the digest did not match
	Canceled                  // we ended it for reasons of our own; only Wait counts, and only if it was answered
	Outrun                    // another source was faster, so we ended it; Took is how long it needed at least
)

// words are said to people and to programs.
var words = [...]string{
	OK: "ok", Missing: "missing", Refused: "refused", Limited: "limited", Page: "web page", Broken: "broken", Stalled: "stalled",
	Short: "wrong length", Outdated: "outdated", WrongBytes: "wrong bytes", Canceled: "canceled", Outrun: "outrun",
}

// String says the outcome in a word or two, for people.
func (o Outcome) String() string {
	if o < 0 || int(o) >= len(words) {
		return "unknown outcome"
	}
	return words[o]
}

// MarshalText implements encoding.TextMarshaler.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *Outcome) UnmarshalText(text []byte) error {
	for i, word := range words {
		if word == string(text) {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no outcome", text)
}

// Failed says that it was the upstream's fault.
func (o Outcome) Failed() bool {
	switch o {
	case OK, Missing, Canceled, Outrun:
		return false
	}
	return true
}

// Sample is one transfer as it was seen. Board.Add takes them, from real traffic first.
type Sample struct {
	Base       string        // the upstream (rules.Source.Base)
	Name       string        // the object; empty: not told, so that a hole cannot be remembered
	Size       int64         // of the whole object in bytes, which decides the class; 0: not known, Bytes decides
	When       time.Time     // when it began; zero: it ended just now
	Outcome    Outcome       //
	Wait       time.Duration // from the request to the first byte of the answer; 0 if none came
	Took       time.Duration // from the request to the end
	Bytes      int64         // of body received
	RetryAfter time.Duration // for how long it asked to be left alone (RFC 9110, section 10.2.3); 0: it did not
	Extra      int64         // of Bytes, those that were thrown away because another source was faster
	Probe      bool          // our own question, which tells less than traffic
}
