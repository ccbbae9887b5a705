package fetch

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/pquerna/cachecontrol/cacheobject"

	"hither/cache"
	"hither/cache/digest"
	"hither/rules"
)

// kept is what the cache has for a request. blob is nil if it has nothing that may be served.
type kept struct {
	entry cache.Entry
	blob  io.ReadSeekCloser
	fresh bool
	now   time.Time
}

// unvouchedLife is for how long a copy that no authority named is taken for unchangeable, although its kind is: a module
// may enter the checksum database later, or the database was away when we asked.
const unvouchedLife = time.Hour

// lookup asks the cache. Trouble with the disk is a miss: the cache must never be the reason for a failed build.
func (f *Fetcher) lookup(ctx context.Context, req Request) (kept, error) {
	k := kept{now: f.now()}
	if entry, err := f.Store.Lookup(ctx, cache.Name(req.Name)); err == nil && agrees(entry, req.Claim) {
		if blob, err := f.Store.Open(ctx, entry.Digest); err == nil {
			k.entry, k.blob = entry, f.healing(req, entry.Digest, blob)
			k.fresh = !req.mustAsk() && k.now.Before(entry.Checked.Add(lifetime(req.Path, entry))) && !entry.Checked.After(k.now.Add(time.Minute))
			return k, nil
		}
		k.entry = entry // its digest still tells which bytes to ask for
	}
	if req.Claim != "" {
		if blob, err := f.Store.Open(ctx, req.Claim); err == nil {
			k.entry = f.claimed(req, blob.Size())
			k.blob, k.fresh = f.healing(req, req.Claim, blob), true
		}
	}
	return k, ctx.Err()
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
		Header: map[string]string{"Content-Type": "application/octet-stream"},
	}
}

// lifetime is how long after Checked an entry is fresh: what the rule allows, and no more than the origin did.
func lifetime(p *rules.Path, e cache.Entry) time.Duration {
	if p.Keep == rules.Forever {
		if p.Notary != "" && e.Vouched == "" {
			return unvouchedLife
		}
		return 1 << 62
	}
	life := time.Duration(p.Keep)
	said, err := cacheobject.ParseResponseCacheControl(e.Header["Cache-Control"])
	if err != nil {
		return life
	}
	switch {
	case said.NoCachePresent:
		return 0
	case said.SMaxAge >= 0:
		return min(life, time.Duration(said.SMaxAge)*time.Second)
	case said.MaxAge >= 0:
		return min(life, time.Duration(said.MaxAge)*time.Second)
	}
	return life
}

// answer serves the kept copy. It may be called once.
func (k kept) answer(s State) *Answer {
	a := &Answer{
		Status: http.StatusOK, Header: make(http.Header, len(k.entry.Header)), Size: k.entry.Size,
		ETag: etag(k.entry.Digest), Body: k.blob,
		Report: Report{
			State: s, Source: k.entry.Source, Vouched: k.entry.Vouched, Digest: k.entry.Digest,
			Age: max(0, k.now.Sub(k.entry.Checked)),
		},
	}
	if s == Hit || s == Stale {
		a.Report.Saved = k.entry.Took
	}
	for key, value := range k.entry.Header {
		if key != "Etag" { // the origin's validator is between it and us
			a.Header.Set(key, value)
		}
	}
	return a
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

// repeated are the response headers that a client may need again.
var repeated = [...]string{
	"Content-Type", "Content-Disposition", "Last-Modified", "Etag", "Cache-Control", "Link",
	"Docker-Content-Digest", "Docker-Distribution-Api-Version", "Oci-Subject", "Oci-Filters-Applied",
}

func keepHeader(h http.Header) map[string]string {
	out := make(map[string]string)
	for _, key := range repeated {
		if v := h.Get(key); v != "" && len(v) <= 2048 {
			out[key] = v
		}
	}
	return out
}
