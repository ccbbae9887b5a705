package npm

import "slices"

// npm looks at the optional peers of whatever it chooses, and at the peers of those, lest it puts versions together that
// exclude each other (npm 7 to 11.19, and 12.0; loadPeerSet of @npmcli/arborist). It asks for their packuments, and for nothing
// that they depend on: unless somebody else needs them, they are not installed. Later ones look only at what is there already
// (npm/cli#9877).

// Guesses says that an optional peer is one, and all other packuments that waited for the client's first request.
func (w *Walk) Guesses(why string, usually bool) bool {
	return usually || why == whyGlance || w.waited && why != whyTarball && why != whyLatest
}

// glance looks at the version of a package that an optional peer would be.
func (w *Walk) glance(p *pkg, want request) {
	for _, r := range slices.Concat(p.picks, p.looks) {
		if want.kind == byRange && want.fits(r) {
			return
		}
	}
	r := p.doc.pick(want, w.machine)
	if r == nil || slices.Contains(p.looks, r) || slices.Contains(p.picks, r) {
		return
	}
	p.looks = append(p.looks, r)
	for _, n := range p.doc.sheet(r).needs() {
		if n.peer {
			w.need(want.by, n, true)
		}
	}
}

// installs is told that the client asks for a packument that nothing chosen needs. True: something needs it that was only
// looked at, which is chosen now.
func (w *Walk) installs(name string) bool {
	for _, p := range w.needers[name] {
		for _, r := range p.looks {
			if len(p.picks) > 0 {
				break
			}
			w.work += clueWork
			if slices.ContainsFunc(p.doc.sheet(r).needs(), func(n need) bool { return n.name == name && !n.peer }) {
				w.choose(p, r)
				return true
			}
		}
	}
	return false
}
