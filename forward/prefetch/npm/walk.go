// Package npm knows how npm, pnpm, yarn and bun go on from one request to the next: through the tree of dependencies, and to
// its tarballs.
//
//	w := npm.New("https://HOST")            // a prefetch.Walk, one for each run of a client
//	wants := w.Project(dir, args)           // what the project's files and the command tell
//	wants = w.Answered(packument, body, 0)  // what its latest version needs, if nobody told which one is wanted
//
// [News] is what they are known to want, so that a packument that was kept, and lacks it, is asked for anew.
package npm

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"hither/forward/project"
	"hither/rules"
)

// The reasons of wants.
const (
	whyNeed    = "the packument of a dependency"
	whyPeer    = "the packument of a peer dependency"
	whyGlance  = "the packument of an optional peer dependency"
	whyDirect  = "the packument of a dependency in package.json"
	whyNamed   = "the packument of a package in the command"
	whyTarball = "the tarball of a version that a range chooses"
	whyLatest  = "the tarball of the latest version" // of a package of which nobody said which version is wanted
)

const (
	// maxPackages bounds the packages a run knows of. The largest trees have some 5000.
	maxPackages = 20_000
	// MaxReleases bounds the versions of them that are kept in memory: about 400 bytes each. A tree of 600 packages has 60 000.
	MaxReleases = 150_000
	// maxWork bounds the versions that are compared with ranges in one run, about 50 ns each: a hostile document could
	// otherwise keep a core busy. A tree of 600 packages needs a million.
	maxWork = 50_000_000
)

// The two packuments there are. npm, from 10.4, asks for the full one when it builds a tree, and for the short one when it only
// needs an address, as npx does first; pnpm, yarn and bun ask for the short one, but for some of optional dependencies (see Agent).
const (
	full  = "application/json"
	short = "application/vnd.npm.install-v1+json"
)

// Walk follows npm, pnpm, yarn and bun through the tree of dependencies. From each packument it chooses the version that
// npm would, and wants the packuments of what that needs; npm asks for them nearly one at a time. Tarballs it wants only
// once the client asked for one, or was called with a command that will; of npm, which asks for the first when its tree is
// done, only then, but for those in its lock file.
//
// The tree is not built as npm builds it: which of two versions a package gets depends on where npm puts them. A range for which a
// chosen version will do gets that one, as npm nearly always decides too.
//
// Its methods are called one at a time.
type Walk struct {
	Most     int    // versions that are kept in memory; 0: MaxReleases
	registry string // without a slash at the end
	machine  machine
	accept   string // the variant of packuments that the client asks for; empty: not known yet
	builds   string // the one of which it makes trees, whatever else it asks for; empty: that is not known
	spare    string // and the one of optional dependencies, if it is not the same
	linux    string // of those for Linux
	program  string // that asked last, as it calls itself; empty: it does not
	claims   bool   // the client says which bytes it expects of a tarball, as npm does, so our request has to say so as well
	known    bool   // claims was told by the command
	idle     bool   // it was called with a command that installs nothing
	tarballs bool   // they may be wanted
	never    bool   // its command will fetch none
	asked    bool   // a tarball was asked for
	all      bool   // it installs all that its lock file names
	peerless bool   // it asks for no peers: Yarn, or npm with legacy-peer-deps
	heard    bool   // it asked for something
	blind    bool   // it looks at no optional peers

	predicted bool // the client asked for a packument that was wanted before
	refuted   map[*release]bool
	home      map[*release]*pkg // of picks
	unlooked  []*release        // of picks: what they need waits until the client has asked for something, some of it
	spares    []*pkg            // of the project, which wait likewise
	waited    bool              // and what is wanted now did
	needers   map[string][]*pkg // that have a doc, some version in which needs a package, in the order in which it came
	puzzles   []string          // packuments that nothing chosen needs, and that the client asked for
	planted   tree              // see there
	moves     int               // so many guesses were corrected
	pending   int               // packuments that were wanted since the last move, and have not come

	packages  map[string]*pkg
	locked    map[string]bool // names in a lock file, whose packuments npm does not ask for
	releases  int
	work      int
	unsettled []*pkg
	waiting   []tarball      // until they may be wanted
	out       []project.Want // of the call that is under way
}

// pkg is what is known of one package.
type pkg struct {
	name     string
	wanted   bool   // its packument was asked for, by the client or by us
	demanded bool   // by the client
	puzzling bool   // when it was, nothing that was chosen needed it
	needed   bool   // something that was chosen needs it
	beside   bool   // it is somebody's peer: npm asks for that right behind him, before the project's next package
	assumed  bool   // latest was assumed, as nobody said what the project wants
	clues    []clue // of an assumed one
	moves    int    // Walk.moves when the packument was wanted; 0: it is not pending
	doc      *packument
	seen     map[string]bool // what was asked of it, by kind and text
	asks     []request       // of them, those that have no version yet
	picks    []*release
	looks    []*release // that were looked at, and are not among picks
	guess    bool       // what comes out of asks is a guess
	direct   bool       // the project itself wants it
	spare    bool       // all who want it do so as an optional dependency
}

// New begins a run of npm, pnpm, yarn or bun at a registry, of which it is told the base URL.
func New(registry string) *Walk {
	registry = strings.TrimSuffix(registry, "/")
	return &Walk{
		registry: registry, machine: machine{Platform: project.Here()}, peerless: registry == project.YarnRegistry,
		packages: make(map[string]*pkg), locked: make(map[string]bool),
		refuted: make(map[*release]bool), home: make(map[*release]*pkg),
		needers: make(map[string][]*pkg),
	}
}

// Asked takes note of how the client asks, and lets go of the tarballs when it asked for the first.
func (w *Walk) Asked(m rules.Match) []project.Want {
	name, ok := packumentName(m)
	if ok = ok && !w.itself(name); ok && !w.asked { // behind the first tarball it may be our own notary that asks
		w.asksFor(name, m.Variant)
	}
	w.waited = !w.heard
	w.hear()
	switch {
	case m.Path.Bulk:
		w.asked, w.tarballs = true, !w.idle
		w.correct(m.Subject, m.Clean)
	case ok:
		w.demanded(name)
	}
	return w.flush()
}

// itself says that npm or pnpm asks, once a day, whether there is a newer one of it: it will install nothing of that, and the
// question is of another kind than those for packages.
func (w *Walk) itself(name string) bool {
	if name != "npm" && name != "pnpm" {
		return false
	}
	p := w.pack(name)
	return p == nil || len(p.seen) == 0
}

// demanded takes note that the client asks for a packument.
func (w *Walk) demanded(name string) {
	p := w.pack(name)
	if p == nil {
		return
	}
	before := p.wanted
	p.wanted, p.demanded = true, true
	switch {
	case before && p.needed && !p.beside && !p.direct: // npm asks for that when it has all of the project's packages
		w.predicted = true
	case !before && len(p.seen) == 0 && !w.locked[name] && w.work < maxWork:
		p.puzzling = true
		w.explain(name)
	}
}

// Reads wants packuments, each once.
func (w *Walk) Reads(m rules.Match) bool {
	name, ok := packumentName(m)
	if !ok || w.idle || w.itself(name) || w.releases >= cmp.Or(w.Most, MaxReleases) || w.work >= maxWork {
		return false
	}
	p := w.pack(name)
	return p != nil && p.doc == nil
}

// Answered goes on from a packument.
func (w *Walk) Answered(m rules.Match, body []byte, depth int) []project.Want {
	name, ok := packumentName(m)
	if !ok {
		return nil
	}
	if body != nil && w.Reads(m) {
		w.answered(name, body, depth)
	}
	w.came(name)
	return w.flush()
}

func (w *Walk) answered(name string, body []byte, depth int) {
	doc, ok := readPackument(name, body)
	if !ok {
		return
	}
	p := w.pack(name)
	p.doc, p.wanted = doc, true
	for name := range doc.needed {
		w.needers[name] = append(w.needers[name], p)
	}
	doc.needed = nil
	w.releases += doc.weight
	if depth == 0 && len(p.seen) == 0 && !w.locked[name] {
		p.guess, p.assumed = true, true
		p.ask(anything())
	}
	w.settle(p)
}

// came goes on with the puzzles when all has come that the last move led to.
func (w *Walk) came(name string) {
	p := w.packages[name]
	if p == nil || p.moves == 0 {
		return
	}
	now := p.moves == w.moves
	if p.moves = 0; !now {
		return
	}
	if w.pending--; w.pending == 0 {
		w.solve()
	}
}

// Missed goes on without a packument.
func (w *Walk) Missed(m rules.Match) []project.Want {
	if name, ok := packumentName(m); ok {
		w.came(name)
	}
	return w.flush()
}

// Withheld goes on without packuments that will not come: they are for others to tell.
func (w *Walk) Withheld(wants []project.Want) []project.Want {
	for _, want := range wants {
		w.came(strings.TrimPrefix(want.URL, w.registry+"/"))
	}
	return w.flush()
}

// Exact says that each tarball of the lock file will be asked for, but those in the client's own cache.
func (w *Walk) Exact() bool { return w.all }

// UsualSize is for tarballs: half are below 8 KB, and the mean is 26 KB. With too low a figure a line that is slow would have
// more under way than it brings soon.
func (w *Walk) UsualSize() int64 { return 64 << 10 }

// Passes is twice what npm asks for at a time.
func (w *Walk) Passes() int { return 32 }

// packumentName is the package that a match is the packument of.
func packumentName(m rules.Match) (string, bool) {
	path, err := url.PathUnescape(m.Clean)
	return m.Subject, err == nil && m.Subject != "" && path == "/"+m.Subject && isPackageName(m.Subject)
}

// pack finds or begins what is known of a package; nil: too many are.
func (w *Walk) pack(name string) *pkg {
	p := w.packages[name]
	if p == nil && len(w.packages) < maxPackages {
		p = &pkg{name: name, seen: make(map[string]bool)}
		w.packages[name] = p
	}
	return p
}

// ask notes that somebody wants a version. False: that was known.
func (p *pkg) ask(want request) bool {
	key := string(rune('0'+want.kind)) + want.text
	if p.seen[key] {
		return false
	}
	if want.glance {
		if key = "?" + key; p.seen[key] {
			return false
		}
	}
	p.seen[key] = true
	p.asks = append(p.asks, want)
	return true
}

// settle chooses versions for what is asked of a package, and goes on with what they need.
func (w *Walk) settle(p *pkg) {
	w.unsettled = append(w.unsettled, p)
	for len(w.unsettled) > 0 && w.work < maxWork {
		p, w.unsettled = w.unsettled[0], w.unsettled[1:]
		asks := p.asks
		p.asks = nil
		for _, want := range asks {
			w.work += p.doc.weight
			if want.glance {
				w.glance(p, want)
			} else if r := w.pick(p, want); r != nil {
				r.by = want.by
				w.follow(p, r)
			}
		}
		p.guess = false
	}
	w.unsettled = nil
}

// choose is told that a version is wanted, whatever the ranges say.
func (w *Walk) choose(p *pkg, r *release) {
	if !slices.Contains(p.picks, r) {
		w.follow(p, r)
		w.settle(p)
	}
}

// pick picks a version; nil if there is none, or one that was chosen before will do.
func (w *Walk) pick(p *pkg, want request) *release {
	for _, r := range p.picks {
		if want.kind == byRange && want.fits(r) && !w.refutes(r) {
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

// follow chooses a version, and wants what it needs.
func (w *Walk) follow(p *pkg, r *release) {
	p.picks = append(p.picks, r)
	w.home[r] = p
	sheet := p.doc.sheet(r)
	if w.machine.runs(sheet) {
		w.tarball(p, r)
	}
	for _, n := range sheet.needs() {
		if !n.peer || !w.peerless {
			w.need(r, n, n.optional)
		}
	}
}

// need notes a dependency, and wants its packument. A glance is at what may never be installed.
func (w *Walk) need(by *release, n need, glance bool) {
	name, want, ok := parseRequest(n.name, n.spec)
	if !ok || w.locked[name] || w.tooEarly(by, n) || glance && (w.blind || !w.isNPMItself()) {
		return
	}
	want.by, want.glance = by, glance
	p := w.pack(name)
	if p == nil {
		return
	}
	p.needed = p.needed || !glance
	p.named(n)
	p.beside = p.beside || n.peer
	if !p.ask(want) && (glance || !w.doubts(p, want)) {
		return
	}
	if p.doc != nil {
		w.unsettled = append(w.unsettled, p)
		return
	}
	why := whyNeed
	switch {
	case glance:
		why = whyGlance
	case n.peer:
		why = whyPeer
	}
	w.packument(p, why)
}

func (w *Walk) packument(p *pkg, why string) {
	// npm fetches tarballs when it has all packuments; the others begin earlier.
	if p.wanted || w.idle || w.asked && w.accept == full {
		return
	}
	p.wanted = true
	if p.moves = w.moves; p.moves > 0 {
		w.pending++
	}
	accept := cmp.Or(*w.form(p), w.accept, full)
	w.out = append(w.out, project.Want{URL: w.registry + "/" + p.name, Accept: []string{accept}, Why: why})
}
