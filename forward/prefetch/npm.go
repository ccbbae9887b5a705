package prefetch

import (
	"net/url"
	"slices"
	"strings"

	"hither/cache/digest"
	"hither/forward/project"
	"hither/rules"
)

// The reasons of the npm walk.
const (
	whyNeed    = "the packument of a dependency"
	whyPeer    = "the packument of a peer dependency"
	whyDirect  = "the packument of a dependency in package.json"
	whyNamed   = "the packument of a package in the command"
	whyAddress = "the packument of a package that the lock file gives no address of"
	whyTarball = "the tarball of a version that a range chooses"
	whyLatest  = "the tarball of the latest version" // of a package of which nobody said which version is wanted
)

const (
	// npmPackages bounds the packages a run knows of. The largest trees have some 5000.
	npmPackages = 20_000
	// npmReleases bounds the versions of them that are kept in memory: about 400 bytes each. A tree of 600 packages has 60 000.
	npmReleases = 150_000
	// npmWork bounds the versions that are compared with ranges in one run, about 50 ns each: a hostile document could
	// otherwise keep a core busy. A tree of 600 packages needs a million.
	npmWork = 50_000_000
)

// The two packuments there are. npm 11 asks for the full one when it builds a tree, and for the short one when it only needs
// an address; pnpm, yarn and bun ask for the short one.
const (
	full  = "application/json"
	short = "application/vnd.npm.install-v1+json"
)

// npmWalk follows npm, pnpm, yarn and bun through the tree of dependencies. From each packument it chooses the version that
// npm would, and wants the packuments of what that needs; npm asks for them nearly one at a time. Tarballs it wants only
// once the client asked for one, or was called with a command that will.
//
// The tree itself is not built: which of two versions a package gets depends on where npm puts them. A range for which a
// chosen version will do gets that one, as npm nearly always decides too.
type npmWalk struct {
	registry string // without a slash at the end
	machine  npmMachine
	accept   string // the variant of packuments that the client asks for; empty: not known yet
	claims   bool   // the client says which bytes it expects of a tarball, as npm does, so our request has to say so as well
	known    bool   // claims was told by the command
	idle     bool   // it was called with a command that installs nothing
	tarballs bool   // they may be wanted
	never    bool   // its command will fetch none
	asked    bool   // a tarball was asked for
	all      bool   // it installs all that its lock file names

	predicted bool          // the client asked for a packument that was wanted before
	guessed   []*npmPackage // of which latest was assumed
	refuted   map[*npmRelease]bool

	packages  map[string]*npmPackage
	locked    map[string]bool // names in a lock file, whose packuments npm does not ask for
	releases  int
	work      int
	unsettled []*npmPackage
	waiting   []npmTarball   // until they may be wanted
	out       []project.Want // of the call that is under way
}

// npmPackage is what is known of one package.
type npmPackage struct {
	name   string
	wanted bool // its packument was asked for, by the client or by us
	doc    *packument
	seen   map[string]bool // what was asked of it, by kind and text
	asks   []npmRequest    // of them, those that have no version yet
	picks  []*npmRelease
	guess  bool // what comes out of asks is a guess
	direct bool // the project itself wants it
}

// npmTarball is one that will be wanted.
type npmTarball struct {
	project.Want
	of *npmRelease // nil: a lock file names it
}

// NewNPM begins a run of npm, pnpm, yarn or bun.
func NewNPM(s Start) Walk {
	return &npmWalk{
		registry: strings.TrimSuffix(s.Registry, "/"), machine: thisMachine(),
		packages: make(map[string]*npmPackage), locked: make(map[string]bool),
		refuted: make(map[*npmRelease]bool),
	}
}

// Asked takes note of how the client asks, and lets go of the tarballs when it asked for the first.
func (w *npmWalk) Asked(m rules.Match) []project.Want {
	if m.Path.Bulk {
		w.asked, w.tarballs = true, !w.idle
		w.correct(m.Subject, m.Clean)
		return w.flush()
	}
	if name, ok := packumentName(m); ok && !w.itself(name) {
		if !w.asked { // behind the first tarball it may be our own notary that asks
			w.accept = m.Variant
		}
		w.demanded(name)
	}
	return w.flush()
}

// itself says that npm or pnpm asks, once a day, whether there is a newer one of it: it will install nothing of that, and the
// question is of another kind than those for packages.
func (w *npmWalk) itself(name string) bool {
	if name != "npm" && name != "pnpm" {
		return false
	}
	p := w.pack(name)
	return p == nil || len(p.seen) == 0
}

// demanded takes note that the client asks for a packument.
func (w *npmWalk) demanded(name string) {
	p := w.pack(name)
	if p == nil {
		return
	}
	before := p.wanted
	p.wanted = true
	switch {
	case before && len(p.seen) > 0 && !p.direct:
		w.predicted = true
	case !before && len(p.seen) == 0 && !w.locked[name] && w.work < npmWork:
		w.explain(name)
	}
}

// Reads wants packuments, each once.
func (w *npmWalk) Reads(m rules.Match) bool {
	name, ok := packumentName(m)
	if !ok || w.idle || w.itself(name) || w.releases >= npmReleases || w.work >= npmWork {
		return false
	}
	p := w.pack(name)
	return p != nil && p.doc == nil
}

// Answered goes on from a packument.
func (w *npmWalk) Answered(m rules.Match, body []byte, depth int) []project.Want {
	name, ok := packumentName(m)
	if !ok || body == nil || !w.Reads(m) {
		return nil
	}
	doc, ok := readPackument(name, body)
	if !ok {
		return nil
	}
	p := w.pack(name)
	p.doc, p.wanted = doc, true
	w.releases += doc.weight
	if depth == 0 && len(p.seen) == 0 && !w.locked[name] {
		p.guess = true
		p.ask(anything())
		w.guessed = append(w.guessed, p)
	}
	w.settle(p)
	return w.flush()
}

// exact says that each tarball of the lock file will be asked for, but those in the client's own cache.
func (w *npmWalk) exact() bool { return w.all }

// usualSize is for tarballs: half are below 8 KB, and the mean is 26 KB. With too low a figure a line that is slow would have
// more under way than it brings soon.
func (w *npmWalk) usualSize() int64 { return 64 << 10 }

// packumentName is the package that a match is the packument of.
func packumentName(m rules.Match) (string, bool) {
	path, err := url.PathUnescape(m.Clean)
	return m.Subject, err == nil && m.Subject != "" && path == "/"+m.Subject && isPackageName(m.Subject)
}

// pack finds or begins what is known of a package; nil: too many are.
func (w *npmWalk) pack(name string) *npmPackage {
	p := w.packages[name]
	if p == nil && len(w.packages) < npmPackages {
		p = &npmPackage{name: name, seen: make(map[string]bool)}
		w.packages[name] = p
	}
	return p
}

// ask notes that somebody wants a version. False: that was known.
func (p *npmPackage) ask(want npmRequest) bool {
	key := string(rune('0'+want.kind)) + want.text
	if p.seen[key] {
		return false
	}
	p.seen[key] = true
	p.asks = append(p.asks, want)
	return true
}

// settle chooses versions for what is asked of a package, and goes on with what they need.
func (w *npmWalk) settle(p *npmPackage) {
	w.unsettled = append(w.unsettled, p)
	for len(w.unsettled) > 0 && w.work < npmWork {
		p, w.unsettled = w.unsettled[0], w.unsettled[1:]
		asks := p.asks
		p.asks = nil
		for _, want := range asks {
			w.work += p.doc.weight
			if r := w.pick(p, want); r != nil {
				r.by = want.by
				p.picks = append(p.picks, r)
				w.follow(p, r)
			}
		}
		p.guess = false
	}
	w.unsettled = nil
}

// choose is told that a version is wanted, whatever the ranges say.
func (w *npmWalk) choose(p *npmPackage, r *npmRelease) {
	if !slices.Contains(p.picks, r) {
		p.picks = append(p.picks, r)
		w.follow(p, r)
		w.settle(p)
	}
}

// pick picks a version; nil if there is none, or one that was chosen before will do.
func (w *npmWalk) pick(p *npmPackage, want npmRequest) *npmRelease {
	for _, r := range p.picks {
		if !w.refutes(r) && want.kind == byRange && (want.text == "*" || r.readable && want.ranged.holds(r.version)) {
			return nil
		}
	}
	r := p.doc.pick(want, w.machine)
	if r == nil || !slices.Contains(p.picks, r) {
		return r
	}
	w.restore(r, want.by)
	return nil
}

// follow wants what a chosen version needs.
func (w *npmWalk) follow(p *npmPackage, r *npmRelease) {
	sheet := p.doc.sheet(r)
	if w.machine.runs(sheet) {
		w.tarball(p, r)
	}
	for _, n := range sheet.needs() {
		why := whyNeed
		if n.peer {
			why = whyPeer
		}
		w.need(r, n.name, n.spec, why)
	}
}

// need notes a dependency, and wants its packument.
func (w *npmWalk) need(by *npmRelease, name, spec, why string) {
	name, want, ok := parseRequest(name, spec)
	if !ok || w.locked[name] {
		return
	}
	want.by = by
	p := w.pack(name)
	if p == nil || !p.ask(want) && !w.doubts(p, want) {
		return
	}
	if p.doc != nil {
		w.unsettled = append(w.unsettled, p)
		return
	}
	w.packument(p, why)
}

func (w *npmWalk) packument(p *npmPackage, why string) {
	// npm fetches tarballs when it has all packuments; the others begin earlier.
	if p.wanted || w.idle || w.asked && w.accept == full {
		return
	}
	p.wanted = true
	accept := w.accept
	if accept == "" {
		accept = full
	}
	w.out = append(w.out, project.Want{URL: w.registry + "/" + p.name, Accept: []string{accept}, Why: why})
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
	claims := w.claims
	if !w.known {
		claims = w.accept == full || w.accept == "" // npm ci asks for no packument
	}
	for _, t := range w.waiting {
		want := t.Want
		if w.refutes(t.of) {
			continue
		}
		if !claims {
			want.Digest = "" // fetch merges only requests that expect the same
		}
		out = append(out, want)
	}
	w.waiting = nil
	return out
}
