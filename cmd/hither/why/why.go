// Package why explains what Hither does with a URL: the rule, who names the bytes, what is kept, and who sends them.
package why

import (
	"time"

	"hither/cache"
	"hither/cmd/hither/mirrors"
	"hither/forward/fetch"
	"hither/forward/measure"
)

// Explanation is the answer to `hither why URL`: what a request for it means, what is kept for it, and where the bytes
// came from when it was last asked for.
type Explanation struct {
	URL     string          `json:"url"`               // as it was asked, redacted
	Rule    *RulePart       `json:"rule,omitempty"`    // nil: no path of a rule speaks of it
	Note    string          `json:"note,omitempty"`    // what happens to it without a rule; empty if there is one
	Private string          `json:"private,omitempty"` // the pattern that keeps it from mirrors; empty: none
	Cached  *cache.Entry    `json:"cached,omitempty"`  // nil: nothing is kept
	Present bool            `json:"present"`           // the blob of Cached is here
	Fresh   bool            `json:"fresh"`             // Cached may be served without asking anybody
	Last    *fetch.Report   `json:"last,omitempty"`    // the last answer while this Hither runs; nil: not asked for
	Choice  *mirrors.Choice `json:"choice,omitempty"`  // whom speed says to ask first; nil: there is but one source
	Sources []Source        `json:"sources,omitempty"` // who would be asked now, in this order
	Lines   []string        `json:"lines"`             // the same as Sentences; filled in by the control socket
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

// Source is a URL that would be asked.
type Source struct {
	URL    string `json:"url"`
	Origin bool   `json:"origin"`
	Why    string `json:"why"` // why it stands at this place: "p50 TTFB 48 ms over 212 requests, 21.0 MB/s"

	State  measure.State `json:"state,omitempty"`  // how the upstream stands; empty: nothing is known of it
	Pinned bool          `json:"pinned,omitempty"` // the user wants it first
	Hole   bool          `json:"hole,omitempty"`   // it did not have this object lately
	Behind bool          `json:"behind,omitempty"` // it lacks the origin's newest entry
}
