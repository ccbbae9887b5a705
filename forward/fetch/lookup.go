package fetch

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/cachecontrol/cacheobject"

	"hither/cache"
	"hither/cache/digest"
	"hither/rules"
)

// kept is what the cache has for a request. blob is nil if it has nothing that may be served.
type kept struct {
	entry  cache.Entry
	blob   io.ReadSeekCloser
	fresh  bool
	usable bool // not fresh any more, but good enough until a new one has come
	now    time.Time
}

// unvouchedLife is for how long a copy that no authority named is taken for unchangeable, although its kind is: a module
// may enter the checksum database later, or the database was away when we asked.
const unvouchedLife = time.Hour

// lookup asks the cache. Trouble with the disk is a miss: the cache must never be the reason for a failed build.
func (f *Fetcher) lookup(ctx context.Context, req Request) (kept, error) {
	k := kept{now: f.now()}
	if entry, err := f.Store.Lookup(ctx, cache.Name(req.Name)); err == nil && agrees(entry, req.Claim) {
		blob, err := f.Store.Open(ctx, entry.Digest)
		if err != nil {
			k.entry = entry // its digest still tells which bytes to ask for
		} else if until, ok := f.stands(ctx, req, &entry, blob); ok {
			k.entry, k.blob = entry, f.healing(req, entry.Digest, blob)
			old := req.mustAsk() || req.Path.Keep != rules.Forever && f.changedSince(req, entry.Checked)
			k.fresh = !old && isFresh(req.Path, entry, k.now) && (until.IsZero() || k.now.Before(until))
			k.usable = !k.fresh && !old && isUsable(req.Path, f.unguessed(req, entry), k.now)
			if (k.fresh || k.usable) && f.lacks(ctx, req, Copy{entry.Checked, k.fresh, blob}) {
				k.fresh, k.usable = false, false
			}
			return k, nil
		} else {
			blob.Close()
		}
	}
	if req.Claim != "" {
		if blob, err := f.Store.Open(ctx, req.Claim); err == nil {
			k.entry = f.claimed(req, blob.Size())
			k.blob, k.fresh = f.healing(req, req.Claim, blob), true
		}
	}
	if err := ctx.Err(); err != nil {
		k.close()
		return kept{}, err
	}
	return k, nil
}

// mustAsk says that even a fresh copy is not enough. What cannot change need not be asked for again.
func (r Request) mustAsk() bool { return r.Fresh && r.Path.Keep != rules.Forever }

// agrees says whether an entry may be served to a client that expects claim. What only a client vouched for is good for
// clients that expect the same.
func agrees(e cache.Entry, claim digest.Digest) bool {
	switch {
	case e.Digest == "":
		return false
	case claim == "" || claim.Weak():
		return e.Vouched != byClient
	default:
		return e.Digest == claim
	}
}

// byClient in Entry.Vouched: the client said which bytes it expects, no authority was asked.
const byClient = "client"

func (f *Fetcher) claimed(req Request, size int64) cache.Entry {
	now := f.now()
	return cache.Entry{
		Digest: req.Claim, Size: size, Vouched: byClient, Stored: now, Checked: now,
		Header: map[string]string{"Content-Type": justBytes},
	}
}

// justBytes is what registries call bytes that a digest names.
const justBytes = "application/octet-stream"

// isFresh says whether an entry may be served without asking. What cannot change is, whatever the clock says; else an
// entry from the future is not, for then nobody knows how old it is.
func isFresh(p *rules.Path, e cache.Entry, now time.Time) bool {
	life := lifetime(p, e)
	return life == endless || now.Before(e.Checked.Add(life)) && !e.Checked.After(now.Add(time.Minute))
}

// isUsable says whether an entry may be served while a new one is asked for: no longer than the rule says, and only if the
// origin did not forbid it (RFC 5861, section 3; RFC 9111, section 4.2.4).
func isUsable(p *rules.Path, e cache.Entry, now time.Time) bool {
	said, err := cacheobject.ParseResponseCacheControl(e.Header["Cache-Control"])
	if err != nil || said.MustRevalidate || said.ProxyRevalidate || said.NoCachePresent || said.NoStore || said.PrivatePresent {
		return false
	}
	return p.Stale > 0 && now.Before(e.Checked.Add(lifetime(p, e)+p.Stale)) && !e.Checked.After(now.Add(time.Minute))
}

const endless = time.Duration(1 << 62)

// lifetime is how long after Checked an entry is fresh: what the rule allows, and no more than the origin did. An origin
// whose words make no sense allows nothing (RFC 9111, section 4.2.1).
func lifetime(p *rules.Path, e cache.Entry) time.Duration {
	if p.Keep == rules.Forever {
		if p.Notary != "" && e.Vouched == "" {
			return unvouchedLife
		}
		return endless
	}
	life := time.Duration(p.Keep)
	said, err := cacheobject.ParseResponseCacheControl(e.Header["Cache-Control"])
	switch {
	case err != nil || said.NoCachePresent || said.NoStore || said.PrivatePresent:
		return 0
	case said.SMaxAge >= 0:
		return min(life, time.Duration(said.SMaxAge)*time.Second-spent(e))
	case said.MaxAge >= 0:
		return min(life, time.Duration(said.MaxAge)*time.Second-spent(e))
	}
	return life
}

// spent is how old an answer was already when it came: the origin's caches count too (RFC 9111, section 4.2.3).
func spent(e cache.Entry) time.Duration {
	seconds, err := strconv.ParseUint(e.Header["Age"], 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// answer serves the kept copy. It may be called once.
func (k kept) answer(s State) *Answer {
	a := &Answer{
		Status: http.StatusOK, Header: repeat(k.entry.Header), Size: k.entry.Size,
		ETag: etag(k.entry.Digest), Body: k.blob,
		Report: Report{
			State: s, Source: k.entry.Source, Vouched: k.entry.Vouched, Digest: k.entry.Digest,
			Age: max(0, k.now.Sub(k.entry.Checked)),
		},
	}
	if s == Hit || s == Stale || s == Refreshing {
		a.Report.Saved = k.entry.Took
	}
	return a
}

// repeat is what clients get of an origin's header. Its validator and age are between it and us.
func repeat(header map[string]string) http.Header {
	h := make(http.Header, len(header))
	for key, value := range header {
		if key != "Etag" && key != "Age" {
			h.Set(key, value)
		}
	}
	return h
}

func (k kept) close() {
	if k.blob != nil {
		k.blob.Close()
	}
}

// etag is the digest, if it pins every byte. The h1 family and the weak ones make no ETag.
func etag(d digest.Digest) string {
	if !d.Pins() {
		return ""
	}
	return `"` + d.String() + `"`
}

// repeated are the response headers that a client may need again, or we. Those that only an origin may say stand behind
// the first few: a digest does not cover what a mirror says of its bytes.
var repeated = [...]string{
	"Content-Type", "Content-Disposition", "Last-Modified", "Etag", "Cache-Control", "Age",
	"Link", "Docker-Content-Digest", "Docker-Distribution-Api-Version", "Oci-Subject", "Oci-Filters-Applied",
}

const fromAnybody = 6 // of repeated

// keepHeader copies what is repeated. A header in several lines is one list (RFC 9110, section 5.3).
func keepHeader(h http.Header, origin bool) map[string]string {
	keys := repeated[:]
	if !origin {
		keys = keys[:fromAnybody]
	}
	out := make(map[string]string)
	for _, key := range keys {
		v := h.Get(key)
		if key == "Cache-Control" || key == "Link" {
			v = strings.Join(h.Values(key), ", ")
		}
		if v != "" && len(v) <= 2048 {
			out[key] = v
		}
	}
	return out
}
