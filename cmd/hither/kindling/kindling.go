// Package kindling has connections ready before a client's next requests need them.
package kindling

import (
	"context"
	"sync"
	"time"

	"hither/forward/mark"
	"hither/forward/measure"
	"hither/rules"
)

// Lighter connects to the sources that a client's next requests will go to, at the first that the cache cannot answer, and
// before that when it asks whether a registry is there: TCP and TLS take three round trips, and registries have hosts that
// are not asked before the second round, such as a checksum database, or who gives tokens. The connections are let go when
// nothing uses them.
type Lighter struct {
	Connect func(ctx context.Context, base string, lanes int) error // transport.Pool.Warm
	Board   *measure.Board                                          // says which mirror leads

	mu   sync.Mutex
	last map[string]time.Time // of each rule, and of its stores
}

const (
	// kindleEvery is less than the time for which an idle connection stays.
	kindleEvery = time.Minute
	// kindleWait bounds one attempt.
	kindleWait = 10 * time.Second
	// kindleMost bounds the sources of one rule.
	kindleMost = 4
	// kindleLanes is how many connections large bodies begin with.
	kindleLanes = 8
	// kindleZips is how many connections the zips of Go modules begin with: a go command asks for four at once, or more, when it
	// has read the graph, and on the one connection that it would have had itself nothing would have to be opened then.
	kindleZips = 4
	// kindleSmall is how many connections, beside the common one, small things that are fetched ahead are dealt out over. A
	// server begins each with ten packets a round trip (RFC 6928), and a hundred answers come at once.
	kindleSmall = 11
	// kindleTiles is the same at a checksum database, where the first few modules lead to some twenty tiles of 8 KiB.
	kindleTiles = 4
)

// Light is told of each request that the cache does not answer. It does not wait for anything.
func (k *Lighter) Light(r *rules.Rule) {
	if k == nil {
		return
	}
	k.Greet(r)
	if r.Walk == "go" && k.due(r.Name+" small") { // an image has few small things, and npm's are larger
		for _, h := range r.Hosts {
			switch {
			case len(h.Origin) == 0:
			case h.Key != "":
				go k.connect(h.Origin[0], -kindleTiles, false)
			default:
				go func() {
					k.connect(h.Origin[0], -kindleSmall, false)
					k.connect(h.Origin[0], kindleZips, false) // no zip comes before the graph
				}()
			}
		}
	}
	if k.due(r.Name + " stores") {
		for _, h := range r.Hosts {
			for _, base := range h.Stores {
				go k.connect(base, kindleLanes, true)
			}
		}
	}
}

// Greet is told of each request that the cache is not asked about: a client asks whether a registry is there, or for a
// token. Whether it wants large bodies, and whether the cache has them, will show. It does not wait for anything.
func (k *Lighter) Greet(r *rules.Rule) {
	if k == nil || !k.due(r.Name) {
		return
	}
	go func() { // to rank the sources takes a while, too
		for _, base := range k.sources(r) {
			go k.connect(base, 0, false)
		}
		for _, h := range r.Hosts {
			for _, base := range h.Tokens {
				go k.connect(base, 0, true)
			}
		}
	}()
}

// connect makes connections to a base: as to a stranger, if it is the registry that sends us there, for then the requests
// will go so, too.
func (k *Lighter) connect(base string, lanes int, led bool) {
	ctx, cancel := context.WithTimeout(context.Background(), kindleWait) // it outlives the request that it is for
	defer cancel()
	if led {
		ctx = mark.Public(ctx)
	}
	_ = k.Connect(ctx, base, lanes) // the request itself will tell
}

// due says whether the last time for what is long ago.
func (k *Lighter) due(what string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if now.Sub(k.last[what]) < kindleEvery {
		return false
	}
	if k.last == nil {
		k.last = make(map[string]time.Time)
	}
	k.last[what] = now
	return true
}

// sources are the origins of a rule's hosts, of each the first, and the mirror that leads.
func (k *Lighter) sources(r *rules.Rule) (bases []string) {
	var mirrors []string
	for _, h := range r.Hosts {
		if len(bases) < kindleMost-1 && len(h.Origin) > 0 {
			bases = append(bases, h.Origin[0])
		}
	}
	for _, m := range r.Mirrors {
		if m.Off == "" {
			mirrors = append(mirrors, m.URL)
		}
	}
	if places := k.Board.Rank(mirrors, measure.Object{}); len(places) > 0 && places[0].Requests > 0 && places[0].State == measure.Good {
		bases = append(bases, places[0].Base)
	}
	return bases
}
