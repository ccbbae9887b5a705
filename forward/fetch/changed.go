package fetch

import (
	"context"
	"strings"

	"hither/cache"
	"hither/rules"
)

// Changed is for who saw the origin take a client's change of what m names: a push, a publication. Neither what is kept of
// it counts any more, nor that it did not exist, nor what was asked for before (RFC 9111, section 4.4).
func (f *Fetcher) Changed(ctx context.Context, m rules.Match) {
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
