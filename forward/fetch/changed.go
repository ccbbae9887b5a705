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
		f.changed.put(Request{Match: m}.subject(), f.now(), f.now(), changeLife, maxFacts)
		f.flights.outdateSubject(Request{Match: m}.subject())
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
	f.flights.outdate(name)
	f.gone.drop(name)
	f.meant.drop(name)
	_ = f.Store.Forget(ctx, cache.Name(name)) // a store that is in trouble serves nothing either
}

// changedSince says that a client has changed something of the subject since then.
func (f *Fetcher) changedSince(req Request, then time.Time) bool {
	when, ok := f.changed.get(req.subject(), f.now())
	return ok && req.Subject != "" && !then.After(when)
}

// outdateSubject is outdate for all of a subject that may change.
func (fs *flights) outdateSubject(subject string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, fl := range fs.open {
		if fl.req.Path.Keep != rules.Forever && fl.req.subject() == subject {
			fl.dropped = true
			fl.outdated.Store(true)
		}
	}
}

// outdate lets nobody join the flights for a name any more.
func (fs *flights) outdate(name string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for key, fl := range fs.open {
		if strings.HasPrefix(key, name+"\n") {
			fl.dropped = true
			fl.outdated.Store(true)
		}
	}
}
