package fetch

import (
	"context"
	"strings"
	"time"

	"hither/cache"
	"hither/rules"
)

// changeLife is how long a change of a subject is remembered: longer than anything that may change is kept unasked.
const changeLife = 24 * time.Hour

// Changed is for who saw the origin take a client's change of what m names: a push, a publication. Neither what is kept of
// it counts any more, nor that it did not exist, nor what was asked for before (RFC 9111, section 4.4). What else of its subject
// may change is asked for anew: a manifest that is deleted takes its tags along, and a blob has another name than its upload.
func (f *Fetcher) Changed(ctx context.Context, m rules.Match) {
	if m.Subject != "" {
		subject, now := Request{Match: m}.subject(), f.now()
		f.changed.put(subject, now, now, changeLife, maxFacts)
		f.flights.outdate(func(_ string, fl *flight) bool {
			return fl.req.Path.Keep != rules.Forever && fl.req.subject() == subject
		})
	}
	if m.Path.Keep == rules.Never {
		return
	}
	f.change(ctx, m.Name)
	for _, variant := range m.Path.Variants {
		if other := m.WithVariant(variant); other.Name != m.Name {
			f.change(ctx, other.Name)
		}
	}
}

func (f *Fetcher) change(ctx context.Context, name string) {
	f.flights.outdate(func(key string, _ *flight) bool { return strings.HasPrefix(key, name+"\n") })
	f.gone.drop(name)
	f.meant.drop(name)
	_ = f.Store.Forget(ctx, cache.Name(name)) // a store that is in trouble serves nothing either
}

// changedSince says that a client has changed something of the subject since then.
func (f *Fetcher) changedSince(req Request, then time.Time) bool {
	if req.Subject == "" {
		return false
	}
	when, ok := f.changed.get(req.subject(), f.now())
	return ok && !then.After(when)
}

// outdate lets nobody join those flights any more that are of what was changed, by their key or what they are for.
func (fs *flights) outdate(changed func(key string, fl *flight) bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for key, fl := range fs.open {
		if changed(key, fl) {
			fl.dropped = true
			fl.outdated.Store(true)
		}
	}
}
