package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"hither/cache"
	"hither/cache/digest"
	"hither/forward/measure"
	"hither/rules"
)

// house answers the control socket: it knows all the rooms.
type house struct {
	settings Settings
	book     *rulebook
	store    cache.Store
	board    *measure.Board
	ledger   *ledger
}

var _ daemon = (*house)(nil)

// Status implements daemon.
func (h *house) Status(ctx context.Context) (Status, error) {
	s := h.ledger.snapshot()
	s.Rules = h.book.Problem()
	s.Upstreams = h.upstreams()
	var err error
	s.Cache, err = h.store.Usage(ctx)
	return s, err
}

// upstreams lists whom the rules name, by rule, in the order they would be asked.
func (h *house) upstreams() (out []Upstream) {
	known := make(map[string]measure.Standing)
	for _, s := range h.board.Report() {
		known[s.Base] = s
	}
	for _, r := range h.book.now().Rules() {
		origins := make(map[string]bool)
		var bases []string
		for _, up := range r.Upstreams() {
			origins[up.Base] = up.Origin
			bases = append(bases, up.Base)
		}
		for _, base := range h.board.Order(bases) {
			s := known[base]
			out = append(out, Upstream{
				Rule: r.Name, Base: base, Origin: origins[base], Requests: int64(s.Samples),
				Failures: int64(float64(s.Samples)*(1-s.Success) + 0.5), Wait: s.Wait, Speed: int64(s.Rate), Note: s.Reason,
			})
		}
	}
	return out
}

// Why implements daemon.
func (h *house) Why(ctx context.Context, text string) (Explanation, error) {
	m, ok, err := h.match(text)
	if err != nil || !ok {
		return Explanation{}, err
	}
	e := Explanation{Rule: newRulePart(m)}
	for _, pattern := range h.settings.Private {
		if m.Private([]string{pattern}) {
			e.Private = pattern
			break
		}
	}
	if entry, err := h.store.Lookup(ctx, cache.Name(m.Name)); err == nil {
		e.Cached = &entry
		if blob, err := h.store.Open(ctx, entry.Digest); err == nil {
			e.Present = true
			blob.Close()
		}
		e.Fresh = e.Present && (m.Path.Keep == rules.Forever || time.Since(entry.Checked) < time.Duration(m.Path.Keep))
	}
	if last, ok := h.ledger.report(cache.Name(m.Name)); ok {
		e.Last = &last
	}
	e.Sources = h.sources(m, e.Private != "")
	return e, nil
}

// match finds what a URL means: one of a registry, or one of our own gateway. A path alone is a gateway's.
func (h *house) match(text string) (rules.Match, bool, error) {
	u, err := url.Parse(text)
	if err != nil {
		return rules.Match{}, false, fmt.Errorf("%q is not a URL: %w", text, errors.Unwrap(err))
	}
	set, q := h.book.now(), rules.Query{URL: u}
	if u.Host == "" && !strings.HasPrefix(u.Path, "/") {
		return rules.Match{}, false, fmt.Errorf("%q names no host: write it as https://HOST/PATH, or as a gateway path such as /go/…", text)
	}
	if _, ok := set.Host(u.Host); !ok {
		m, ok := set.MatchGateway(q)
		return m, ok, nil
	}
	m, ok := set.Match(u.Host, q)
	return m, ok, nil
}

// sources tells who would be asked now, and why in that order.
func (h *house) sources(m rules.Match, private bool) (out []ExplanationSource) {
	all := m.Sources()
	if private {
		all = m.Origins()
	}
	byBase := make(map[string]rules.Source)
	var bases []string
	for _, s := range all {
		byBase[s.Base] = s
		bases = append(bases, s.Base)
	}
	known := make(map[string]measure.Standing)
	for _, s := range h.board.Report() {
		known[s.Base] = s
	}
	for _, base := range h.board.Order(bases) {
		why := known[base].Reason
		if why == "" {
			why = "not asked yet"
		}
		out = append(out, ExplanationSource{URL: byBase[base].URL, Origin: byBase[base].Origin, Why: why})
	}
	return out
}

// Usage implements daemon.
func (h *house) Usage(ctx context.Context) (cache.Usage, error) { return h.store.Usage(ctx) }

// verifier is a store that can read all it has again; the one in memory need not.
type verifier interface {
	Verify(ctx context.Context, yield func(d digest.Digest, size int64, err error)) error
}

// verifyPace is how often progress is told.
const verifyPace = 2 * time.Second

// maxDamaged is how many damaged digests are named.
const maxDamaged = 100

// Verify implements daemon.
func (h *house) Verify(ctx context.Context, progress func(Verification)) error {
	var v Verification
	told := time.Now()
	if store, ok := h.store.(verifier); ok {
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

// Remove implements daemon. A blob that other names mean too goes with the name: it can be fetched again.
func (h *house) Remove(ctx context.Context, text string, all bool) (Removal, error) {
	var names []cache.Name
	if all {
		err := h.store.Names(ctx, func(name cache.Name, e cache.Entry) bool {
			if !e.Pinned {
				names = append(names, name)
			}
			return true
		})
		if err != nil {
			return Removal{}, err
		}
	} else {
		m, ok, err := h.match(text)
		if err != nil || !ok {
			return Removal{}, cmp.Or(err, fmt.Errorf("no rule speaks of %s, so nothing of it is kept", redact(text)))
		}
		names = append(names, cache.Name(m.Name))
	}
	return h.forget(ctx, names)
}

func (h *house) forget(ctx context.Context, names []cache.Name) (out Removal, err error) {
	for _, name := range names {
		entry, err := h.store.Lookup(ctx, name)
		if errors.Is(err, cache.ErrNotFound) {
			continue
		}
		if err != nil {
			return out, err
		}
		if entry.Digest != "" {
			if blob, err := h.store.Open(ctx, entry.Digest); err == nil {
				out.Bytes += blob.Size()
				blob.Close()
			}
			if err := h.store.Remove(ctx, entry.Digest); err != nil {
				return out, err
			}
		}
		if err := h.store.Forget(ctx, name); err != nil {
			return out, err
		}
		out.Names++
	}
	return out, nil
}
