package prefetch

import (
	"context"
	"slices"
	"time"

	"hither/cache"
	"hither/forward/fetch"
	"hither/rules"
)

// News knows, of one ecosystem, which versions are wanted, so that a document which was kept, and does not tell of those, is asked
// for anew. Its methods may be called from many goroutines.
type News interface {
	// Reads says whether m is such a document.
	Reads(m rules.Match) bool
	// Wants is what a process wants, by its arguments and, if dir is not empty, by the files of the project there. It may take
	// some milliseconds. Note writes it down, for a registry.
	Wants(dir string, args []string) (note func(*rules.Rule, time.Time))
	// Anew says that a process wants to know what there is now, of all that it asks for.
	Anew(args []string) bool
	// Came is told of a document that changed lately.
	Came(m rules.Match, document []byte, now time.Time)
	// Lacks says that a document which is kept does not tell of what is wanted. It was confirmed then; fresh: by its age it
	// need not be asked for.
	Lacks(m rules.Match, kept cache.Blob, checked time.Time, fresh bool) bool
}

// acquainted is a client with what its project wants of a registry. The files are read once for each process, or for each of the
// connections that it begins with.
func (p *Prefetcher) acquainted(rule *rules.Rule, who *client) *client {
	news := p.News[rule.Walk]
	if news == nil || who.pid == 0 {
		return who
	}
	p.mu.Lock()
	known := slices.ContainsFunc(p.order, func(r *run) bool { return r.heard == who.pid })
	p.mu.Unlock()
	if known {
		return who
	}
	with := *who
	with.wants, with.walk = news.Wants(who.dir, who.args), rule.Walk
	return &with
}

// hear notes what a run's client wants, by its command and its project, once for each process.
func (p *Prefetcher) hear(r *run, who *client) {
	news := p.News[r.rule.Walk]
	if news == nil || who.pid == 0 || who.pid == r.heard {
		return
	}
	r.heard = who.pid
	wants := who.wants
	if wants == nil || who.walk != r.rule.Walk {
		wants = news.Wants("", who.args)
	}
	wants(r.rule, p.now())
}

// Came is fetch.Fetcher.Came.
func (p *Prefetcher) Came(m rules.Match, document []byte) {
	if news := p.News[m.Rule.Walk]; news != nil {
		news.Came(m, document, p.now())
	}
}

// Lacks is fetch.Fetcher.Lacks.
func (p *Prefetcher) Lacks(ctx context.Context, req fetch.Request, kept fetch.Copy) bool {
	news := p.News[req.Rule.Walk]
	if news == nil || !news.Reads(req.Match) {
		return false
	}
	if req.Client != nil {
		who := p.meet(ctx, *req.Client) // what it wants is noted by then
		if who != nil && !kept.Fresh && news.Anew(who.args) {
			return true
		}
	}
	return news.Lacks(req.Match, kept.Body, kept.Checked, kept.Fresh)
}

// meet waits until it is known who is at the other end of a connection; nil: that will not be known. Project, and to
// read what the client's own project names, take some milliseconds; each is waited for no longer than tellWithin.
func (p *Prefetcher) meet(ctx context.Context, c fetch.Client) *client {
	key := connection{c.From, c.To, c.Gone}
	p.mu.Lock()
	defer p.mu.Unlock()
	open := p.conns[key]
	if open == nil || !p.alive() {
		return nil
	}
	p.mu.Unlock()
	select {
	case <-open.known:
	case <-p.ctx.Done():
	case <-ctx.Done():
	}
	p.mu.Lock()
	return open.who
}
