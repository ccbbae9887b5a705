package prefetch

import (
	"slices"
	"strings"

	"hither/forward/prefetch/golang"
	"hither/forward/prefetch/npm"
)

// Begin tells of a client that was started just now and has not asked for anything. Many take a second to get that far, in
// which what their project names can come. Registry is the host that it will ask. What is wanted because of that is bounded
// like all that is asked for ahead; if the client never comes, it ends after a minute, or when another of its kind begins.
func (p *Prefetcher) Begin(registry string, at Place) {
	rule, ok := p.Rules().Host(registry)
	if !ok || at.Dir == "" || p.Walks[rule.Walk] == nil {
		return
	}
	who := p.acquainted(rule, newClient(at))
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.alive() {
		return
	}
	if r := p.runs[rule.Name+"\x00"+who.key]; r != nil && r.who.pid != who.pid && r.vacant() {
		p.endLocked(r) // of a command like this one that is over, and found another project perhaps
	}
	p.openRun(rule, who)
}

// vacant says that no connection of the client is open.
func (r *run) vacant() bool {
	for c := range r.conns {
		if !closed(c.key.gone) {
			return false
		}
	}
	return true
}

// newClient is who works at a place.
func newClient(at Place) *client {
	key := at.Dir + "\x00" + strings.Join(at.Args, "\x00")
	return &client{key: key, pid: at.PID, parents: at.Parents, dir: at.Dir, args: at.Args, private: at.Private, has: at.Has}
}

// recognise returns the client that Begin told of, if that is who it is, or who started it in the same place: programs write
// their arguments anew when they have begun, and npm.cmd, or Volta's npm, start the real one. Otherwise it is who it seems
// to be.
func (p *Prefetcher) recognise(who *client) *client {
	if who.pid == 0 {
		return who
	}
	for _, r := range p.order {
		if r.who.dir == who.dir && r.who.pid != 0 && (r.who.pid == who.pid || who.startedBy(r.who)) {
			return r.who
		}
	}
	return who
}

// startedBy tells the program that another stands for from the many that an npm starts for its scripts, or a go for tests.
func (c *client) startedBy(other *client) bool {
	if !slices.Contains(c.parents, other.pid) {
		return false
	}
	if golang.Is(c.args) && golang.Is(other.args) { // another toolchain
		return slices.Equal(c.args[1:], other.args[1:])
	}
	return npm.Alike(c.args, other.args)
}
