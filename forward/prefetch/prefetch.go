// Package prefetch asks for what a client will ask for next, before it does: clients of package registries ask for one
// thing after another, and on a far link the rounds cost more than the bytes.
//
//	p := &prefetch.Prefetcher{Rules: set, Fetch: fetcher.Fetch, Walks: map[string]func(registry string) prefetch.Walk{"go": …}}
//	fetcher.Trace.Asked, fetcher.Trace.Answered = p.Asked, p.Answered
//	fetcher.Lacks, fetcher.Came = p.Lacks, p.Came
//	err := p.Run(ctx)
//
// A [Walk] knows how the clients of one ecosystem go on; the packages golang, npm and oci have one each. A run is one run of
// one client; what its walk wants waits in queues and is fetched through fetch with Request.Ahead, so that it merges with what
// clients ask for and gives way to it.
//
// # What may be guessed
//
// Guesses cost others something, so they are accounted for. Each thing fetched ahead is used when the client asks for it,
// and wasted when the run ends, ten minutes pass, or the client passes it by: asked for 16 things (bulk: 8, npm: 32) of the same line
// that were begun after it, or not yet. A line is the wants of one reason in one run. Whoever is used after all is wasted no
// more. What the cache had already cost nothing and counts as nothing, unless it is used.
//
//   - A reason whose things were used in less than a third of the cases (bulk: nine in ten), of 20 or more, is held back: one
//     in ten is tried. What is held back and then asked for counts as right, so that a reason can recover for nothing.
//   - What follows from answers is a guess, unless the walk knows better; not what follows from what the client itself asked
//     for, from its project (alone, or with those answers that the project says decide it), or from last time. Of a line of
//     guesses no more lie unused than the client asked for and 32 (bulk: than were used and 2). So a reason that is wrong more
//     often than right comes to an end within its first run. Where the client asks for what is not under way yet, all lines of
//     guesses go on behind that. What it went past so comes last, and only while less than 32 of its line lie unused.
//   - Nothing is guessed, and no answer read for it, while the client gets all from the cache: who has it all would be asked
//     for more each time, and nobody is faster for that. The first thing that is far away sets all of it free.
//   - Of the guessed metadata of a run no more lies unused, wasted or not, than the client needed and 50, and of what is no
//     guess no more than it needed and 90. A client that has most of its project's things already, and confirms little, costs no
//     more than that. Only what the project names and the client is known not to have is certain, and has no such bound.
//   - Of all bulk of a run no more things lie unused than were used and 8, unless its project names exactly what the client
//     will ask for. Who reads a project's metadata will want its packages, so metadata that was used counts, too; but not of
//     a build.
//   - No more bytes of bulk lie unused than twice what the client got and 16 MiB, and never more than 512 MiB: as far as it is
//     known how large they are, which is told when they begin to come.
//   - A client that was told of, and has asked for nothing, may end before it does: 1000 things lie unused until then, and of
//     packages none where it may need none, as a build.
//   - Bulk stops while more of it was wasted in this run than 5 % of the bytes the client got, or 1 MiB if that is more;
//     of what lies unused, as much counts as wasted as was wrong so far.
//   - What a registry refused was asked for all the same, and lies unused until the client asks for it, too.
package prefetch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"hither/forward/fetch"
	"hither/forward/prefetch/recall"
	"hither/forward/project"
	"hither/rules"
)

// Prefetcher is set up once; its methods may be called from many goroutines. Before Run, and after its end, it does nothing.
type Prefetcher struct {
	Rules func() *rules.Set                                           // the rules in force
	Fetch func(context.Context, fetch.Request) (*fetch.Answer, error) // fetch.Fetcher.Fetch
	// Walks begin a run at a registry, by rules.Rule.Walk; a rule without one is left alone. They are told the registry's base
	// URL, as its clients know it: https://HOST.
	Walks map[string]func(registry string) Walk
	News  map[string]News // by rules.Rule.Walk; one without has none
	// Project tells where a client works and with which arguments it was called. It may take some milliseconds, and is called
	// beside requests. nil: nobody knows.
	Project func(fetch.Client) (Place, bool)
	// Ready has connections made to a registry that will soon be asked. It does not wait for anything. nil: nobody can.
	Ready    func(*rules.Rule)
	Recall   *recall.Memory   // what runs asked for last time; nil: nothing is remembered
	Metadata int              // fetches of metadata under way at one registry; 0: 90
	Bulk     int              // fetches of packages under way at one registry; 0: 8
	Window   int64            // bytes of packages that may be under way at one registry beyond Bulk, 90 at most; 0: 8 MiB
	Budget   int64            // bytes of packages that may lie unused in one run; 0: 512 MiB
	Bodies   int64            // bytes of clients' answers that are read, or wait for that, in memory; 0: 64 MiB
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: silence

	mu       sync.Mutex
	ctx      context.Context //nolint:containedctx // of everything that is started; nil before Run, done after it
	wg       sync.WaitGroup
	conns    map[connection]*conn
	runs     map[string]*run
	order    []*run // those of runs, oldest first
	lanes    map[string]*lane
	accounts map[reason]*account
	objects  int   // of all runs
	under    int   // fetches ahead that are under way
	reading  int   // bodies of clients' answers that are read
	bodies   int64 // bytes of bodies that are read, or wait for their walk
	ticking  bool
}

// Place is where a client works.
type Place struct {
	Dir  string   // absolute
	Args []string // of its command line, the program first
	// PID is its process, and Parents are those above it, by which a client that Begin told of is known again: what was started
	// may be a small program that starts the real one. 0: nobody knows.
	PID     int
	Parents []int
	// Has says whether the client keeps what its project names already, so that it will not ask for it. nil: nobody knows, and
	// what the project names is wanted with care.
	Has     func(project.Want) bool
	Private []string // patterns as in GOPRIVATE of names that it does not ask the registry for, so that we must not either
}

const (
	maxRuns    = 256      // one more, and the oldest ends
	maxConns   = 4096     // of which runs are known; those beyond are told apart by address alone
	maxNames   = 20_000   // that a client asks for in one run, and that are fetched ahead for it
	maxObjects = 100_000  // of all runs, some hundred bytes each
	maxReading = 32       // bodies of clients' answers read at once
	maxBody    = 32 << 20 // bytes of one body that a walk is told of; nearly all packuments have less than 10 MB
	MaxBodies  = 64 << 20 // bytes of all of them in memory
)

// Run lets the prefetcher work until ctx ends, and waits for what it started. It is called once.
func (p *Prefetcher) Run(ctx context.Context) error {
	p.mu.Lock()
	if p.ctx != nil {
		p.mu.Unlock()
		return errors.New("the prefetcher was started twice: make one for each Run")
	}
	p.ctx = ctx
	p.conns, p.runs = make(map[connection]*conn), make(map[string]*run)
	p.lanes, p.accounts = make(map[string]*lane), make(map[reason]*account)
	p.mu.Unlock()
	if p.Recall != nil {
		p.Recall.Load(p.log())
	}
	<-ctx.Done()
	p.mu.Lock()
	for len(p.order) > 0 {
		p.endLocked(p.order[0])
	}
	p.mu.Unlock()
	p.wg.Wait()
	if p.Recall != nil {
		p.Recall.Save(p.log())
	}
	return nil
}

// Asked is fetch.Trace.Asked.
func (p *Prefetcher) Asked(req fetch.Request) {
	// Whoever shows credentials may mean something private. It is no more than a rumour until the origin gave it to us, who
	// have none: Answered tells.
	if !req.Doubtful {
		p.told(req, nil)
	}
}

// Answered is fetch.Trace.Answered.
func (p *Prefetcher) Answered(req fetch.Request, r fetch.Report) {
	if req.Doubtful {
		p.told(req, nil)
	}
	p.told(req, &r)
}

// Filled is fetch.Trace.Filled; without it the packages that a client waits for count as under way for a while too long.
func (p *Prefetcher) Filled(r fetch.Report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.lanes[r.Rule]; l != nil && p.alive() {
		if w, ok := l.demands[string(r.Name)]; ok {
			if w.unpaid {
				w.r.tally[bulk].neededBytes += max(r.Bytes, 0)
			}
			delete(l.demands, string(r.Name))
			p.scheduleLocked()
		}
	}
}

// told hands on that a client asked, or with a report that it was answered.
func (p *Prefetcher) told(req fetch.Request, report *fetch.Report) {
	if req.Ahead || req.Beside || req.Head && req.Path.Keep == rules.Forever || p.Walks[req.Rule.Walk] == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.alive() {
		return
	}
	e := event{match: req.Match, kind: demanded, claim: req.Claim, agent: req.Agent}
	if e.head = req.Head; e.head {
		e.depth = 1 // whether it wants what that leads to is not known yet
	}
	if report != nil {
		e.kind, e.state, e.size = answered, report.State, report.Bytes
	}
	if r := p.runOf(req, e); r != nil {
		p.deliver(r, e)
	}
}

// alive says whether something may be started.
func (p *Prefetcher) alive() bool { return p.ctx != nil && p.ctx.Err() == nil }

// spawn starts what Run waits for. The caller holds mu, and has seen that p is alive.
func (p *Prefetcher) spawn(f func()) {
	p.wg.Go(f)
}

func (p *Prefetcher) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

func (p *Prefetcher) log() *slog.Logger {
	if p.Log != nil {
		return p.Log
	}
	return slog.New(slog.DiscardHandler)
}
