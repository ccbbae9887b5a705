package main

import (
	"time"

	"hither/cache"
	"hither/forward/fetch"
	"hither/forward/measure"
	"hither/forward/prefetch"
	"hither/install"
)

// Ready tells others where a running Hither is. It is what STATE/hither.json holds while it runs, what `hither up --json`
// prints, and the answer to GET /ready on the control socket.
type Ready struct {
	PID      int       `json:"pid"`
	Version  string    `json:"version"`
	Since    time.Time `json:"since"`
	Proxy    []string  `json:"proxy"`              // HOST:PORT as bound, at least one
	Control  string    `json:"control"`            // the control socket's path, or the pipe's name
	State    string    `json:"state"`              // the state directory
	CA       string    `json:"ca"`                 // PEM file with our root, and nothing else
	Upstream string    `json:"upstream,omitempty"` // proxy on the way out, without userinfo; empty: none

	DNS         []string     `json:"dns,omitempty"`         // ADDRESS:PORT where names are answered; none: nowhere
	DNSMode     install.Mode `json:"dns_mode,omitempty"`    // which names of the machine are led there; empty: none by us
	Transparent []string     `json:"transparent,omitempty"` // ADDRESS:PORT of the doors for programs that know nothing of us
}

// Status is what `hither status --json` prints. Times are RFC 3339, durations nanoseconds, amounts bytes; all counts
// begin when Hither was started.
type Status struct {
	Ready     Ready                 `json:"ready"`
	Now       time.Time             `json:"now"`
	Requests  map[fetch.State]int64 `json:"requests"`           // of clients, answered, by the part the cache took
	Passed    int64                 `json:"passed"`             // requests to hosts in a rule that were sent to the origin as they came
	Tunnels   int64                 `json:"tunnels"`            // connections to hosts in no rule, and plain requests to them
	Failures  int64                 `json:"failures"`           // requests that ended with our own 5xx, or broke; they are counted here alone
	Served    int64                 `json:"served"`             // bytes sent to clients
	Saved     int64                 `json:"saved"`              // of these, bytes that did not have to be fetched
	TimeSaved time.Duration         `json:"time_saved"`         // what fetching those had taken before
	Fetched   int64                 `json:"fetched"`            // bytes of bodies that upstreams sent us
	Extra     int64                 `json:"extra"`              // of these, bytes of probes, of sources that others outran, and of parts that came twice
	Hedges    measure.Hedges        `json:"hedges"`             // sources that were asked because another was late
	Prefetch  []prefetch.Line       `json:"prefetch,omitempty"` // what was fetched ahead of clients, by rule and reason, and what became of it
	Cache     cache.Usage           `json:"cache"`
	Upstreams []Upstream            `json:"upstreams,omitempty"` // by rule, then the good ones, fast before slow
	Errors    []Failure             `json:"errors,omitempty"`    // the last ones, newest first; at most 20
	Rules     string                `json:"rules,omitempty"`     // what is wrong with the rule files now; empty: nothing
	Trouble   string                `json:"trouble,omitempty"`   // what of DNS, doors and this machine is not as `hither install` or the settings want it; empty: nothing
}

// Upstream is how one origin or mirror stands.
type Upstream struct {
	Rule     string        `json:"rule"`
	Base     string        `json:"base"`
	Origin   bool          `json:"origin"`
	Requests int64         `json:"requests"`        // ours, those for authorities among them
	Failures int64         `json:"failures"`        // of these; not to have a thing is none
	Wait     time.Duration `json:"wait,omitempty"`  // usual time to the first byte; 0: not known
	Speed    int64         `json:"speed,omitempty"` // usual bytes a second of larger bodies; 0: not known
	Note     string        `json:"note,omitempty"`  // why it stands where it stands: "sent wrong bytes; asked last for another 3h0m0s"; empty: nothing to say
}

// Failure is an error that a client met.
type Failure struct {
	When time.Time `json:"when"`
	URL  string    `json:"url"` // redacted
	Err  string    `json:"error"`
}

// Explanation is the answer to `hither why URL`: what a request for it means, what is kept for it, and where the bytes
// came from when it was last asked for.
type Explanation struct {
	URL     string              `json:"url"`               // as it was asked, redacted
	Rule    *RulePart           `json:"rule,omitempty"`    // nil: no path of a rule speaks of it
	Note    string              `json:"note,omitempty"`    // what happens to it without a rule; empty if there is one
	Private string              `json:"private,omitempty"` // the pattern that keeps it from mirrors; empty: none
	Cached  *cache.Entry        `json:"cached,omitempty"`  // nil: nothing is kept
	Present bool                `json:"present"`           // the blob of Cached is here
	Fresh   bool                `json:"fresh"`             // Cached may be served without asking anybody
	Last    *fetch.Report       `json:"last,omitempty"`    // the last answer while this Hither runs; nil: not asked for
	Choice  *Choice             `json:"choice,omitempty"`  // whom speed says to ask first; nil: there is but one source
	Sources []ExplanationSource `json:"sources,omitempty"` // who would be asked now, in this order
	Lines   []string            `json:"lines"`             // the same as sentences; filled in by the control socket
}

// RulePart is the part of a rule file that decides.
type RulePart struct {
	Rule    string        `json:"rule"`
	File    string        `json:"file"` // path of the user's own file, or "built-in go.toml"
	Line    int           `json:"line"` // of the path in File
	Pattern string        `json:"pattern"`
	Keep    time.Duration `json:"keep"`             // 0: never, -1: for ever (rules.Keep)
	From    string        `json:"from"`             // "origin", "any" or "quorum"
	Notary  string        `json:"notary,omitempty"` // empty: the origin's TLS alone
	Why     string        `json:"why,omitempty"`    // the rule's reason for From without a notary
	Subject string        `json:"subject,omitempty"`
	Name    string        `json:"name"` // the cache's name for it
}

// ExplanationSource is a URL that would be asked.
type ExplanationSource struct {
	URL    string `json:"url"`
	Origin bool   `json:"origin"`
	Why    string `json:"why"` // why it stands at this place: "p50 TTFB 48 ms over 212 requests, 21.0 MB/s"

	State  measure.State `json:"state,omitempty"`  // how the upstream stands; empty: nothing is known of it
	Pinned bool          `json:"pinned,omitempty"` // the user wants it first
	Hole   bool          `json:"hole,omitempty"`   // it did not have this object lately
	Behind bool          `json:"behind,omitempty"` // it lacks the origin's newest entry
}

// Verification is how far a check of every kept blob has come. Lines of it are streamed until Done.
type Verification struct {
	Blobs   int64    `json:"blobs"`             // looked at so far
	Bytes   int64    `json:"bytes"`             // read so far
	Damaged []string `json:"damaged,omitempty"` // digests that did not hold and were removed, the first 100
	Lost    int64    `json:"lost"`              // how many did not hold
	Done    bool     `json:"done"`
	Err     string   `json:"error,omitempty"` // why it ended early; empty: it did not
}

// Removal is what was taken out of the cache. Bytes return to the disk a little later.
type Removal struct {
	Names int64 `json:"names"`
	Bytes int64 `json:"bytes"`
}

// surveySchema is in every Survey. A new number says that a field means something else; new fields alone do not raise it.
const surveySchema = 1

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

// ChoiceChange is what a user decides with `hither mirrors set`, `off` or `on`.
type ChoiceChange struct {
	Verb   string `json:"verb"`             // "set", "off" or "on"
	Rule   string `json:"rule,omitempty"`   // for set
	URL    string `json:"url"`              // a base, its host, or a part that only one has; "auto" for set
	Reason string `json:"reason,omitempty"` // for off; empty: none was given
}
