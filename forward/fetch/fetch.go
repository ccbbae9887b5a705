// Package fetch brings what a [rules.Match] means: from the cache while it is fresh, else from the source that is likely
// to be fastest and whose bytes an authority vouches for, else, when nobody answers, the last good copy.
//
//	answer, err := fetcher.Fetch(ctx, fetch.Request{Match: m})
//	defer answer.Body.Close()
//
// Equal requests are merged into one fill, which outlives the client that began it; every waiter reads from the same
// spool, at its own pace, and gets the same bytes or the same error. No waiter sees the end of a body before
// cache.Writer.Commit has checked the digest.
package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"hither/cache"
	"hither/cache/digest"
	"hither/forward/lanes"
	"hither/forward/measure"
	"hither/forward/notary"
	"hither/forward/redirect"
	"hither/forward/split"
	"hither/forward/spool"
	"hither/rules"
)

// ErrPass says that this request is not for a cache: send it to the origin as it came.
var ErrPass = errors.New("not for the cache")

// FarError is an [ErrPass] that the same request, without Offset and Upto, does not get.
type FarError struct {
	Trail *redirect.Trail // where the origin sends whoever wants these bytes; nil: that is not known
}

func (*FarError) Error() string { return "its client would have to wait long: " + ErrPass.Error() }

// Unwrap is for errors.Is.
func (*FarError) Unwrap() error { return ErrPass }

// Request is one client's wish.
type Request struct {
	rules.Match
	// Claim is the digest the client expects (npm's Pacote-Integrity); zero: it did not say.
	Claim digest.Digest
	// Doubtful says that the client showed credentials, so that the object may be private: the origin must have given
	// it to us, who have none, within the last hour before the cache or a mirror may. Otherwise ErrPass.
	Doubtful bool
	// Fresh asks the origin even if the copy is fresh; for what never changes it has no effect.
	Fresh bool
	// Head says that the client wants no body. What is large and not kept is then not fetched for it.
	Head bool
	// KeptOnly asks for what is in the cache and nothing else; ErrPass if it is not there.
	KeptOnly bool
	// Offset is the first byte the client wants. If that is far behind what has arrived, the answer is FarError: a client
	// that waits for it in silence would give up. The fill goes on.
	Offset int64
	// Upto is behind the last byte the client wants; 0: it wants all. It is not given that byte before the whole is checked. If
	// much is missing then, the answer is FarError, too.
	Upto int64
	// Part is how many bytes the client wants, if it says Upto; 0: nobody knows. If they are few, and it would wait for more than a
	// moment, the answer is FarError as well.
	Part int64
	// Client is who asks; nil: Hither itself, or nobody knows.
	Client *Client
	// Agent is what the client calls itself, its User-Agent; empty: it does not say.
	Agent string
	// Beside says that no client asks for this, but a notary who is to vouch for something else.
	Beside bool
	// Ahead says that nobody waits for this yet: it is a guess of what a client will ask for. It gives way to what clients
	// wait for, and Trace is not told of it until one does.
	Ahead bool
	// Arrived is called once when all bytes are here, which may be long before an authority has named them, or when the fill
	// has failed; only with Ahead, and not if the cache has it. It must not block. nil: nobody wants to know.
	Arrived func()
	// Accepts says whether the client can read a media type; nil: any. ErrPass if it cannot read what is kept.
	Accepts func(mediaType string) bool

	proof *proof // by which the origin gave it to everybody a moment ago; nil: it was not asked for this request
}

// Client is the other end of a connection, of which many requests may come.
type Client struct {
	From netip.AddrPort  // its end; zero: unknown
	To   netip.AddrPort  // ours
	Gone <-chan struct{} // closed when the connection is; nil: never
}

// Answer is what a client gets. Its Body must be closed.
type Answer struct {
	Status int         // 200, or 404 or 410 if the origin said so
	Header http.Header // Content-Type, validators, and what else the origin sent that a client may need; the caller owns it
	Size   int64       // of Body; -1 while it is not known
	ETag   string      // quoted; ours if a digest pins the bytes, else the origin's; may be empty
	Body   io.ReadSeekCloser
	Report Report
}

// State tells how the cache took part. Cache-Status says it in the words of RFC 9211.
type State string

const (
	Hit         State = "hit"         // from the cache, without asking anybody
	Revalidated State = "revalidated" // from the cache, after the origin said it is still right
	Miss        State = "miss"        // fetched for this request
	Merged      State = "merged"      // fetched for an equal request that was under way
	Refreshing  State = "refreshing"  // from the cache although a little too old; a new one is asked for, and nobody waits for it
	Stale       State = "stale"       // from the cache although too old, because nobody answered
	Negative    State = "negative"    // the origin does not have it
	Local       State = "local"       // Hither's own answer
)

// Report is the reasons behind an answer: what Cache-Status, the log and `hither why` tell.
type Report struct {
	Name    cache.Name    `json:"name"`
	Rule    string        `json:"rule"`
	State   State         `json:"state"`
	Source  string        `json:"source,omitempty"`  // base URL that sent the bytes, now or when they were stored
	Vouched string        `json:"vouched,omitempty"` // who named the bytes; empty: the origin's TLS alone
	Digest  digest.Digest `json:"digest,omitempty"`
	Age     time.Duration `json:"age"`             // since the origin last confirmed them
	Saved   time.Duration `json:"saved,omitempty"` // what the transfer took that this hit did not need
	Bytes   int64         `json:"bytes"`           // of body; -1 if not known yet
	Tries   []Try         `json:"tries,omitempty"` // the upstreams asked for this answer, in order
	When    time.Time     `json:"when"`
	Err     string        `json:"error,omitempty"`
}

// Try is one upstream that was asked.
type Try struct {
	Base    string          `json:"base"`
	URL     string          `json:"url"`
	Outcome measure.Outcome `json:"outcome"`
	Status  int             `json:"status,omitempty"`
	Wait    time.Duration   `json:"wait"` // to the first byte
	Took    time.Duration   `json:"took"`
	Bytes   int64           `json:"bytes"`
	Err     string          `json:"error,omitempty"`
	Origin  bool            `json:"origin,omitempty"`
	Limits  http.Header     `json:"-"` // what an origin that refused says of its limits

	began time.Time
	late  bool // it was us who ended it, for want of bytes
}

// Trace watches. Nil functions are not called; they must not block.
type Trace struct {
	Asked    func(Request)         // a client asks; its answer is still to come
	Missed   func(Request)         // the cache alone cannot answer, a client or a guess: sources will be asked
	Answered func(Request, Report) // a client got its answer, perhaps not yet its last byte
	Waits    func(Request, error)  // what is asked for waits for the network: nobody who has it, or the rest, can be connected to, for which reason
	Filled   func(Report)          // a fill ended: committed, or failed for all its readers (Err)
}

// Board says whom to ask first; measure.Board is one.
type Board interface {
	Add(measure.Sample)
	Order(bases []string, o measure.Object) []string
	// Resting says that an upstream failed lately, and should wait behind the others of a fixed order.
	Resting(base string) bool
	// Late is the wait that nine of ten answers of an upstream stay below; 0: not known.
	Late(base string, c measure.Class) time.Duration
	// Rate is the usual goodput of an upstream in bytes a second; 0: not known.
	Rate(base string) float64
}

// Hedger says whether one more source may be asked beside one that is late; measure.Hedger is one.
type Hedger interface {
	Earn()         // a source was asked
	Take() bool    // may another be asked beside it?
	Won()          // that one was faster
	Extra(n int64) // so many bytes of the slower one came for nothing
}

// Fetcher is set up once and then used from many goroutines. Close ends the fills that are under way.
type Fetcher struct {
	Store     cache.Store
	Board     Board
	Notaries  map[string]notary.Notary // by the name that rule files use
	Inspector notary.Inspector         // looks at what no notary names before it is kept; nil: nobody does
	Transport http.RoundTripper        // follows redirects inside
	Bearer    http.RoundTripper        // the same, with anonymous tokens, for rules with auth = "bearer"; nil: Transport
	// Connect makes connections to a source ahead, the common one and so many lanes: transport.Pool.Warm. It may take long.
	// nil: none are made.
	Connect func(ctx context.Context, base string, lanes int) error
	// Reach says whether a source can be connected to now, by a connection of its own: dial.Dialer.Reach. It wraps ErrInVain where to wait
	// would not help. nil: nothing waits for a network that is away.
	Reach   func(ctx context.Context, base string) error
	Hedge   Hedger                   // nil: as often as somebody is late
	Private []string                 // patterns of subjects that never reach a mirror
	Parts   func(rules.Match) []Part // what else begins with the bytes of a match, the likeliest first; nil: nothing does
	// Lacks says that somebody is known to want what a kept copy, which would do by its age, does not tell of. nil: nobody knows.
	Lacks func(ctx context.Context, req Request, kept Copy) bool
	// Came is told of a document that was changed lately, before anybody has the end of it. nil: nobody wants to know.
	Came  func(m rules.Match, document []byte)
	Trace Trace
	Now   func() time.Time // nil: time.Now

	Ahead split.Memory // bounds the parts of large bodies that come before their turn
	Over  spool.Room   // bounds what fills hold in memory for want of a disk

	flights flights
	gone    memory[negative]    // what the origin said it does not have
	tired   memory[struct{}]    // names of which nobody had a new copy a moment ago
	guessed memory[time.Time]   // of names that only a guess brought, when what a client would have without it was confirmed; zero: nothing
	public  memory[struct{}]    // subjects the origin gave to us, who have no credentials
	closed  memory[string]      // subjects of which it refused us this name; empty: one that nobody asked for with credentials
	doubted memory[struct{}]    // names of which the origin sent what the authority did not confirm
	meant   memory[cache.Entry] // what a HEAD said that a name means, whose bytes are not here yet
	aliases memory[string]      // that name, by the one that holds the digest
	changed memory[time.Time]   // when a client last changed something of a subject
	silent  memory[int]         // origins, or their stores, that did not answer a HEAD, and how often in a row
	sizes   memory[sizes]       // of what a rule's path brought
	slots   slots
	absence absence
	probes  singleflight.Group // whether sources can be connected to, by base
	spread  lanes.Spread
	met     memory[struct{}] // sources that were connected to ahead
	owners  memory[struct{}] // origins that sent a body themselves, though their rule knows of stores
	splits  atomic.Int64     // bodies that come in parts now
	planned atomic.Int64     // bytes of large bodies that are being stored, when they are whole
	unheard atomic.Int64     // fills that asked for bytes before a notary that pins has named them
}

// Fetch answers a request, or returns an error wrapping ErrPass, a *Failure, or ctx's error.
func (f *Fetcher) Fetch(ctx context.Context, req Request) (*Answer, error) {
	if req.Path.Keep == rules.Never || req.Private(f.Private) {
		return nil, ErrPass
	}
	if f.Trace.Asked != nil && !req.Ahead {
		f.Trace.Asked(req)
	}
	if req.Doubtful {
		var err error
		if req, err = f.prove(ctx, req); err != nil {
			return nil, err
		}
	}
	kept, err := f.lookup(ctx, req)
	if err != nil {
		return nil, err
	}
	if kept.fresh && req.asksWhere() {
		if answer, err := f.headOnly(ctx, req, kept); answer != nil || err != nil {
			kept.close()
			return f.told(req, answer, err)
		}
	}
	switch {
	case kept.fresh:
		return f.finish(req, kept.answer(Hit))
	case kept.usable && !req.KeptOnly && !f.rests(req) && f.refresh(req, kept):
		return f.finish(req, kept.answer(Refreshing))
	case (req.KeptOnly || kept.usable && f.rests(req)) && kept.blob != nil:
		return f.finish(req, kept.answer(Stale))
	case req.KeptOnly:
		return nil, ErrPass
	}
	f.miss(req)
	if req.Head && req.Path.Keep == rules.Forever {
		if answer, err := f.headOnly(ctx, req, kept); answer != nil || err != nil {
			kept.close()
			return f.told(req, answer, err)
		}
	}
	answer, err := f.wait(ctx, req, kept)
	if failure := (*Failure)(nil); errors.As(err, &failure) {
		if part := f.part(ctx, req, failure); part != nil {
			return f.finish(req, part)
		}
	}
	return f.told(req, answer, err)
}

// told is finish for what may have failed.
func (f *Fetcher) told(req Request, a *Answer, err error) (*Answer, error) {
	if err != nil {
		return nil, err
	}
	return f.finish(req, a)
}

func (f *Fetcher) miss(req Request) {
	if f.Trace.Missed != nil {
		f.Trace.Missed(req)
	}
}

// finish is the last look at every answer.
func (f *Fetcher) finish(req Request, a *Answer) (*Answer, error) {
	mediaType := a.Header.Get("Content-Type")
	if a.Status == http.StatusOK && req.Accepts != nil && mediaType != "" && !req.Accepts(mediaType) {
		a.Body.Close()
		return nil, ErrPass
	}
	a.Report.Name = cache.Name(req.Name)
	a.Report.Rule = req.Rule.Name
	a.Report.When = f.now()
	a.Report.Bytes = a.Size
	if !req.Ahead {
		f.demanded(req, a.Report.State)
	}
	if f.Trace.Answered != nil && !req.Ahead {
		f.Trace.Answered(req, a.Report)
	}
	return a, nil
}

// Document reads a small thing whole; it is what notaries ask with (notary.Fetch). With fresh, the origin is asked even for
// what cannot change: a notary that found a kept record damaged has no other way to a right one.
func (f *Fetcher) Document(ctx context.Context, m rules.Match, fresh bool) ([]byte, error) {
	if fresh && m.Path.Keep == rules.Forever {
		if err := f.Store.Forget(ctx, cache.Name(m.Name)); err != nil {
			return nil, err
		}
	}
	return f.document(ctx, Request{Match: m, Fresh: fresh, Beside: true})
}

// Kept is Document for what the cache has, however old. It asks nobody.
func (f *Fetcher) Kept(ctx context.Context, m rules.Match) ([]byte, error) {
	return f.document(ctx, Request{Match: m, KeptOnly: true, Beside: true, Ahead: true})
}

func (f *Fetcher) document(ctx context.Context, req Request) ([]byte, error) {
	a, err := f.Fetch(ctx, req)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	if a.Status != http.StatusOK {
		return nil, notary.ErrGone
	}
	body, err := io.ReadAll(io.LimitReader(a.Body, maxDocument+1))
	if err == nil && len(body) > maxDocument {
		err = errors.New("the document is larger than 256 MiB, which none of this kind is")
	}
	return body, err
}

// Close ends all fills and waits for them. Readers of unfinished bodies get an error.
func (f *Fetcher) Close() { f.flights.close() }

func (f *Fetcher) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

func (f *Fetcher) carrier(r *rules.Rule) http.RoundTripper {
	if r.Auth == "bearer" && f.Bearer != nil {
		return f.Bearer
	}
	return f.Transport
}

// maxDocument bounds what is read into memory for a notary. The largest npm packuments have 100 MB.
const maxDocument = 256 << 20
