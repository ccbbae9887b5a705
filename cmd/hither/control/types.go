package control

import (
	"time"

	"hither/cache"
	"hither/forward/fetch"
	"hither/forward/measure"
	"hither/forward/prefetch"
	"hither/install/sysdns"
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
	Run      bool      `json:"run,omitempty"`      // a `hither run` has started it, which ends it, too

	DNS         []string    `json:"dns,omitempty"`         // ADDRESS:PORT where names are answered; none: nowhere
	DNSMode     sysdns.Mode `json:"dns_mode,omitempty"`    // which names of the machine are led there; empty: none by us
	Transparent []string    `json:"transparent,omitempty"` // ADDRESS:PORT of the doors for programs that know nothing of us
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
	Waiting   int                   `json:"waiting,omitempty"`  // requests and downloads that wait for this machine's network, which is away; 0: none do
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
	Trouble   string                `json:"trouble,omitempty"`   // what of DNS, doors, this machine and the cache is not as `hither install` or the settings want it; empty: nothing
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
