package npm

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"hither/forward/prefetch/npm/semver"
	"hither/forward/project"
)

// request is which version of a package is asked for: one of the kinds of npm-package-arg that a registry answers.
type request struct {
	kind   kind
	text   string // the tag, the version or the range
	ranged semver.Range
	by     *release // who needs it; nil: the project, or nobody said
	glance bool     // it is looked at, and installed only if somebody else needs it
}

// fits says that a version will do, of a request that is no tag.
func (q request) fits(r *release) bool {
	return q.kind != byRange && q.text == r.id || q.kind == byRange && (q.text == "*" || r.readable && q.ranged.Holds(r.version))
}

type kind int

const (
	byRange kind = iota
	byVersion
	byTag
)

// anything is what is asked for if nobody said: npm takes the latest.
func anything() request {
	r, _ := semver.ParseRange("*", true)
	return request{kind: byRange, text: "*", ranged: r}
}

// parseRequest reads a dependency: its name may be an alias of another. False: no registry is asked for it (a directory,
// a URL, a repository, a workspace), or npm would refuse it.
func parseRequest(name, spec string) (string, request, bool) {
	spec = strings.TrimSpace(spec)
	if len(spec) >= 4 && strings.EqualFold(spec[:4], "npm:") {
		name, spec = project.CutVersion(spec[4:])
	}
	if !isPackageName(name) || len(spec) > semver.MaxSpec {
		return "", request{}, false
	}
	if spec == "" {
		return name, anything(), true
	}
	if strings.ContainsAny(spec, "/:") || spec[0] == '.' || isTarball(spec) {
		return "", request{}, false
	}
	if v, ok := semver.ParseVersion(strings.TrimLeft(spec, "v= \t"), true); ok {
		return name, request{kind: byVersion, text: v.String()}, true
	}
	if r, ok := semver.ParseRange(spec, true); ok {
		return name, request{kind: byRange, text: spec, ranged: r}, true
	}
	return name, request{kind: byTag, text: spec}, isURLWord(spec)
}

func isTarball(spec string) bool {
	spec = strings.ToLower(spec)
	return strings.HasSuffix(spec, ".tgz") || strings.HasSuffix(spec, ".tar.gz") || strings.HasSuffix(spec, ".tar")
}

// isPackageName is validate-npm-package-name's validForOldPackages, as far as it matters to a URL.
func isPackageName(name string) bool {
	if len(name) > 255 {
		return false
	}
	if scope, rest, ok := strings.Cut(name, "/"); ok {
		if scope == "" || scope[0] != '@' || !isURLWord(scope[1:]) {
			return false
		}
		name = rest
	}
	return isURLWord(name) && name[0] != '.' && name[0] != '_' && name != "node_modules" && name != "favicon.ico"
}

// isURLWord reports what encodeURIComponent leaves as it is.
func isURLWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r > 'z' && r != '~' || r < 'a' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && !strings.ContainsRune("-_.!*'()", r)
	})
}

// machine is where a client will run what it installs: the machine Hither runs on, except in a virtual machine or an emulation.
type machine struct {
	node semver.Version // zero: not known, and every release suits it
	project.Platform
}

// suits tells whether the engines of a release allow the machine's Node.
func (m machine) suits(f *factSheet) bool {
	wanted := f.Engines.is.Node.is
	if wanted == "" || m.node == (semver.Version{}) {
		return true
	}
	r, ok := semver.ParseRange(wanted, false)
	return ok && r.Holds(m.node)
}

// runs tells whether a release is for the machine's system (npm-install-checks). If it is not, and optional, npm does not
// fetch its tarball.
func (m machine) runs(f *factSheet) bool {
	return project.Systems{OS: f.OS.list, CPU: f.CPU.list, Libc: f.Libc.list}.Include(m.Platform)
}

// pick chooses a release as npm does (npm-pick-manifest): latest if it will do, else the highest that suits the engine and
// is not deprecated, else the highest that comes near to it. nil: there is none.
func (d *packument) pick(want request, m machine) *release {
	switch want.kind {
	case byTag:
		return d.release(d.tags[want.text])
	case byVersion:
		return d.release(want.text)
	}
	if latest := d.release(d.tags["latest"]); latest != nil {
		within := want.text == "*" || latest.readable && want.ranged.Holds(latest.version)
		if within && !latest.deprecated && m.suits(d.sheet(latest)) {
			return latest
		}
	}
	var best *release
	var grade int
	for i := range d.releases {
		r := &d.releases[i]
		if !r.readable || !want.ranged.Holds(r.version) {
			continue
		}
		if g := d.grade(r, m); best == nil || g > grade || g == grade && r.version.Compare(best.version) > 0 {
			best, grade = r, g
		}
	}
	return best
}

// grade puts what suits the engine above what is not deprecated, and both above all.
func (d *packument) grade(r *release, m machine) int {
	grade := 0
	if m.node == (semver.Version{}) || m.suits(d.sheet(r)) { // a sheet is read only if it matters: there are many
		grade += 2
	}
	if !r.deprecated {
		grade++
	}
	return grade
}

func (d *packument) release(id string) *release {
	i := slices.IndexFunc(d.releases, func(r release) bool { return r.id == id })
	if i < 0 {
		return nil
	}
	return &d.releases[i]
}

// hexIntegrity says a shasum of before 2017 as npm says it; empty if it is none.
func hexIntegrity(shasum string) string {
	sum, err := hex.DecodeString(shasum)
	if err != nil || len(sum) != 20 {
		return ""
	}
	return "sha1-" + base64.StdEncoding.EncodeToString(sum)
}
