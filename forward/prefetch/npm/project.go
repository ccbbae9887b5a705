package npm

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"hither/forward/npmrc"
	"hither/forward/project"
)

// command is what a package manager was called for.
type command struct {
	program  string   // npm, pnpm, yarn, bun; empty: it is none of them
	installs bool     // what the project or the command names
	clean    bool     // it removes what is installed first
	anew     bool     // it looks for newer versions than the lock file's
	apart    bool     // it installs elsewhere than in the project
	bare     bool     // without tarballs
	peerless bool     // it leaves peers to whoever wants them
	omit     []string // of npmrc.Kinds, what it leaves out
	fewer    bool     // perhaps not all that the lock file names
	offline  bool     // it asks nobody
	online   bool     // it is to know what there is now, of all that it asks for
	astray   bool     // it may ask another registry than the usual one, which must not hear what it asks for
	specs    []string // NAME@RANGE that the command itself names
	current  []string // NAME@RANGE of which it is to know what there is now
	packages []string // those that an option names, for npx
}

// readCommand reads the arguments of a process. npm writes its own as one word, with blanks between ("npm install react"). In
// any other blanks belong to the word: what is behind one may be half a password.
func readCommand(args []string) command {
	words := args
	var c command
	c.fewer = len(args) > 0 && strings.Contains(args[0], " ") && strings.Join(args[1:], "") == "" // npm left its options out
	if c.fewer {
		words = strings.Fields(args[0])
	}
	for len(words) > 1 && runsPackageManagers(words[0]) {
		words = words[1:]
		for len(words) > 0 && strings.HasPrefix(words[0], "-") {
			words = words[1:]
		}
	}
	if len(words) > 0 {
		c.program, words = packageManager(words[0]), words[1:]
	}
	if c.program == "" { // in any other place its name is something of another program: curl https://HOST/yarn
		return c
	}
	switch c.program {
	case "npx", "bunx", "pnpx", "pnx": // bunx calls itself to install: bunx add NAME --no-summary --force
		if itself := len(words) > 0 && words[0] == "add" && slices.Contains(words, "--no-summary"); !itself || c.program != "bunx" {
			words = append([]string{"exec"}, words...)
		}
		c.program = map[string]string{"npx": "npm", "bunx": "bun", "pnpx": "pnpm", "pnx": "pnpm"}[c.program]
	}
	verb := ""
	if words = c.within(c.take(words)); len(words) > 0 {
		verb, c.specs = words[0], words[1:]
	}
	c.do(verb)
	return c
}

// within leaves out the words that say where the rest is to be done, or which part of the program does it.
func (c *command) within(words []string) []string {
	if len(words) < 2 {
		return words
	}
	switch c.program + " " + words[0] {
	case "yarn workspace": // Yarn 4 goes by its .yarnrc.yml, too
		c.astray = true
		return words[2:]
	case "yarn workspaces":
		if words[1] == "foreach" {
			c.astray = true
			return words[2:]
		}
	case "yarn global":
		c.apart = true
		return words[1:]
	case "yarn npm", "bun pm", "pnpm recursive", "pnpm multi", "pnpm m":
		return words[1:]
	}
	return words
}

// runsPackageManagers knows, by its file, what a package manager may run in.
func runsPackageManagers(file string) bool {
	switch npmrc.ProgramName(file) {
	case "node", "nodejs", "corepack":
		return true
	}
	return false
}

// packageManager knows a package manager by the file that runs it; empty: it is another program.
func packageManager(file string) string {
	switch name := npmrc.ProgramName(file); name {
	case "npm", "pnpm", "yarn", "bun", "npx", "bunx", "pnpx", "pnx":
		return name
	case "pn":
		return "pnpm"
	}
	return ""
}

// do says what a verb means. The many spellings are npm's own.
func (c *command) do(verb string) {
	switch verb {
	case "":
		c.installs = c.program == "yarn"
	case "install", "i", "in", "ins", "inst", "insta", "instal", "isnt", "isnta", "isntal", "isntall", "add", "a",
		"install-test", "it", "import", "fetch":
		c.installs = true
		c.bare = c.bare || verb == "import"
	case "ci", "clean-install", "ic", "install-clean", "isntall-clean", "cit", "install-ci-test", "clean-install-test", "sit":
		c.installs, c.clean = true, true
	case "update", "up", "upgrade", "udpate":
		c.installs, c.anew, c.online = true, true, c.online || len(c.specs) == 0
	case "exec", "x", "dlx":
		c.installs, c.apart = true, true
		if c.specs = c.specs[:min(1, len(c.specs))]; len(c.packages) > 0 { // the rest are arguments of what is run
			c.specs = c.packages
		}
	case "view", "v", "info", "show":
		c.current = c.specs[:min(1, len(c.specs))] // the rest are fields
	case "create", "c": // the registry is not told: it may be a template of the user's own
		if c.program != "npm" && len(c.specs) > 0 {
			c.current = []string{creator(c.specs[0])}
		}
	case "outdated", "upgrade-interactive":
		c.online = true
	}
	if c.installs && !c.clean {
		c.current = c.specs
	}
	if !c.installs || c.clean || c.anew {
		c.specs = nil
	}
}

// creator is the package that makes a project of some kind: create-vite@5 for vite@5, @s/create-app for @s/app, @s/create for @s.
func creator(spec string) string {
	scope, name, scoped := strings.Cut(spec, "/")
	if !strings.HasPrefix(spec, "@") {
		return "create-" + spec
	}
	if !scoped {
		scope, name, scoped = strings.Cut(spec[1:], "@")
		if scope = "@" + scope + "/create"; scoped {
			scope += "@" + name
		}
		return scope
	}
	return scope + "/create-" + name
}

// Alike says that two programs were called to install the same. npm leaves its options out of what it shows of itself.
func Alike(args, others []string) bool {
	a, b := readCommand(args), readCommand(others)
	return a.program == b.program && a.installs && b.installs && a.clean == b.clean && a.anew == b.anew && slices.Equal(a.specs, b.specs)
}

// Project learns from the command whether anything is installed, and from the project's files what: the tarballs that a lock
// file names, or else the packuments of all that package.json wants.
func (w *Walk) Project(dir string, args []string) []project.Want {
	c := readCommand(args)
	if c.program == "" {
		return nil
	}
	w.known, w.claims, w.peerless = true, c.program == "npm", c.program == "yarn" || c.peerless
	if !c.installs || c.offline {
		w.idle = true
		return nil
	}
	if w.accept == "" && (c.program == "pnpm" || c.program == "bun") {
		w.accept = short // until it asks for another
	}
	w.tarballs, w.never = w.tarballs || !c.bare, c.bare
	if c.astray {
		return nil
	}
	if !c.apart && dir != "" {
		w.readProject(dir, c)
	}
	for _, spec := range c.specs {
		name, text := cutSpec(spec)
		delete(w.locked, name)
		w.root(need{name: name, spec: text}, whyNamed, true)
	}
	return w.flush()
}

// cutSpec cuts NAME@WHICH, of which the latter may name another package: NAME@npm:OTHER@1.0.0. x.tgz is a file of the project
// (npm-package-arg), and has no name that a registry should hear.
func cutSpec(spec string) (name, which string) {
	name = spec
	if i := strings.IndexByte(spec, '@'); i > 0 {
		name, which = spec[:i], spec[i+1:]
	} else if i := strings.IndexByte(strings.TrimPrefix(spec, "@"), '@'); i >= 0 {
		name, which = spec[:i+1], spec[i+2:]
	}
	if isTarball(name) && name[0] != '@' {
		return "", ""
	}
	return name, which
}

// readProject reads the files of a project. Where something is installed already, npm asks only for what is missing, which
// nobody knows but npm: then the ranges are noted, and nothing is wanted for them.
func (w *Walk) readProject(dir string, c command) {
	// An empty one, as Yarn wants it at the top of a project, says nothing of what package.json names.
	if lock, err := project.ReadLockOf(dir, c.program); err == nil && !c.anew && len(lock.Packages) > 0 {
		for _, p := range lock.Packages {
			w.locked[p.Name] = true
		}
		if c.clean || !installed(filepath.Dir(lock.File)) {
			lock.OmitPeers = c.peerless || slices.Contains(c.omit, "peer")
			lock.OmitDev, lock.OmitOptional = slices.Contains(c.omit, "dev"), slices.Contains(c.omit, "optional")
			w.sparse(lock, c)
			w.all = c.clean && c.program == "npm" && !c.fewer && !lock.Member
			w.lockedTarballs(lock)
		}
		return
	}
	manifest, err := project.ReadManifest(dir)
	if err != nil || c.clean && c.program == "npm" { // npm ci ends without a lock file
		return
	}
	bare := !installed(manifest.Dir)
	own := make(map[string]bool)
	for _, m := range manifest.Workspaces {
		own[m.Name] = true
	}
	for _, m := range append([]*project.Manifest{manifest}, manifest.Workspaces...) {
		for _, n := range directNeeds(m, !w.peerless) {
			if !own[n.name] {
				w.root(n, whyDirect, bare)
			}
		}
	}
}

// lockedTarballs wants those that a lock file names.
func (w *Walk) lockedTarballs(lock *project.Lock) {
	if w.never {
		return
	}
	wants := lock.Wants(w.registry)
	if strings.HasSuffix(lock.File, ".json") {
		slices.Reverse(wants) // npm 11 asks from the last to the first
	}
	for _, want := range wants {
		w.out = append(w.out, w.agreed(want))
	}
}

// sparse wants the packuments of what a lock file of npm says too little about: npm finds the rest there.
func (w *Walk) sparse(lock *project.Lock, c command) {
	if c.program != "npm" || c.bare {
		return
	}
	for _, want := range lock.Packuments(w.registry) {
		if known := w.pack(strings.TrimPrefix(want.URL, w.registry+"/")); known != nil && !known.wanted {
			known.wanted = true
			w.out = append(w.out, want)
		}
	}
}

// directNeeds is what npm installs for a package.json, by name. Others, and npm if it is told so, leave its peers out.
func directNeeds(m *project.Manifest, peers bool) []need {
	found := make(map[string]string)
	for name, spec := range m.PeerDependencies {
		if peers && !m.PeerOptional[name] {
			found[name] = spec
		}
	}
	for _, kind := range []map[string]string{m.DevDependencies, m.Dependencies, m.OptionalDependencies} {
		maps.Copy(found, kind)
	}
	needs := make([]need, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		_, spare := m.OptionalDependencies[name]
		needs = append(needs, need{name: name, spec: found[name], spare: spare})
	}
	return needs
}

// root notes what the project wants of a package. Its packument may have come already.
func (w *Walk) root(n need, why string, want bool) {
	name, ask, ok := parseRequest(n.name, n.spec)
	if !ok || w.locked[name] {
		return
	}
	p := w.pack(name)
	if p == nil {
		return
	}
	p.named(n)
	if !p.ask(ask) {
		return
	}
	p.direct = true
	switch {
	case p.doc != nil:
		w.settle(p)
	case want && w.early(n):
		w.spares = append(w.spares, p)
	case want:
		w.packument(p, why)
	}
}

// installed says that a project has packages. bun makes the directory for them before it asks for the first one, and some
// keep notes there whose names begin with a dot.
func installed(dir string) bool {
	const enough = 100 // entries; nobody has so many notes
	name := filepath.Join(dir, "node_modules")
	if info, err := os.Stat(name); err != nil || !info.IsDir() {
		return false
	}
	modules, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // should a pipe have come in its place
	if err != nil {
		return false
	}
	defer modules.Close()
	names, _ := modules.Readdirnames(enough)
	return len(names) == enough || slices.ContainsFunc(names, func(name string) bool { return !strings.HasPrefix(name, ".") })
}
