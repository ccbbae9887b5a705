package golang

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// maxListed is how many lines of a list of versions are read; no module has a tenth of them.
const maxListed = 100_000

// maxVersion is how long a version may be, and so much of a line is read, in bytes.
const maxVersion = 1 << 10

// maxLatest is how long an answer of MODULE/@latest may be, in bytes. They have some hundred.
const maxLatest = 64 << 10

// versions is what the go command makes of the list of a module's versions (cmd/go/internal/modfetch/proxy.go, Versions;
// modload/query.go, filterVersions). Each field is empty if there is no such version.
type versions struct {
	dated      string // the latest by time, whose .info is asked for in any case
	compatible pick   // without those that are +incompatible
	all        pick
	last       string // of those that are not +incompatible: whether it has a go.mod decides between the two
}

// pick is the highest release and the highest prerelease among some versions.
type pick struct{ release, pre string }

// best is what a query takes.
func (p pick) best() string {
	if p.release != "" {
		return p.release
	}
	return p.pre
}

// readVersions reads the body of MODULE/@v/list: a version a line, perhaps with a time behind it.
func readVersions(body []byte) (v versions) {
	var latest time.Time
	lines := 0
	for line := range bytes.Lines(body) {
		if lines++; lines > maxListed {
			break
		}
		fields := strings.Fields(string(line[:min(len(line), maxVersion)]))
		if len(fields) == 0 || !semver.IsValid(fields[0]) {
			continue
		}
		version, pseudo := fields[0], module.IsPseudoVersion(fields[0])
		var at time.Time
		switch {
		case len(fields) > 1:
			at, _ = time.Parse(time.RFC3339, fields[1])
		case pseudo:
			at, _ = module.PseudoVersionTime(version)
		}
		if latest.Before(at) {
			v.dated, latest = version, at
		}
		if !pseudo {
			v.take(version)
		}
	}
	return v
}

func (v *versions) take(version string) {
	v.all.take(version)
	if !strings.HasSuffix(version, "+incompatible") {
		v.compatible.take(version)
		v.last = higher(v.last, version)
	}
}

func (p *pick) take(version string) {
	if semver.Prerelease(version) != "" {
		p.pre = higher(p.pre, version)
	} else {
		p.release = higher(p.release, version)
	}
}

func higher(a, b string) string {
	if a == "" || semver.Compare(b, a) > 0 {
		return b
	}
	return a
}

// divided says that a go.mod decides which versions count.
func (v versions) divided() bool { return v.last != "" && v.all != v.compatible }

// readLatest reads the version of MODULE/@latest; empty if it tells none that could be one.
func readLatest(body []byte) string {
	var info struct{ Version string }
	if len(body) > maxLatest || json.Unmarshal(body, &info) != nil || len(info.Version) > maxVersion || !semver.IsValid(info.Version) {
		return ""
	}
	return info.Version
}
