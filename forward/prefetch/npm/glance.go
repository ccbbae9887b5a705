package npm

import (
	"slices"
	"strings"

	"hither/forward/prefetch/npm/semver"
)

// npm looks at the optional peers of whatever it chooses, and at the peers of those, lest it puts versions together that
// exclude each other (npm 7 to 11.19, and 12.0; loadPeerSet of @npmcli/arborist). It asks for their packuments, and for nothing
// that they depend on: unless somebody else needs them, they are not installed. Later ones look only at what is there already
// (npm/cli#9877).

// Agent learns from what npm calls itself, as npm/11.21.2 node/v20.20.2 linux x64, whether it looks at optional peers.
func (w *Walk) Agent(agent string) {
	word, _, _ := strings.Cut(agent, " ")
	if text, ok := strings.CutPrefix(word, "npm/"); ok {
		v, _ := semver.ParseVersion(text, true)
		w.blind = v.Major == 11 && v.Minor >= 20 || v.Major == 12 && v.Minor >= 1 || v.Major > 12
	}
}

// looks says whether the client looks at optional peers. As long as nobody knows which npm it is, by, which has some, is noted.
func (w *Walk) looks(by *release) bool {
	if !w.heard && (len(w.unlooked) == 0 || w.unlooked[len(w.unlooked)-1] != by) {
		w.unlooked = append(w.unlooked, by)
	}
	return w.heard && !w.blind && w.isNPM()
}

// look looks at the optional peers of what was chosen before the client asked for anything.
func (w *Walk) look() {
	w.heard = true
	for _, r := range w.unlooked {
		for _, n := range w.home[r].doc.sheet(r).needs() {
			if n.optional && !w.peerless {
				w.need(r, n, true)
			}
		}
		w.settle(w.home[r])
	}
	w.unlooked = nil
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
