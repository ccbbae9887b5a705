package npm

import (
	"cmp"
	"strings"

	"hither/forward/prefetch/npm/semver"
	"hither/forward/project"
)

// The short packuments do not say for which C library a version is. So pnpm (from 10.28.2, its pull request 10455) asks for the
// full ones of optional dependencies, and Bun (from 1.4.4, measured) of those that have linux in their names.

// Agent learns from what the client calls itself, as npm/11.21.2 node/v20.20.2 linux x64, what that version asks for. What it asked
// for already counts more.
func (w *Walk) Agent(agent string) {
	word, _, _ := strings.Cut(agent, " ")
	program, text, _ := strings.Cut(word, "/")
	v, _ := semver.ParseVersion(text, true)
	since := func(major, minor, patch uint64) bool {
		return v.Compare(semver.Version{Major: major, Minor: minor, Patch: patch}) >= 0
	}
	w.meet(program)
	switch {
	case program == "npm":
		w.blind = since(11, 20, 0) && v.Major == 11 || since(12, 1, 0)
		if since(10, 4, 0) { // older ones make them of what they ask for first
			w.builds = full
		}
	case w.spare+w.linux != "":
	case program == "pnpm" && since(10, 28, 2):
		w.spare, w.linux = full, full
	case program == "Bun" && since(1, 4, 4):
		w.linux = full
	}
}

// meet is told which program asks: behind one address another may do so next. What is known of one that has come to its tarballs,
// and so to its end nearly, says nothing of that.
func (w *Walk) meet(program string) {
	if w.asked && !w.known && program != "" && w.program != "" && program != w.program {
		most, work := w.Most, w.work
		*w = *New(w.registry)
		w.Most, w.work = most, work
	}
	w.program, w.builds = cmp.Or(program, w.program), ""
}

// form is the variant of packuments that the client asks for, of a package like this one; empty: it is not known to be another.
func (w *Walk) form(p *pkg) *string {
	switch {
	case !p.spare:
		return &w.accept
	case strings.Contains(p.name, "linux"):
		return &w.linux
	}
	return &w.spare
}

// asksFor takes note of a variant that the client asked for.
func (w *Walk) asksFor(name, variant string) {
	p := w.packages[name]
	switch {
	case p != nil && p.spare:
		*w.form(p) = variant
	case variant == full && w.accept == short && w.builds == "" && !w.isNPM() && (p == nil || len(p.seen) == 0):
		// it may be an optional dependency of what has not come yet
	default:
		w.accept = cmp.Or(w.builds, variant)
	}
}

// isNPM says that the client is npm, as far as it showed. Yarn's name for the registry is Yarn's alone; Yarn 4 asks for the full
// packuments, as npm does, and so do Deno and vlt.
func (w *Walk) isNPM() bool {
	if w.known {
		return w.claims
	}
	if w.registry == project.YarnRegistry {
		return false
	}
	return w.accept == full || w.accept == ""
}

// isNPMItself is isNPM of a client that does not call itself something else than npm, or what npm is made of.
func (w *Walk) isNPMItself() bool {
	own := w.program == "" || w.program == "npm" || w.program == "pacote" || strings.HasPrefix(w.program, "npm-registry-fetch@")
	return w.isNPM() && (w.known || own)
}

// named notes that somebody needs a package, before what he wants of it is noted.
func (p *pkg) named(n need) { p.spare = n.spare && (p.spare || len(p.seen) == 0) }

// early says that something is not wanted before the client has asked for anything, because it is not known before in which
// version it does so or whether at all.
func (w *Walk) early(n need) bool { return !w.heard && (n.optional || n.spare && w.known && !w.claims) }

// tooEarly is early, and notes then by, who needs it.
func (w *Walk) tooEarly(by *release, n need) bool {
	if !w.early(n) {
		return false
	}
	if len(w.unlooked) == 0 || w.unlooked[len(w.unlooked)-1] != by {
		w.unlooked = append(w.unlooked, by)
	}
	return true
}

// hear goes on with what was too early.
func (w *Walk) hear() {
	w.heard = true
	for _, p := range w.spares {
		w.packument(p, whyDirect)
	}
	for _, r := range w.unlooked {
		for _, n := range w.home[r].doc.sheet(r).needs() {
			if n.optional && !w.peerless || n.spare {
				w.need(r, n, n.optional)
			}
		}
		w.settle(w.home[r])
	}
	w.spares, w.unlooked = nil, nil
}
