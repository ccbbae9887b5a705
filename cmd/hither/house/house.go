// Package house answers what the commands ask by the control socket: it knows all the rooms of a running Hither.
//
//	err := socket.Serve(ctx, &house.House{Store: store, Board: board, …}, ready, show)
package house

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"hither/cache"
	"hither/cache/digest"
	"hither/cmd/hither/control"
	"hither/cmd/hither/led"
	"hither/cmd/hither/ledger"
	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/network"
	"hither/cmd/hither/redact"
	"hither/cmd/hither/rulebook"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/why"
	"hither/forward/dial"
	"hither/forward/fetch"
	"hither/forward/measure"
	"hither/forward/prefetch"
	"hither/rules"
)

// House is a running Hither, as its parts are joined. The fields are set before it is asked.
type House struct {
	Settings settings.Settings
	Self     network.Self
	Book     *rulebook.Book
	Way      *led.Way // nil: nobody is led to us
	Store    cache.Store
	Board    *measure.Board
	Rounds   *measure.Rounds // has the budgets that surveys are charged to
	Ledger   *ledger.Ledger
	Ahead    *prefetch.Prefetcher
	Probe    func(ctx context.Context, t measure.Target, proto string) measure.Result // for surveys
	Removed  func()                                                                   // is told that the cache lost something; nil: nobody is
	Waiting  func() int                                                               // how many wait for the network: fetch.Fetcher.Waiting; nil: none

	turns  mirrors.Turns
	pauses mirrors.Pauses
}

var _ control.Daemon = (*House)(nil)

// Status implements control.Daemon.
func (h *House) Status(ctx context.Context) (control.Status, error) {
	s := h.Ledger.Snapshot()
	s.Rules, s.Trouble = h.Book.Problem(), h.Way.Trouble()
	s.Upstreams = h.upstreams()
	s.Prefetch = h.Ahead.Report()
	if h.Waiting != nil {
		s.Waiting = h.Waiting()
	}
	var err error
	if s.Cache, err = h.Store.Usage(ctx); err != nil {
		s.Trouble = strings.TrimPrefix(s.Trouble+"; cache: "+err.Error(), "; ")
	}
	return s, ctx.Err()
}

// upstreams lists whom the rules name. The board is not asked for its order: it counts how often it is, to try others.
func (h *House) upstreams() (out []control.Upstream) {
	known := h.standings()
	for _, r := range h.Book.Now().Rules() {
		all := r.Upstreams()
		slices.SortStableFunc(all, func(a, b rules.Source) int { return compareStandings(known[a.Base], known[b.Base]) })
		for _, up := range all {
			s, n := known[up.Base], h.Ledger.Upstream(up.Base)
			out = append(out, control.Upstream{
				Rule: r.Name, Base: up.Base, Origin: up.Origin, Requests: n.Requests, Failures: n.Failures,
				Wait: s.Wait, Speed: int64(s.Rate), Note: note(s),
			})
		}
	}
	return out
}

func (h *House) standings() map[string]measure.Standing {
	known := make(map[string]measure.Standing)
	for _, s := range h.Board.Report() {
		known[s.Base] = s
	}
	return known
}

// compareStandings has the good ones first, by their waits, and the worst last.
func compareStandings(a, b measure.Standing) int {
	rank := func(s measure.Standing) int {
		return slices.Index([]measure.State{measure.Good, measure.HalfOpen, measure.Untried, "", measure.Ejected, measure.Quarantined}, s.State)
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Wait, b.Wait))
}

// note is what a standing says beside its numbers.
func note(s measure.Standing) string {
	if s.State == measure.Good {
		_, s.Reason, _ = strings.Cut(s.Reason, "; ")
	}
	return s.Reason
}

// Why implements control.Daemon.
func (h *House) Why(ctx context.Context, text string) (why.Explanation, error) {
	m, note, err := h.match(text)
	if err != nil || m.Rule == nil {
		return why.Explanation{Note: note}, err
	}
	m = h.variant(ctx, m)
	e := why.Explanation{Rule: why.NewRulePart(m), Private: h.private(m)}
	e.Rule.File = h.Book.Place(m.Rule.File)
	if e.Keeps() {
		h.look(ctx, m, &e)
	}
	if last, ok := h.Ledger.Report(cache.Name(m.Name)); ok && e.Keeps() {
		e.Last = &last
	}
	h.sources(m, &e)
	return e, nil
}

// private is the user's pattern that m fits; empty: none.
func (h *House) private(m rules.Match) string {
	for _, pattern := range h.Settings.Private {
		if m.Private([]string{pattern}) {
			return pattern
		}
	}
	return ""
}

// look fills in what is kept. Whether it is fresh is asked of a fetcher that has nothing but the cache, and tells nobody.
func (h *House) look(ctx context.Context, m rules.Match, e *why.Explanation) {
	entry, err := h.Store.Lookup(ctx, cache.Name(m.Name))
	if err != nil {
		return
	}
	e.Cached = &entry
	if blob, err := h.Store.Open(ctx, entry.Digest); err == nil {
		e.Present = true
		blob.Close()
	}
	answer, err := (&fetch.Fetcher{Store: h.Store}).Fetch(ctx, fetch.Request{Match: m, KeptOnly: true})
	if err == nil {
		e.Fresh = answer.Report.State == fetch.Hit
		answer.Body.Close()
	}
}

// variant finds which of several documents under one URL is meant, since a URL alone does not say: the one that was asked
// for last, else one that is kept, else the first.
func (h *House) variant(ctx context.Context, m rules.Match) rules.Match {
	var last time.Time
	best := m
	for _, v := range m.Path.Variants {
		other := m.WithVariant(v)
		if r, ok := h.Ledger.Report(cache.Name(other.Name)); ok && r.When.After(last) {
			best, last = other, r.When
		} else if last.IsZero() && !h.bound(ctx, best) && h.bound(ctx, other) {
			best = other
		}
	}
	return best
}

func (h *House) bound(ctx context.Context, m rules.Match) bool {
	_, err := h.Store.Lookup(ctx, cache.Name(m.Name))
	return err == nil
}

// match finds what a URL means: one of a registry, or one of our own gateway. A path alone is a gateway's. Without a rule
// that speaks of it, note tells what happens to it.
func (h *House) match(text string) (m rules.Match, note string, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return m, "", fmt.Errorf("%q is not a URL: %w", text, errors.Unwrap(err))
	}
	set, q := h.Book.Now(), rules.Query{URL: u}
	own := h.Self.Host(dial.HostPort(u))
	switch rule, ruled := set.Host(u.Host); {
	case u.Host == "" && !strings.HasPrefix(u.Path, "/"):
		err = fmt.Errorf("%q names no host: write it as https://HOST/PATH, or as a gateway path such as /go/…", text)
	case ruled && !own:
		m, _ = set.Match(u.Host, q)
		note = fmt.Sprintf("The rule %s has this host, but no path of it fits, so it is sent to the origin as it comes, and nothing of it is kept.", rule.Name)
	case own || u.Host == "":
		m, _ = set.MatchGateway(q)
		note = "This is Hither's own address, and no path behind a gateway that a rule speaks of: nothing of it is kept."
	default:
		note = "No rule speaks of this host, so it is tunnelled unseen: nothing of it is kept, and nothing is changed."
	}
	return m, note, err
}

// Usage implements control.Daemon.
func (h *House) Usage(ctx context.Context) (cache.Usage, error) { return h.Store.Usage(ctx) }

// verifier is a store that can read all it has again; the one in memory need not.
type verifier interface {
	Verify(ctx context.Context, yield func(d digest.Digest, size int64, err error)) error
}

// verifyPace is how often progress is told.
const verifyPace = 2 * time.Second

// maxDamaged is how many damaged digests are named.
const maxDamaged = 100

// Verify implements control.Daemon.
func (h *House) Verify(ctx context.Context, progress func(control.Verification)) error {
	var v control.Verification
	told := time.Now()
	if store, ok := h.Store.(verifier); ok {
		err := store.Verify(ctx, func(d digest.Digest, size int64, err error) {
			v.Blobs++
			v.Bytes += size
			if err != nil {
				v.Lost++
				if len(v.Damaged) < maxDamaged {
					v.Damaged = append(v.Damaged, d.String())
				}
			}
			if time.Since(told) > verifyPace {
				told = time.Now()
				progress(v)
			}
		})
		if err != nil {
			return err
		}
	}
	v.Done = true
	progress(v)
	return nil
}

// Remove implements control.Daemon. A blob that other names mean too goes with the name: it can be fetched again.
func (h *House) Remove(ctx context.Context, text string, all bool) (out control.Removal, err error) {
	var names []cache.Name
	if !all {
		if names, err = h.names(text); err != nil {
			return out, err
		}
	}
	before, _ := h.Store.Usage(ctx) // also where the disk does not tell
	if h.Removed != nil {
		defer h.Removed() // also when only some of them could be forgotten
	}
	if all {
		err = h.Store.Clear(ctx)
	} else {
		out.Names, err = h.forget(ctx, names)
	}
	after, _ := h.Store.Usage(context.WithoutCancel(ctx))
	out.Bytes = max(before.Bytes-after.Bytes, 0) // to open a blob for its size may be to read all of it
	if all {
		out.Names = max(before.Names-after.Names, 0)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%d of %d names were forgotten in the time that an answer may take; do it again for the rest", out.Names, before.Names)
	}
	return out, err
}

// names are all that a URL may be kept under.
func (h *House) names(text string) ([]cache.Name, error) {
	m, note, err := h.match(text)
	if err != nil {
		return nil, err
	}
	if m.Rule == nil {
		return nil, errors.New(redact.Text(text) + ": " + note)
	}
	if m.Path.Keep == rules.Never {
		return nil, fmt.Errorf("%s is never kept, by %s:%d", redact.Text(text), h.Book.Place(m.Rule.File), m.Path.Line)
	}
	names := []cache.Name{cache.Name(m.Name)}
	for _, v := range m.Path.Variants {
		if other := cache.Name(m.WithVariant(v).Name); !slices.Contains(names, other) {
			names = append(names, other)
		}
	}
	return names, nil
}

func (h *House) forget(ctx context.Context, names []cache.Name) (forgotten int64, err error) {
	for _, name := range names {
		entry, err := h.Store.Lookup(ctx, name)
		if errors.Is(err, cache.ErrNotFound) {
			continue
		}
		if err == nil && entry.Digest != "" {
			err = h.Store.Remove(ctx, entry.Digest)
		}
		if err == nil {
			err = h.Store.Forget(ctx, name)
		}
		if err != nil {
			return forgotten, err
		}
		forgotten++
	}
	return forgotten, nil
}
