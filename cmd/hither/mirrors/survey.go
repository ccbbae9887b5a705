// Package mirrors measures the sources of rules side by side, shows people and programs how they do, and keeps what the user
// decided about them.
//
// A Surveyor makes a Survey, which Table, PrintCSV or its JSON show; HeatMap shows what traffic met. Decide does a Change to the
// choices in the state directory.
package mirrors

import (
	"time"

	"hither/forward/measure"
)

// schema is in every Survey. A new number says that a field means something else; new fields alone do not raise it.
const schema = 1

// Survey is what `hither mirrors --json` prints. Times are RFC 3339, durations nanoseconds, rates bytes a second.
type Survey struct {
	Schema   int           `json:"schema"`   // 1
	When     time.Time     `json:"when"`     // when it began
	Took     time.Duration `json:"took"`     //
	Count    int           `json:"count"`    // measurements asked for, of each upstream and protocol
	Interval time.Duration `json:"interval"` // between the beginnings of two of them
	Daemon   bool          `json:"daemon"`   // the running Hither measured, so verdicts know its traffic; false: the command did
	Rules    []SurveyRule  `json:"rules"`    // by name
}

// SurveyRule is what was found of one rule.
type SurveyRule struct {
	Rule      string           `json:"rule"`
	Measured  bool             `json:"measured"`         // false: the rule has no [probe]; Note says so
	Working   bool             `json:"working"`          // at least one upstream answered rightly
	Choice    *Choice          `json:"choice,omitempty"` // whom the next request asks first; nil: none works
	Note      string           `json:"note,omitempty"`
	Upstreams []SurveyUpstream `json:"upstreams"` // by whom to ask first; behind them those that are off
}

// SurveyUpstream is one origin or mirror of a rule.
type SurveyUpstream struct {
	Base     string        `json:"base"`
	Origin   bool          `json:"origin"`
	Off      string        `json:"off,omitempty"`    // why it is not used, and was not measured; empty: it is used
	Pinned   bool          `json:"pinned,omitempty"` // asked first because the user said so
	Chosen   bool          `json:"chosen"`           // it is the Choice of its rule
	Verdict  string        `json:"verdict"`          // why it stands at its place, in words
	Measured []Measurement `json:"measured,omitempty"`
}

// Measurement is how one upstream did over one protocol. The statistics are of the right answers alone.
type Measurement struct {
	Proto    string         `json:"proto"`             // asked for: "h1", "h2", "h3"; "": as traffic, h2 if the server speaks it
	HTTP     string         `json:"http"`              // spoken in right answers: "h1", "h2", "h3"; "": there were none
	Count    int            `json:"count"`             // how often it was measured; fewer than asked for if it wants to be left alone
	OK       int            `json:"ok"`                // of these, right answers
	Success  float64        `json:"success"`           // OK/Count; 0 if Count is
	DNS      *Stats         `json:"dns,omitempty"`     // looking the name up; nil for an address
	Connect  *Stats         `json:"connect,omitempty"` // TCP; nil for h3
	TLS      *Stats         `json:"tls,omitempty"`     // the handshake, for h3 that of QUIC; nil for plain HTTP
	Wait     *Stats         `json:"ttfb,omitempty"`    // from the request, sent, to the first byte of the answer
	Total    *Stats         `json:"total,omitempty"`   // from the beginning to the last byte; not less than the sum of the others
	Rate     float64        `json:"rate,omitempty"`    // usual goodput of larger bodies: of these if they are large, else of traffic; 0: not known
	Newest   string         `json:"newest"`            // "current", "behind" or "unknown": its newest entry against the origin's
	Entry    string         `json:"entry,omitempty"`   // the newest entry that it names
	Origins  string         `json:"origins,omitempty"` // the newest entry that the origin names, if this one is behind
	Outcomes map[string]int `json:"outcomes"`          // how the measurements ended: "ok", "missing", "web page", "not spoken", …
	Addr     string         `json:"addr,omitempty"`    // where it was the last time
	Err      string         `json:"error,omitempty"`   // of the last measurement that failed
}

// Stats are the statistics of one phase.
type Stats struct {
	Count int           `json:"count"`
	Min   time.Duration `json:"min"`
	P50   time.Duration `json:"p50"` // by nearest rank: a value that was measured, at least half of them are not above it
	P95   time.Duration `json:"p95"` // likewise; with fewer than 20 measurements it is Max
	Max   time.Duration `json:"max"`
	SD    time.Duration `json:"sd"` // standard deviation of a sample (n-1); 0 of one measurement
}

// Choice is whom Hither asks first, and why. Times are of first bytes, over the last 24 hours.
type Choice struct {
	Base     string        `json:"base"`
	Origin   bool          `json:"origin"`
	Pinned   bool          `json:"pinned,omitempty"` // because the user said so
	Class    string        `json:"class"`            // of objects: "small", "medium", "large"
	Reason   string        `json:"reason"`           // "p50 TTFB 38 ms over 212 requests"
	P50      time.Duration `json:"p50,omitempty"`    // 0: not known
	Requests int           `json:"requests"`
	RunnerUp string        `json:"runner_up,omitempty"` // who would be asked next; empty: nobody
	Then     time.Duration `json:"runner_up_p50,omitempty"`
	Official time.Duration `json:"origin_p50,omitempty"` // of the origin, if it is neither; 0: not known
}

// SurveyLine is a line of a survey under way. The last has Survey or Err; one without anything only says that we are there.
type SurveyLine struct {
	Done   int             `json:"done"`  // measurements so far
	Total  int             `json:"total"` // of so many
	Rule   string          `json:"rule,omitempty"`
	Proto  string          `json:"proto,omitempty"` // asked for, of Result
	Result *measure.Result `json:"result,omitempty"`
	Survey *Survey         `json:"survey,omitempty"`
	Err    string          `json:"error,omitempty"`

	Unknown bool `json:"unknown,omitempty"` // Err says that the user named something that is not there
}

// History is what is kept of one upstream's last day, for `hither mirrors --heat`.
type History struct {
	Rule   string     `json:"rule"`
	Base   string     `json:"base"`
	Origin bool       `json:"origin"`
	Slots  []TimeSlot `json:"slots,omitempty"` // the oldest first; those without requests are left out
}

// TimeSlot is five minutes of traffic.
type TimeSlot struct {
	Time     time.Time     `json:"time"` // its beginning
	Requests int           `json:"requests"`
	Failures int           `json:"failures"`
	Wait     time.Duration `json:"wait,omitempty"` // mean time to the first byte; 0: none came
}

// Change is what a user decides with `hither mirrors set`, `off` or `on`.
type Change struct {
	Verb   string `json:"verb"`             // "set", "off" or "on"
	Rule   string `json:"rule,omitempty"`   // for set
	URL    string `json:"url"`              // a base, its host, or a part that only one has; "auto" for set
	Reason string `json:"reason,omitempty"` // for off; empty: none was given
}
