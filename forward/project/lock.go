package project

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hither/cache/digest"
)

// WhyLock is the reason of what a lock file names; see Want.Why.
const WhyLock = "a tarball that the lock file names"

// WhySparse is the reason of the packuments that npm needs beside a lock file; see Want.Why.
const WhySparse = "the packument of a package of which the lock file says too little"

// shortFirst is npm's Accept for a packument of which it needs little. Without its second half an answer of a registry that
// has only full ones, or calls all by that name, would be unfit for the client, and not be kept.
const shortFirst = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"

// npmHost is the registry whose name in a lock file means "whichever registry is configured" (npm's
// replace-registry-host, whose default is npmjs).
const npmHost = "registry.npmjs.org"

// Lock is what a lock file of npm, pnpm, yarn or bun says.
type Lock struct {
	File string // where it was read
	// Packages are in the order of the file, in which npm fetches them.
	Packages []Package
	// Member says that it was asked for by a package of its workspace: npm installs what that one needs, as with --workspace.
	Member bool
	// Platform decides about packages that are for some systems only; ReadLock sets it to Here.
	Platform Platform
	// OmitDev leaves out what only developers need, as `npm ci --omit=dev` does. It knows them from package-lock.json and
	// npm-shrinkwrap.json only.
	OmitDev bool
	// OmitPeers leaves out what only peers need, as npm does with legacy-peer-deps. It knows them from the same files.
	OmitPeers bool
	// OmitOptional leaves out what need not be there; with OmitDev also what is only for developers or need not be there.
	OmitOptional bool
}

// Package is one entry of a lock file that is fetched from a registry.
type Package struct {
	Name    string // as the registry knows it; empty: only URL is known
	Version string
	// URL is where its tarball is; empty: at the usual place of the configured registry.
	URL string
	// Integrity is Subresource Integrity metadata; empty: the file does not say.
	Integrity string
	Dev       bool // only for developers
	Peer      bool // only for who wants a peer
	Optional  bool // its failure fails nothing
	// DevOptional: only for developers, and for who has what is optional.
	DevOptional bool
	// Sparse says that npm asks for its packument whatever the lock file says: there is no address (its setting
	// omit-lockfile-registry-resolved), or nothing of what npm 7 began to write.
	Sparse bool
	// For is on which systems it is installed.
	For Systems
}

// lockFile is a name that a lock file has, and whose it is.
type lockFile struct {
	name, program string
	parse         func([]byte) ([]Package, error)
}

// lockFiles are the names that are looked for, the first one that is there is read. npm-shrinkwrap.json comes first,
// since npm then passes over package-lock.json.
func lockFiles() []lockFile {
	return []lockFile{
		{"npm-shrinkwrap.json", "npm", parseNPMLock},
		{"package-lock.json", "npm", parseNPMLock},
		{"pnpm-lock.yaml", "pnpm", parsePNPMLock},
		{"yarn.lock", "yarn", parseYarnLock},
		{"bun.lock", "bun", parseBunLock},
	}
}

// readBy are those that a program goes by. Only bun takes others' for its own where that is missing; npm looks into a
// yarn.lock, and still asks for the packument of everything in it.
func readBy(program string) []lockFile {
	isOwn := func(f lockFile) bool { return f.program == program }
	own := slices.DeleteFunc(lockFiles(), func(f lockFile) bool { return !isOwn(f) })
	if program != "" && program != "bun" {
		return own
	}
	return append(own, slices.DeleteFunc(lockFiles(), isOwn)...)
}

// ReadLock reads the lock file that stands for dir, which is absolute: that of the workspace dir is in, else that of the
// nearest directory with a package.json. The error is fs.ErrNotExist if there is none.
func ReadLock(dir string) (*Lock, error) { return ReadLockOf(dir, "") }

// ReadLockOf is ReadLock of what one of npm, pnpm, yarn and bun goes by; empty: whichever is there.
func ReadLockOf(dir, program string) (*Lock, error) {
	at, err := npmPackage(dir)
	if err != nil {
		return nil, err
	}
	root := workspaceOf(at)
	for _, f := range readBy(program) {
		data, err := readIn(root, f.name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		l, err := parseLock(filepath.Join(root, f.name), data, f.parse)
		if err == nil {
			l.Member = root != at
		}
		return l, err
	}
	return nil, fmt.Errorf("a lock file in %s: %w", root, fs.ErrNotExist)
}

// ReadLockFile reads a lock file that the user named.
func ReadLockFile(path string) (*Lock, error) {
	for _, f := range lockFiles() {
		if f.name != filepath.Base(path) {
			continue
		}
		data, err := readNamed(path)
		if err != nil {
			return nil, err
		}
		return parseLock(path, data, f.parse)
	}
	return nil, fmt.Errorf("%s is no lock file that is known here: name a package-lock.json, npm-shrinkwrap.json, pnpm-lock.yaml, yarn.lock or bun.lock", path)
}

func parseLock(file string, data []byte, parse func([]byte) ([]Package, error)) (*Lock, error) {
	packages, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w; let your package manager write it anew", file, err)
	}
	return &Lock{File: file, Packages: packages, Platform: Here()}, nil
}

// Wants are the tarballs in the order of the file, each once. What the file has at npm's own registry is asked of
// registry, as npm does; other hosts keep theirs.
func (l *Lock) Wants(registry string) []Want {
	out := make([]Want, 0, len(l.Packages))
	seen := make(map[string]bool, len(l.Packages))
	for _, p := range l.Packages {
		if l.omits(p) {
			continue
		}
		at, ok := p.at(registry)
		if !ok || seen[at] {
			continue
		}
		seen[at] = true
		d, _ := digest.ParseSRI(p.Integrity) // what cannot be read is as good as none
		out = append(out, Want{URL: at, Bulk: true, Digest: d, Why: WhyLock})
	}
	return out
}

func (l *Lock) omits(p Package) bool {
	return l.OmitDev && p.Dev || l.OmitPeers && p.Peer || l.OmitOptional && (p.Optional || l.OmitDev && p.DevOptional) || !p.For.Include(l.Platform)
}

// Packuments are the short ones of packages that are Sparse, each once, in the order of the file. Of a lock file of npm 6 npm asks
// for all, for it tells what to leave out only then.
func (l *Lock) Packuments(registry string) (out []Want) {
	seen := map[string]bool{}
	for _, p := range l.Packages {
		at, ok := p.at(registry)
		_, known := tarball(registry, p.Name, p.Version)
		if !p.Sparse || !ok || !known || !strings.HasPrefix(at, registry+"/") || seen[p.Name] || p.URL == "" && l.omits(p) {
			continue
		}
		seen[p.Name] = true
		out = append(out, Want{URL: registry + "/" + p.Name, Accept: []string{shortFirst}, Why: WhySparse})
	}
	return out
}

// at is the URL a client asks for; false: none that a registry would know.
func (p Package) at(registry string) (string, bool) {
	if p.URL == "" {
		return tarball(registry, p.Name, p.Version)
	}
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return "", false
	}
	if u.Host == npmHost {
		return registry + u.EscapedPath(), u.Scheme == "https" || u.Scheme == "http"
	}
	u.Fragment = "" // yarn 1 keeps the SHA-1 there
	return u.String(), u.Scheme == "https"
}

// tarball is where a registry has a version: NAME/-/BASE-VERSION.tgz.
func tarball(registry, name, version string) (string, bool) {
	base := name
	if scope, rest, scoped := strings.Cut(name, "/"); scoped {
		base = rest
		if !strings.HasPrefix(scope, "@") || !plainName(scope[1:]) {
			return "", false
		}
	}
	version, _, _ = strings.Cut(version, "+") // a registry leaves build metadata out
	if !plainName(base) || !plainName(version) || version[0] < '0' || version[0] > '9' {
		return "", false
	}
	return registry + "/" + name + "/-/" + base + "-" + version + ".tgz", true
}

// plainName says that a name or version has nothing a URL would read otherwise.
func plainName(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._~!'()*", rune(c)) {
			return false
		}
	}
	return s != "" && s != "." && s != ".."
}

// npmPackage is the directory of the package that dir is in: the nearest with a package.json or a node_modules (npm-prefix).
func npmPackage(dir string) (string, error) {
	for at := range upFrom(dir) {
		if !exists(at, "package.json") && !exists(at, "node_modules") && !hasLock(at) {
			continue
		}
		return at, nil
	}
	return "", fmt.Errorf("a package.json in %s and above: %w", dir, fs.ErrNotExist)
}

func hasLock(dir string) bool {
	for _, f := range lockFiles() {
		if exists(dir, f.name) {
			return true
		}
	}
	return false
}

// inWorkspace says whether the workspace in dir, if there is one, has the directory rel.
func inWorkspace(dir, rel string) bool {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false
	}
	defer root.Close()
	return matchAny(workspacePatterns(root), rel)
}
