package prefetch

import (
	"net/url"
	"strings"

	"hither/cache/digest"
	"hither/forward/project"
)

// npmTarball is one that will be wanted.
type npmTarball struct {
	project.Want
	of *npmRelease // nil: a lock file names it
}

// tarball wants a version's bytes, sooner or later.
func (w *npmWalk) tarball(p *npmPackage, r *npmRelease) {
	at, ok := w.tarballURL(r.tarball)
	if !ok {
		return
	}
	want := project.Want{URL: at, Bulk: true, Why: whyTarball}
	if p.guess {
		want.Why = whyLatest
	}
	want.Digest, _ = digest.ParseSRI(r.integrity) // what cannot be read is as good as none
	w.waiting = append(w.waiting, npmTarball{want, r})
}

// tarballURL is where the client will ask: npm moves what npm's own registry has to the registry it uses.
func (w *npmWalk) tarballURL(text string) (string, bool) {
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
func (w *npmWalk) flush() []project.Want {
	out := w.out
	w.out = nil
	if !w.tarballs || w.never || w.idle {
		return out
	}
	claims := w.isNPM() // npm ci asks for no packument
	var later []npmTarball
	for _, t := range w.waiting {
		want := t.Want
		switch {
		case !claims || w.known || w.accept == "" || t.of == nil:
			if w.refutes(t.of) {
				continue
			}
		case !w.tree()[t.of]:
			if w.work++; w.work < npmWork {
				later = append(later, t)
			}
			continue
		}
		if !claims {
			want.Digest = "" // fetch merges only requests that expect the same
		}
		out = append(out, want)
	}
	w.waiting = later
	return out
}
