package warm

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hither/cache/digest"
	"hither/cmd/hither/amount"
	"hither/cmd/hither/redact"
	"hither/cmd/hither/terminal"
)

// schema is in every Report. A new number says that a field means something else; new fields alone do not raise it.
const schema = 1

// Report is what `hither warm --json` prints.
type Report struct {
	Schema      int              `json:"schema"`            // 1
	Objects     int              `json:"objects"`           // that are wanted; more come to be known while images are unfolded
	Already     int              `json:"already"`           // of these, were here before
	Fetched     int              `json:"fetched"`           // of these, came now and are here
	Skipped     map[string]int   `json:"skipped"`           // of these, left out, by reason: no_rule, private, never_kept, unnamed
	Failed      []Failure        `json:"failed"`            // of these, in the order of the failures
	Missing     []string         `json:"missing,omitempty"` // with --dry-run: URLs of what would be fetched
	Bytes       int64            `json:"bytes"`             // of the objects that are here
	FetchedSize int64            `json:"fetched_bytes"`     // of those that came now
	Sources     map[string]int64 `json:"sources"`           // bytes of these by the base URL that sent them
	TookMS      int64            `json:"took_ms"`
	Interrupted bool             `json:"interrupted"` // it was stopped before the end
}

// Failure is an object that is not here.
type Failure struct {
	URL  string `json:"url"`
	Err  string `json:"error"`
	Next string `json:"next"` // what the user can do
}

func (r Report) here() int { return r.Already + r.Fetched }

// HereInWords is the beginning of a sentence: "0 of 1 object is here".
func (r Report) HereInWords() string {
	verb := "are"
	if r.Objects == 1 || r.here() == 1 {
		verb = "is"
	}
	return fmt.Sprintf("%d of %s %s here", r.here(), amount.Count(int64(r.Objects), "object"), verb)
}

// NewTally begins now. What could not be read counts as an object that failed, and an image that has no name as one
// that is left out.
func NewTally(unread []Failure, unnamed int) *Tally {
	t := &Tally{Began: time.Now()}
	t.counts.Objects, t.counts.Failed = len(unread)+unnamed, slices.Clone(unread)
	if unnamed > 0 {
		t.counts.Skipped = map[string]int{skipUnnamed: unnamed}
	}
	return t
}

// Tally counts while the work goes on. Set Began before first use; its methods may be called at the same time.
type Tally struct {
	Began time.Time

	moving   atomic.Int64 // bytes that came of objects which are under way
	received atomic.Int64 // all bytes that came, also of tries that failed

	mu      sync.Mutex
	counts  Report
	ahead   int64          // bytes of objects that are not here yet, as far as it is known
	unsized map[string]int // by reason of the want: objects that are not here yet and of unknown size
	sized   map[string]int // by the same: objects that are here
	amount  map[string]int64
}

// expect takes new wants into the total.
func (t *Tally) expect(wants []Want) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.unsized == nil {
		t.unsized, t.sized, t.amount = map[string]int{}, map[string]int{}, map[string]int64{}
	}
	t.counts.Objects += len(wants)
	for _, w := range wants {
		if w.Size == 0 {
			t.unsized[w.Why]++
		}
		t.ahead += w.Size
	}
}

// learn notes a size that was not known before.
func (t *Tally) learn(w Want) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unsized[w.Why]--
	t.ahead += w.Size
}

// closeLocked takes a want out of what is still to come.
func (t *Tally) closeLocked(w Want) {
	if w.Size == 0 {
		t.unsized[w.Why]--
	}
	t.ahead -= w.Size
}

func (t *Tally) hereLocked(w Want, size int64) {
	t.closeLocked(w)
	t.counts.Bytes += size
	t.sized[w.Why]++
	t.amount[w.Why] += size
}

func (t *Tally) already(w Want, size int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hereLocked(w, size)
	t.counts.Already++
}

func (t *Tally) fetched(w Want, size int64, source string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hereLocked(w, size)
	t.counts.Fetched++
	t.counts.FetchedSize += size
	if t.counts.Sources == nil {
		t.counts.Sources = map[string]int64{}
	}
	t.counts.Sources[terminal.Plain(redact.Text(source))] += size
}

func (t *Tally) skip(w Want, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeLocked(w)
	if t.counts.Skipped == nil {
		t.counts.Skipped = map[string]int{}
	}
	t.counts.Skipped[reason]++
}

func (t *Tally) miss(w Want) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeLocked(w)
	t.counts.Missing = append(t.counts.Missing, w.URL)
}

func (t *Tally) fail(w Want, e *fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeLocked(w)
	t.failLocked(w, e)
}

func (t *Tally) failLocked(w Want, e *fault) {
	t.counts.Failed = append(t.counts.Failed, Failure{URL: terminal.Plain(redact.Text(w.URL)), Err: e.says, Next: e.next})
}

// lose is for what was fetched and did not stay.
func (t *Tally) lose(w Want, e *fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Fetched--
	t.counts.Bytes -= w.Size
	t.failLocked(w, e)
}

// Report is how it stands. Lists are empty, never null.
func (t *Tally) Report() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.counts
	r.Schema, r.TookMS = schema, time.Since(t.Began).Milliseconds()
	r.Failed, r.Missing = slices.Clone(r.Failed), slices.Sorted(slices.Values(r.Missing))
	r.Skipped, r.Sources = maps.Clone(r.Skipped), maps.Clone(r.Sources)
	if r.Failed == nil {
		r.Failed = []Failure{}
	}
	if r.Skipped == nil {
		r.Skipped = map[string]int{}
	}
	if r.Sources == nil {
		r.Sources = map[string]int64{}
	}
	return r
}

// Stand is a moment of a warming.
type Stand struct {
	Done, Objects int
	Bytes         int64 // here, or on the way
	Known         int64 // of all, as far as it is known
	Expected      int64 // of all, with the unknown ones taken for as large as others of their kind; 0: not to be guessed
	Received      int64
	Source        string // that sent the most; empty: none did
}

// Stand is for the progress line.
func (t *Tally) Stand() Stand {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.counts
	s := Stand{Objects: r.Objects, Done: r.here() + len(r.Failed) + len(r.Missing), Received: t.received.Load()}
	for _, n := range r.Skipped {
		s.Done += n
	}
	s.Bytes = r.Bytes + t.moving.Load()
	s.Known = max(r.Bytes+t.ahead, s.Bytes)
	s.Expected = s.Known
	for why, n := range t.unsized {
		if n > 0 && t.sized[why] == 0 {
			s.Expected = 0
			break
		}
		if n > 0 {
			s.Expected += int64(n) * (t.amount[why] / int64(t.sized[why]))
		}
	}
	s.Source = mostOf(r.Sources)
	return s
}

func mostOf(sources map[string]int64) (best string) {
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if best == "" || sources[name] > sources[best] {
			best = name
		}
	}
	return best
}

// Sentences is the summary.
func (r Report) Sentences() []string {
	took := amount.Rough(time.Duration(r.TookMS) * time.Millisecond)
	lines := []string{fmt.Sprintf("%s, with %s: %d from before, and %d that came in %s.", r.HereInWords(), amount.Bytes(r.Bytes), r.Already, r.Fetched, took)}
	if r.Objects == 0 {
		return []string{"There is nothing to fetch: the files name no modules, packages or images."}
	}
	if len(r.Sources) > 0 {
		names := slices.SortedFunc(maps.Keys(r.Sources), func(a, b string) int { return int(min(max(r.Sources[b]-r.Sources[a], -1), 1)) })
		parts := make([]string, 0, 4)
		for _, name := range names[:min(len(names), 4)] {
			parts = append(parts, fmt.Sprintf("%s from %s", amount.Bytes(r.Sources[name]), name))
		}
		lines = append(lines, "Fetched: "+strings.Join(parts, ", ")+".")
	}
	return append(lines, describeSkipped(r.Skipped)...)
}

// mostShown is how many failures are listed for people.
const mostShown = 20

// PrintFailures lists what failed, with the next step.
func PrintFailures(out io.Writer, r Report) {
	for _, f := range r.Failed[:min(len(r.Failed), mostShown)] {
		fmt.Fprintf(out, "hither: %s: %s; %s\n", f.URL, terminal.Plain(f.Err), terminal.Plain(f.Next))
	}
	if more := len(r.Failed) - mostShown; more > 0 {
		fmt.Fprintf(out, "hither: and %d more; --json lists them all\n", more)
	}
}

// PrintMissing is the answer of --dry-run: the URLs, and beside them what is to be said of them.
func (r Report) PrintMissing(out, beside io.Writer) {
	for _, u := range r.Missing {
		fmt.Fprintln(out, terminal.Plain(u))
	}
	lines := append([]string{fmt.Sprintf("%s; to be fetched: %d.", r.HereInWords(), len(r.Missing))}, describeSkipped(r.Skipped)...)
	if slices.ContainsFunc(r.Missing, func(u string) bool { return strings.Contains(u, "/manifests/") }) {
		lines = append(lines, "What an image consists of is known only when its manifest is here.")
	}
	fmt.Fprintln(beside, strings.Join(lines, "\n"))
}

// sriOf writes a digest as npm does (Subresource Integrity).
func sriOf(d digest.Digest) string {
	sum, _ := hex.DecodeString(d.Sum()) // a digest that pins is hex
	return string(d.Algorithm()) + "-" + base64.StdEncoding.EncodeToString(sum)
}
