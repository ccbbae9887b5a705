package npm

import (
	"net/url"
	"slices"
	"strings"
)

// Nobody says which versions the project itself wants, unless its package.json is read. So latest is assumed of what the
// client asks for first, and what it asks for later tells where that was wrong.

// maxBehind is by how many major versions behind latest a project is believed to be.
const maxBehind = 4

// maxChain is how many packages may lie between one that the client asks for and the project's own that leads to it.
const maxChain = 8

// maxPuzzles is how many packuments that nothing chosen needs wait until what the last move led to is here.
const maxPuzzles = 16

// clueWork is what it takes to look on a sheet for a clue, as maxWork counts.
const clueWork = 80

// maxLed bounds how far it is looked back at what led to a version. In real trees that are some 30 packages.
const maxLed = 1000

// clue is a dependency that a version must have.
type clue struct {
	name    string
	version *release // that will do; nil: any will
}

// move is another version of a package that the project itself wants, which would explain what the client asks for.
type move struct {
	of     *pkg
	to     *release
	clues  []clue
	behind uint64 // by how many major versions what was believed so far
	chain  int    // what is left of maxChain
}

// explain is told that the client asks for a packument that no chosen version needs. Of the packages whose version was a
// guess, there may be one an older version of which needs it, or needs an older version of what does: then the project
// wants that one, the one nearest to what was believed.
func (w *Walk) explain(name string) {
	if !w.predicted || w.installs(name) {
		return // the client is still at the packages of the project, one after another
	}
	w.puzzles = append(w.puzzles, name)
	if w.pending == 0 || len(w.puzzles) >= maxPuzzles { // else what is on its way may tell
		w.solve()
	}
}

// solve moves what explains the puzzles, until there are none, or a move wants packuments that may explain the rest.
func (w *Walk) solve() {
	for len(w.puzzles) > 0 && w.work < maxWork {
		name := w.puzzles[0]
		w.puzzles = w.puzzles[1:]
		if p := w.packages[name]; p == nil || p.needed {
			continue
		}
		if m := w.bestMove(name); m != nil {
			w.refuted[m.of.last()] = true
			m.of.clues = m.clues
			w.moves, w.pending = w.moves+1, 0
			w.choose(m.of, m.to)
		}
		if w.pending > 0 {
			return
		}
	}
}

func (w *Walk) bestMove(name string) *move {
	var best *move
	for _, p := range w.needers[name] {
		w.work += p.doc.weight
		if len(p.picks) == 0 || p.name == name {
			continue
		}
		if m := w.move(p, clue{name: name}, maxChain); m != nil && (best == nil || m.before(best)) {
			best = m
		}
	}
	return best
}

// move is how a version of p that has the clue would come into the tree; nil: it would not, as far as it is known.
func (w *Walk) move(p *pkg, c clue, chain int) *move {
	clues := append(slices.Clone(p.clues), c)
	to, now := w.lastWith(p.doc, clues), p.last()
	if to == nil || chain == 0 || slices.Contains(p.picks, to) {
		return nil
	}
	if now.by != nil {
		w.work += w.home[now.by].doc.weight
		return w.move(w.home[now.by], clue{p.name, to}, chain-1)
	}
	behind := now.version.Major - to.version.Major
	if !p.assumed || to.version.Compare(now.version) > 0 || behind >= maxBehind {
		return nil
	}
	return &move{p, to, clues, behind, chain}
}

// before says that a move takes less for granted than another.
func (m *move) before(o *move) bool {
	return m.behind < o.behind || m.behind == o.behind && m.chain > o.chain
}

// last is the version that was chosen last. There must be one.
func (p *pkg) last() *release { return p.picks[len(p.picks)-1] }

// refutes tells whether a version was chosen only because of a guess that has turned out wrong.
func (w *Walk) refutes(r *release) bool {
	for range maxLed {
		w.work++
		if r == nil || len(w.refuted) == 0 {
			return false
		}
		if w.refuted[r] {
			return true
		}
		r = r.by
	}
	return false
}

// doubts asks anew what was answered with a version that is refuted by now.
func (w *Walk) doubts(p *pkg, want request) bool {
	if p.doc == nil || w.refutes(want.by) || !slices.ContainsFunc(p.picks, w.refutes) {
		return false
	}
	p.asks = append(p.asks, want)
	return true
}

// restore is told of another reason for a version that was chosen already. If that reason holds, so does the version.
func (w *Walk) restore(r, by *release) {
	if w.refutes(r) && !w.refutes(by) {
		delete(w.refuted, r)
		r.by = by
	}
}

// lastWith is the highest release that has all the clues; nil: none has. The highest usually come last, and few are looked at.
func (w *Walk) lastWith(d *packument, clues []clue) (best *release) {
	lacks := make([]bool, len(d.facts))
	for i := len(d.releases) - 1; i >= 0 && w.work < maxWork; i-- {
		r := &d.releases[i]
		if !r.readable || r.version.Pre != "" || lacks[r.facts] || best != nil && r.version.Compare(best.version) <= 0 {
			continue
		}
		lacks[r.facts] = slices.ContainsFunc(clues, func(c clue) bool { return !w.has(&d.facts[r.facts], c) })
		if !lacks[r.facts] {
			best = r
		}
	}
	return best
}

// has says that what a release needs fits a clue.
func (w *Walk) has(f *facts, c clue) bool {
	w.work += 1 + len(f.raw)/400
	if !strings.Contains(f.raw, `"`+c.name+`":`) {
		return false
	}
	w.work += clueWork + len(f.raw)/20
	for _, n := range f.about(c.name).needs() {
		name, want, ok := parseRequest(n.name, n.spec)
		switch {
		case !ok || n.optional || name != c.name:
		case c.version == nil:
			return true
		case want.kind == byVersion:
			return want.text == c.version.id
		default:
			return want.kind == byRange && c.version.readable && want.ranged.Holds(c.version.version)
		}
	}
	return false
}

// correct is told which tarball the client asks for: that version is what it chose, and it needs what it needs.
func (w *Walk) correct(name, clean string) {
	p := w.packages[name]
	path, err := url.PathUnescape(clean)
	if p == nil || p.doc == nil || err != nil || w.work >= maxWork {
		return
	}
	w.work += p.doc.weight
	for i := range p.doc.releases {
		if r := &p.doc.releases[i]; strings.HasSuffix(r.tarball, path) {
			delete(w.refuted, r)
			w.choose(p, r)
			w.prove(r)
			return
		}
	}
}
