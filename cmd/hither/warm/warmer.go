// Package warm has a running Hither fetch ahead what a project names. A Reader turns files and images into Wants, a Warmer asks
// for them by the proxy's door as any client does, and a Tally counts what came of it, for a Progress line and the Report.
package warm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/why"
	"hither/rules"
)

// Warmer has a running Hither fetch things. It asks as any client does, by the proxy's door, so that all is verified and
// kept as it would be for one; the bytes are dropped here. Set it up once; Run may be called once.
type Warmer struct {
	Proxy   string                                                       // HOST:PORT of Hither
	Agent   string                                                       // User-Agent
	Why     func(ctx context.Context, u string) (why.Explanation, error) // what Hither says of a URL
	Private []string                                                     // patterns of this shell, which the Hither that is up may not know
	Dry     bool                                                         // fetch nothing
	Pauses  []time.Duration                                              // before each further try of an object
	Tally   *Tally

	queue queue
	once  sync.Once
	http  *http.Transport

	mu     sync.Mutex
	came   []Want         // what was fetched, to look at in the end
	broken map[string]int // by host: how many of its objects came to nothing since the last that it said anything about
}

// giveUpAfter is after how many objects that came to nothing no more are asked of a host: each takes as long as Hither
// waits for all its sources, and thousands would take hours.
const giveUpAfter = 48

// Run works through wants and what they lead to. What fails does not end the others; the tally has it all. It returns
// early only if ctx ends.
func (w *Warmer) Run(ctx context.Context, wants []Want) {
	w.queue.onFresh = w.Tally.expect
	w.queue.run(ctx, wants, w.work)
	w.recheck(ctx)
}

// work takes one want a step further.
func (w *Warmer) work(ctx context.Context, want Want) {
	if want.looked {
		w.fetch(ctx, want)
		return
	}
	want.looked = true
	e, err := w.Why(ctx, want.URL)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		w.Tally.fail(want, &fault{says: err.Error(), next: "look with `hither status`, and give the same command again"})
	case e.Rule == nil:
		w.leaveOut(want, skipNoRule, "no rule speaks of it: fetch it without Hither, or add a rule file for its host")
	case e.Private != "" || w.private(want, e):
		w.leaveOut(want, skipPrivate, "it is private, and what is private is not kept: leave it out")
	case rules.Keep(e.Rule.Keep) == rules.Never:
		w.leaveOut(want, skipNever, "its rule keeps nothing of this kind: leave it out")
	case want.told() && isHere(want, e):
		w.Tally.already(want, e.Cached.Size)
	case w.Dry && (want.told() || !e.Present):
		w.Tally.miss(want)
	case want.Bulk:
		w.queue.later(want)
	default:
		w.fetch(ctx, want)
	}
}

// told says that Hither's word of a URL is enough to go by. It is not where what came has to be read, nor where there are
// several documents under the URL: which of them the word is about, nobody knows.
func (w Want) told() bool { return w.More == nil && w.Accept == nil }

// isHere says whether its client would get it without a word to anybody outside.
func isHere(want Want, e why.Explanation) bool {
	switch {
	case e.Cached == nil || !e.Present:
		return false
	case want.Claim != "":
		return e.Cached.Digest == want.Claim
	}
	return e.Fresh
}

// private asks the patterns of this shell: the project's names must not leave the machine because Hither was started in
// another one.
func (w *Warmer) private(want Want, e why.Explanation) bool {
	m := rules.Match{Subject: e.Rule.Subject, Host: &rules.Host{Name: mirrors.HostOf(want.URL)}, Rule: &rules.Rule{}}
	return m.Private(w.Private)
}

// leaveOut counts what Hither does not keep; what the user named is a failure then.
func (w *Warmer) leaveOut(want Want, reason, says string) {
	if want.Named {
		what, next, _ := strings.Cut(says, ": ")
		w.Tally.fail(want, &fault{says: what, next: next})
		return
	}
	w.Tally.skip(want, reason)
}

// fetch asks for a want until it is here, or that is hopeless.
func (w *Warmer) fetch(ctx context.Context, want Want) {
	if w.isDown(mirrors.HostOf(want.URL)) {
		w.Tally.fail(want, &fault{
			says: fmt.Sprintf("it was not asked for, since %d others of that host came to nothing one after another", giveUpAfter),
			next: "look with `hither mirrors` who can be reached, and give the same command again",
		})
		return
	}
	var last *fault
	for try := 0; ; try++ {
		got, err := w.ask(ctx, &want)
		if err == nil {
			w.note(mirrors.HostOf(want.URL), true)
			w.take(want, got)
			return
		}
		if ctx.Err() != nil {
			return
		}
		if last = asFault(err); last.absent {
			w.Tally.miss(want)
			return
		}
		if !last.again || try == len(w.Pauses) || !pauseFor(ctx, max(w.Pauses[try], last.after)) {
			break
		}
	}
	if ctx.Err() == nil {
		w.note(mirrors.HostOf(want.URL), !last.again)
		w.Tally.fail(want, last)
	}
}

// note counts what came to nothing; a refusal is a word of the host, too.
func (w *Warmer) note(host string, said bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.broken = map[string]int{}
	}
	w.broken[host]++
	if said {
		w.broken[host] = 0
	}
}

func (w *Warmer) isDown(host string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken[host] >= giveUpAfter
}

func pauseFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// take counts what came, and goes on with what it leads to.
func (w *Warmer) take(want Want, got answer) {
	if want.More != nil {
		more, err := want.More(got.body)
		w.queue.add(more...)
		if err != nil {
			w.Tally.fail(want, asFault(err))
			return
		}
	}
	if got.hit {
		w.Tally.already(want, got.size)
		return
	}
	w.Tally.fetched(want, got.size, got.source)
	w.mu.Lock()
	defer w.mu.Unlock()
	want.Size = got.size
	w.came = append(w.came, want)
}

// recheck looks whether what came also stayed: with a full disk, or a cache that is smaller than the project, Hither
// serves all of it and keeps a part.
func (w *Warmer) recheck(ctx context.Context) {
	looks, ctx := errgroup.WithContext(ctx)
	looks.SetLimit(smallAtOnce)
	for _, want := range w.came {
		looks.Go(func() error {
			e, err := w.Why(ctx, want.URL)
			if err == nil && !e.Present {
				w.Tally.lose(want, &fault{says: "it came, but there was no room to keep it", next: "look with `hither cache du`, and give Hither more room with cache-limit"})
			}
			return ctx.Err()
		})
	}
	_ = looks.Wait() // stopped: then it is not known, and the next run looks anyway
}

// Close lets go of the connections.
func (w *Warmer) Close() {
	if w.http != nil {
		w.http.CloseIdleConnections()
	}
}

// fault is why an object is not here.
type fault struct {
	says  string
	next  string        // what the user can do
	again bool          // another try may help
	after time.Duration // not before this is over

	absent bool // it is not in the cache, and nothing else was asked for
}

// Error ends with the next step.
func (e *fault) Error() string { return e.says + "; " + e.next }

// asFault splits a sentence of ours, reason: next step.
func asFault(err error) *fault {
	var known *fault
	if errors.As(err, &known) {
		return known
	}
	says, next, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		next = "look at it with its own client"
	}
	return &fault{says: says, next: next}
}

// Reasons why a want is left out, as --json has them.
const (
	skipNoRule  = "no_rule"
	skipPrivate = "private"
	skipNever   = "never_kept"
	skipUnnamed = "unnamed"
)

// skipReasons are all of them with their words.
func skipReasons() [][2]string {
	return [][2]string{
		{skipNoRule, "of hosts in no rule"}, {skipPrivate, "private"}, {skipNever, "of a kind that is never kept"},
		{skipUnnamed, "named only by an argument of the build, or not as an image is"},
	}
}

// describeSkipped says how many objects were left out, and why; empty: none.
func describeSkipped(skipped map[string]int) (lines []string) {
	for _, reason := range skipReasons() {
		switch n := skipped[reason[0]]; n {
		case 0:
		case 1:
			lines = append(lines, fmt.Sprintf("1 object is %s, and was left out.", reason[1]))
		default:
			lines = append(lines, fmt.Sprintf("%d objects are %s, and were left out.", n, reason[1]))
		}
	}
	return slices.Clip(lines)
}
