package prefetch

import (
	"net/url"
	"slices"
	"strings"
)

// Nobody says which versions the project itself wants, unless its package.json is read. So latest is assumed of what the
// client asks for first, and what it asks for later tells where that was wrong.

// maxBehind is by how many major versions behind latest a project is believed to be.
const maxBehind = 4

// explain is told that the client asks for a packument that no chosen version needs. Of the packages whose version was a
// guess, there may be one an older version of which needs it: then the project wants that one, the one nearest to latest.
func (w *npmWalk) explain(name string) {
	if !w.predicted {
		return // the client is still at the packages of the project, one after another
	}
	var who *npmPackage
	var which *npmRelease
	near := uint64(maxBehind)
	for _, p := range w.guessed {
		w.work += p.doc.weight
		r, behind := p.doc.lastWith(name)
		if r != nil && behind < near && len(p.picks) == 1 && p.picks[0] != r {
			who, which, near = p, r, behind
		}
	}
	if who != nil {
		w.refuted[who.picks[0]] = true
		w.choose(who, which)
	}
}

// refutes tells whether a version was chosen only because of a guess that has turned out wrong.
func (w *npmWalk) refutes(r *npmRelease) bool {
	for range npmPackages {
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
func (w *npmWalk) doubts(p *npmPackage, want npmRequest) bool {
	if p.doc == nil || w.refutes(want.by) || !slices.ContainsFunc(p.picks, w.refutes) {
		return false
	}
	p.asks = append(p.asks, want)
	return true
}

// restore is told of another reason for a version that was chosen already. If that reason holds, so does the version.
func (w *npmWalk) restore(r, by *npmRelease) {
	if w.refutes(r) && !w.refutes(by) {
		delete(w.refuted, r)
		r.by = by
	}
}

// lastWith is the highest release that needs a package, and by how many major versions it is behind the highest of all.
// nil: none does.
func (d *packument) lastWith(name string) (best *npmRelease, behind uint64) {
	var major uint64
	key := `"` + name + `":`
	has := make([]bool, len(d.facts))
	for i := range d.facts {
		has[i] = strings.Contains(d.facts[i].raw, key)
	}
	for i := range d.releases {
		r := &d.releases[i]
		if !r.readable || r.version.pre != "" {
			continue
		}
		major = max(major, r.version.major)
		if (best == nil || r.version.compare(best.version) > 0) && has[r.facts] {
			best = r
		}
	}
	if best == nil {
		return nil, 0
	}
	return best, major - best.version.major
}

// correct is told which tarball the client asks for: that version is what it chose, and it needs what it needs.
func (w *npmWalk) correct(name, clean string) {
	p := w.packages[name]
	path, err := url.PathUnescape(clean)
	if p == nil || p.doc == nil || err != nil || w.work >= npmWork {
		return
	}
	w.work += p.doc.weight
	for i := range p.doc.releases {
		if r := &p.doc.releases[i]; strings.HasSuffix(r.tarball, path) {
			delete(w.refuted, r)
			w.choose(p, r)
			return
		}
	}
}
