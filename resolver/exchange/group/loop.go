package group

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"hither/resolver/exchange"
)

const (
	// LoopZone is what the names of loop probes end with. It is never anybody's, and asked for like any other (RFC 6761, 6.5):
	// below invalid or test, servers such as unbound say themselves that there is nothing, so that no probe would come back.
	LoopZone = "hither-loop.example."
	// loopPatience is how long a probe may take to come back.
	loopPatience = 2 * time.Second
)

// looper is an Exchanger made of others that finds loops itself.
type looper interface {
	Probe(ctx context.Context)
	Seen(name string) bool
}

// Probe sends each upstream a TXT question for a name that nobody else knows, and returns when all have ended. If our own
// listener sees it, [Group.Seen] is told, and that upstream, which would have us ask ourselves for ever, is left out until
// [Group.Forget]. It is to be called at the start and after each change of the network.
func (g *Group) Probe(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for i, e := range g.Upstreams {
		running.Go(func() { g.probe(ctx, i, e) })
	}
	if g.Fallback != nil {
		running.Go(func() { g.probe(ctx, fallback, g.Fallback) })
	}
}

func (g *Group) probe(ctx context.Context, which int, e exchange.Exchanger) {
	if l, ok := e.(looper); ok {
		l.Probe(ctx)
		return
	}
	var uid [12]byte
	rand.Read(uid[:])
	name := hex.EncodeToString(uid[:]) + "." + LoopZone
	g.mu.Lock()
	if g.probes == nil {
		g.probes = map[string]int{}
	}
	g.probes[name] = which
	g.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, loopPatience)
	defer cancel()
	e.Exchange(ctx, new(dns.Msg).SetQuestion(name, dns.TypeTXT)) //nolint:errcheck // only what comes back to our listener counts
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.probes, name)
}

// Seen is to be called when our listener is asked for a name below [LoopZone]. It says whether that was one of our probes.
func (g *Group) Seen(name string) bool {
	name = strings.ToLower(dns.Fqdn(name))
	if !dns.IsSubDomain(LoopZone, name) {
		return false
	}
	if g.mark(name) {
		return true
	}
	for _, e := range g.all() {
		if l, ok := e.(looper); ok && l.Seen(name) {
			return true
		}
	}
	return false
}

func (g *Group) mark(name string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	which, ours := g.probes[name]
	if !ours {
		return false
	}
	looping, upstream := &g.fallbackLoops, g.Fallback
	if which != fallback {
		g.prepareLocked()
		looping, upstream = &g.figures[which].looping, g.Upstreams[which]
	}
	if !*looping && g.Log != nil {
		g.Log.Warn("this name server sends our questions back to us, so it is not asked any more; name another one in the setting dns-upstream", "server", fmt.Sprint(upstream))
	}
	*looping = true
	return true
}
