// Package projects says where clients work, whom they ask, and what they have already, by their processes and the settings of
// their tools, so that what a project needs can be fetched ahead, and nobody hears of it who must not.
//
//	at, ok := projects.New(all, own, 0).Where(client)
package projects

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/goenv"
	"hither/forward/fetch"
	"hither/forward/peer"
	"hither/forward/prefetch"
	"hither/forward/prefetch/golang"
	"hither/forward/project"
)

// Bounds of what is remembered of clients.
const (
	projectsKept = 1024        // connections
	projectsWait = time.Minute // how long an answer stands: a connection may be handed on, and its process may go elsewhere
	placingWait  = 2 * time.Second
)

// Finder tells where a client works, so that what its project needs can be fetched ahead. It looks at nobody's process
// unless the user allowed it: for all of the user's programs with read-projects, else for those that `hither run` started,
// while it runs. What it learns stays in memory. Its methods may be called at the same time.
type Finder struct {
	All bool                                                // the setting read-projects
	Own []string                                            // HOST:PORT that Hither listens on: a gateway there stands for the public registry
	Of  func(from, to netip.AddrPort) (peer.Process, error) // nil: peer.Finder's
	Now func() time.Time                                    // nil: time.Now

	finder peer.Finder

	mu     sync.Mutex
	runs   map[int]int // how many leases a `hither run` has, by its process
	seen   map[connectionEnds]*sighting
	order  []connectionEnds // of seen, oldest first
	latest placing
}

// New allows those of all, as read-projects says, or else of what runs below runner, the `hither run` that this Hither is
// started for; 0: there is none. own are HOST:PORT that Hither listens on.
func New(all bool, own []string, runner int) *Finder {
	p := &Finder{All: all, Own: own}
	p.Enter(runner) // it ends when this Hither does
	return p
}

// connectionEnds tells connections apart; a port may soon belong to another, whose Gone is another.
type connectionEnds struct {
	from, to netip.AddrPort
	gone     <-chan struct{}
}

// sighting is who was seen at the other end.
type sighting struct {
	process peer.Process
	ok      bool
	until   time.Time
}

// Enter lets the projects of all processes below pid be read until leave is called. Numbers that no `hither run` can have
// change nothing: everything is below the first process.
func (p *Finder) Enter(pid int) (leave func()) {
	if pid <= 1 {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.runs == nil {
		p.runs = map[int]int{}
	}
	p.runs[pid]++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.runs[pid]--; p.runs[pid] == 0 {
			delete(p.runs, pid)
		}
	})
}

// Where is prefetch.Prefetcher's Project: where the client works and how it was called. ok is false if that is not known, or
// not allowed. It may take some milliseconds.
func (p *Finder) Where(c fetch.Client) (at prefetch.Place, ok bool) {
	if !p.mayLook() || !c.From.IsValid() || !c.To.IsValid() {
		return at, false
	}
	process, ok := p.look(connectionEnds{c.From, c.To, c.Gone})
	if !ok || !p.allows(process) {
		return at, false
	}
	return p.placeOf(process), true
}

// Begun is Where, for a process that has not connected yet, and was started with args. ok is false for one that will ask others
// than us, too: it will never connect.
func (p *Finder) Begun(pid int, args []string) (at prefetch.Place, ok bool) {
	if !p.mayLook() {
		return at, false
	}
	process, err := peer.ByPID(pid)
	if err != nil || !p.allows(process) {
		return at, false
	}
	process.Args = args
	if goesPast(process) {
		return at, false
	}
	if to := golang.Dir(args); to != "" {
		return p.goneTo(process, to)
	}
	return p.place(process), true
}

// goneTo is the place of a process that goes to a directory as it starts, and may be there already: who started it is not.
func (p *Finder) goneTo(process peer.Process, to string) (at prefetch.Place, ok bool) {
	if !filepath.IsAbs(to) {
		if len(process.Parents) == 0 {
			return at, false
		}
		starter, err := peer.ByPID(process.Parents[0])
		if err != nil {
			return at, false
		}
		to = filepath.Join(starter.Dir, to)
	}
	to, err := filepath.EvalSymlinks(to) // so the system will name it
	if err != nil {
		return at, false
	}
	process.Dir = to
	return p.place(process), true
}

// goesPast says that npm will ask its registry without us, for its noproxy or NO_PROXY says so, or its command line names
// another proxy, which goes before the one that `hither run` has set; or that a go command has no gateway of ours, which
// `hither run` sets for all that would ask the public proxy.
func goesPast(process peer.Process) bool {
	if golang.Is(process.Args) {
		return !goenv.IsGateway(goenv.First(environ.List(process.Caching).Get("GOPROXY")))
	}
	args, ok := npmArgs(process.Args)
	if !ok {
		return false
	}
	r := clientSettings(process, process.Caching)
	r.Args = args
	settings := r.Read()
	return settings.Blind || settings.Commanded("proxy")+settings.Commanded("https-proxy") != "" || settings.Bypasses(strings.TrimPrefix(project.NPMRegistry, "https://"))
}

// placing is what was found out of a process. It stands for placingWait: pnpm connects anew for each package, and the settings of
// five tools would be read each time.
type placing struct {
	process peer.Process
	place   prefetch.Place
	until   time.Time
}

// placeOf is place, if it is not known from the connection before.
func (p *Finder) placeOf(process peer.Process) prefetch.Place {
	p.mu.Lock()
	known := p.latest
	p.mu.Unlock()
	if p.now().Before(known.until) && reflect.DeepEqual(known.process, process) {
		return known.place
	}
	at := p.place(process)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest = placing{process, at, p.now().Add(placingWait)}
	return at
}

func (p *Finder) place(process peer.Process) prefetch.Place {
	env := environ.List(process.Caching)
	return prefetch.Place{
		PID: process.PID, Parents: process.Parents, Dir: process.Dir, Args: withNpmSettings(process, env),
		Private: slices.Concat(process.Private, p.elsewhere(process, env)), Has: keeps(process, env),
	}
}

// mayLook says whether any process may be looked at.
func (p *Finder) mayLook() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.All || len(p.runs) > 0
}

// allows is asked anew for each answer, since leases end. Our own connections are nobody's project.
func (p *Finder) allows(process peer.Process) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if process.PID == os.Getpid() {
		return false
	}
	return p.All || slices.ContainsFunc(process.Parents, func(pid int) bool { return p.runs[pid] > 0 })
}

// look asks the system, unless it did lately. Nothing is locked meanwhile; two may ask for the same.
func (p *Finder) look(ends connectionEnds) (peer.Process, bool) {
	if s := p.known(ends); s != nil {
		return s.process, s.ok
	}
	of := p.Of
	if of == nil {
		of = p.finder.Of
	}
	process, err := of(ends.from, ends.to)
	p.keep(ends, &sighting{process, err == nil, p.now().Add(projectsWait)})
	return process, err == nil
}

func (p *Finder) known(ends connectionEnds) *sighting {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.seen[ends]; s != nil && p.now().Before(s.until) {
		return s
	}
	return nil
}

func (p *Finder) keep(ends connectionEnds, s *sighting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen = map[connectionEnds]*sighting{}
	}
	if p.seen[ends] == nil {
		p.order = append(p.order, ends)
	}
	p.seen[ends] = s
	for len(p.order) > projectsKept || len(p.order) > 0 && !p.now().Before(p.seen[p.order[0]].until) {
		delete(p.seen, p.order[0])
		p.order = p.order[1:]
	}
}

func (p *Finder) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}
