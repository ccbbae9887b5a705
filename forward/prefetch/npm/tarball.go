package npm

import (
	"net/url"
	"strings"

	"hither/cache/digest"
	"hither/forward/project"
)

// tarball is one that will be wanted.
type tarball struct {
	project.Want
	of *release
}

// tarball wants a version's bytes, sooner or later.
func (w *Walk) tarball(p *pkg, r *release) {
	at, ok := w.tarballURL(r.tarball)
	if !ok {
		return
	}
	want := project.Want{URL: at, Bulk: true, Why: whyTarball}
	if p.guess {
		want.Why = whyLatest
	}
	want.Digest, _ = digest.ParseSRI(r.integrity) // what cannot be read is as good as none
	w.waiting = append(w.waiting, tarball{want, r})
}

// tarballURL is where the client will ask: npm moves what npm's own registry has to the registry it uses.
func (w *Walk) tarballURL(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") {
		return "", false
	}
	if u.Host == "registry.npmjs.org" || w.registry == "https://"+u.Host {
		return w.registry + u.EscapedPath(), u.Scheme == "https" || u.Scheme == "http"
	}
	u.Fragment = ""
	return u.String(), u.Scheme == "https" && u.Host != ""
}

// flush is what a call returns: what it found, and the tarballs if they may be wanted by now.
func (w *Walk) flush() []project.Want {
	out := w.out
	w.out = nil
	if !w.tarballs || w.never || w.idle || len(w.waiting) == 0 {
		return out
	}
	if w.isNPM() {
		if w.asked { // that is when its tree is done
			out = append(out, w.ofTree()...)
		}
		return out
	}
	for _, t := range w.waiting {
		if !w.refutes(t.of) {
			out = append(out, w.agreed(t.Want))
		}
	}
	w.waiting = nil
	return out
}

// ofTree are the tarballs that npm will ask for, as far as that is known, in the order in which it does.
func (w *Walk) ofTree() (out []project.Want) {
	var now, later []tarball
	for _, t := range w.waiting {
		if w.tree()[t.of] {
			now = append(now, t)
		} else if w.work++; w.work < maxWork {
			later = append(later, t)
		}
	}
	w.waiting = later
	if len(now) > 1 {
		w.inTurn(now)
	}
	for _, t := range now {
		out = append(out, w.agreed(t.Want))
	}
	return out
}

// agreed is what fetch is asked for: it merges only requests that expect the same bytes.
func (w *Walk) agreed(want project.Want) project.Want {
	if !w.isNPMItself() {
		want.Digest = ""
	}
	return want
}
