// Package rules reads the rule files and says what a request means. It does no I/O beyond the file systems it is handed.
//
// A rule file is one registry as data: its hosts, its mirrors, and for each kind of path how long it may be kept, who
// vouches for its bytes and who may send them. [Load] makes a [Set] of them; [Set.Match] turns a host and a URL into a
// [Match], whose name is the same for every spelling of the same thing.
package rules

import (
	"net/url"
	"time"

	"hither/cache/digest"
)

// Rule is one registry, read from one file.
type Rule struct {
	Name    string   // as in its first line; unique in a Set
	File    string   // where it was read, for messages
	Home    string   // where its protocol is described, for people
	Gateway string   // "/go": requests for our own address below it are for the first host; empty: no gateway
	NS      []string // values of ?ns= (containerd) that choose this rule among those with the same gateway
	Walk    string   // how its clients go from one request to the next: "go", "npm", "oci"; empty: nothing is asked for ahead
	Twin    string   // host of another rule, by which the same registry tells the same in documents of their own; empty: there is none
	Auth    string   // "bearer": upstreams hand out anonymous tokens (distribution-spec token flow); empty: none
	Hosts   []Host   // the first is the registry itself
	Mirrors []Mirror // in the order of the file
	Pin     string   // base URL that the user wants asked first, perhaps an origin's; empty: the fastest. Files cannot set it
	Probe   Probe    // zero: mirrors cannot be probed
	Paths   []Path   // tried in order, the first match decides

	line int  // of the name
	kept bool // the gateway is part of every pattern of the first host ("/v2"), so it stays in the path
}

// Host is a name that clients ask and that we answer for. A later host with neither a prefix nor paths of its own is
// another name of the first (index.docker.io): what is asked of it is matched, named and fetched as the first's.
type Host struct {
	Name   string   // lower case; with :PORT if it is not the scheme's own
	Prefix string   // the path below which the first host and the mirrors serve this host too; empty: at the root
	Origin []string // base URLs to ask for it, in order; default https://NAME. The first that answers decides.
	Offers []string // what it speaks although it may not say so: "h3"
	Tokens []string // base URLs of who gives tokens for it, to be connected to ahead; it names them itself when asked
	Stores []string // base URLs of where it sends clients for large bodies, to be connected to ahead; empty: it sends them itself
	// Realm and Service are how it will say where tokens are had (WWW-Authenticate), so that one can be asked for before it
	// says so. What it says itself counts. Empty Realm: nobody foretells.
	Realm, Service string
	Key            string // verifier key of a checksum database (golang.org/x/mod/sumdb/note); empty: it is none

	line int // in the rule file
	same int // index of the host that this one is another name of; its own index otherwise
}

// Mirror is a stranger's server that has the same bytes, perhaps.
type Mirror struct {
	URL      string   // base, without a slash at the end
	Operator string   // who runs it, if others of the file under other domains are the same one's; empty: its domain tells
	Off      string   // why it is not used; empty: it is used
	Offers   []string // what it speaks although it may not say so: "h3"
}

// Probe is what to ask a mirror for when nobody else does. Paths are escaped, and on the mirror below its URL.
type Probe struct {
	Path   string        // a small object that every mirror must have
	Digest digest.Digest // of its bytes: sha256 or sha512; empty: any answer is as good as another, and only its time counts
	Why    string        // why there is no Digest
	Newest string        // a small document that changes often, by which a mirror shows how fresh it is; empty: there is none
	Field  string        // what names the newest entry in Newest, which is JSON: "version", or "dist-tags.latest" for a field in a field
}

// Keep tells for how long an answer may be served without asking the origin.
type Keep time.Duration

const (
	Never   Keep = 0  // not kept, not merged, sent to the origin as it came
	Forever Keep = -1 // cannot change: kept until it is evicted
)

// String is how a rule file says it.
func (k Keep) String() string {
	switch k {
	case Never:
		return "never"
	case Forever:
		return "forever"
	}
	return time.Duration(k).String()
}

// From tells who may send the bytes.
type From string

const (
	FromOrigin From = "origin" // only the origin
	FromAny    From = "any"    // a mirror too: needs a notary, or a why
	FromQuorum From = "quorum" // as any; and while the origin does not answer, two independent mirrors name the bytes in its place
)

// Path is one kind of thing a registry serves.
type Path struct {
	Pattern  string        // "/{module...}/@v/{version:semver}.zip"
	Host     string        // only on this host of the rule; empty: on the first
	Keep     Keep          // absent in the file: Never
	Stale    time.Duration // how much longer than Keep an old answer is good enough while a new one is asked for (RFC 5861, section 3); 0: not at all
	From     From          // absent in the file: FromOrigin
	Notary   string        // who vouches: "gosum", "path", "npm", "tag"; empty: the origin's TLS alone
	Early    string        // why what the origin itself sends may be handed on while the notary is still asked; it is kept only once that has spoken. Empty: it waits
	Why      string        // why From is any although nobody vouches
	Subject  string        // template of what private patterns are matched against: "{module}"
	Send     string        // template of the path to ask upstream, if it is not the normalised one
	Accept   []string      // media types to ask upstream for; empty: the variant's, if there is one
	Variants []string      // media types that are different documents under one URL, each cached by itself
	Answer   []string      // when we answer 200 ourselves: "always", "gateway" (asked by our own address), "offline" (no origin answers)
	Bulk     bool          // many bytes, which travel on connections of their own: small answers shall not wait behind them
	Type     string        // Content-Type the answer must begin with; a mirror that sends another did not send the thing

	Line int // in the rule file

	on      int // index of the host
	pattern pattern
	subject template
	send    template
	changes []template // paths of the same host that become old, too, when a client changes this one: "/{name}"
}

// Match is a request that a rule speaks of. It is a value; Vars is shared and must not be changed.
type Match struct {
	Rule    *Rule
	Host    *Host
	Path    *Path
	Vars    map[string]string // what the pattern's {names} matched, decoded
	Clean   string            // the normalised path on Host, escaped as it is sent upstream, without query
	Variant string            // which of Path.Variants; empty if there are none
	Name    string            // the cache's name for it: the same for every spelling of the same request
	Subject string            // the module, package or image it belongs to; empty if the path belongs to none
	Gateway bool              // it came by our own address
}

// Source is one URL that may have the bytes of a match.
type Source struct {
	Base   string // identifies the upstream: an origin's or a mirror's base URL
	URL    string // where this object is, there
	Origin bool   // it names as well as carries
}

// Set is all rules in force. It is immutable and safe for concurrent use.
type Set struct {
	rules []*Rule          // by name
	hosts map[string]*Rule // by hostKey
	gates []gate           // longest first
}

// Query is what a request said beside its host and path, as far as matching needs it.
type Query struct {
	URL    *url.URL // path and query; the host in it is not looked at
	Accept []string // the Accept header lines, in whatever order they came
}
