package project

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds of a workspace.
const (
	maxWorkspaces = 1000
	maxPatterns   = 500    // that say where they are; each is tried for each directory
	maxLooked     = 20_000 // directory entries looked at for them

	// maxManifest is the largest package.json that is read, in bytes: what is kept of one may take ten times its size. Those known
	// have some ten KB.
	maxManifest  = 1 << 20
	maxManifests = 8 << 20 // of all of a workspace together
)

// Manifest is a package.json: what is wanted, in the project's own words.
type Manifest struct {
	Dir     string // where it is
	Name    string
	Version string
	// The range, tag, alias or address that is wanted of each name.
	Dependencies, DevDependencies, OptionalDependencies, PeerDependencies map[string]string
	// PeerOptional are the peer dependencies that npm does not install by itself.
	PeerOptional map[string]bool
	// Workspaces are the packages that stand below this one and are installed with it.
	Workspaces []*Manifest
}

// manifestFile is package.json as it is written; each part may be of a wrong type, and then is none.
type manifestFile struct {
	Name                 text
	Version              text
	Dependencies         ranges
	DevDependencies      ranges
	OptionalDependencies ranges
	PeerDependencies     ranges
	PeerDependenciesMeta json.RawMessage
}

type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	_ = json.Unmarshal(data, &s)
	*t = text(s)
	return nil
}

type ranges map[string]string

func (r *ranges) UnmarshalJSON(data []byte) error {
	var raw map[string]text
	_ = json.Unmarshal(data, &raw)
	*r = make(ranges, min(len(raw), maxEntries))
	for name, want := range raw {
		if len(*r) < maxEntries {
			(*r)[name] = string(want)
		}
	}
	return nil
}

// ReadManifest reads the package.json that npm finds from dir, which is absolute: that of the workspace dir is in, with
// all its packages, else the nearest. The error is fs.ErrNotExist if there is none.
func ReadManifest(dir string) (*Manifest, error) {
	at, err := npmPackage(dir)
	if err != nil {
		return nil, err
	}
	at = workspaceOf(at)
	root, err := os.OpenRoot(at)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	room := maxManifests
	m, err := readManifest(root, ".", &room)
	if err != nil {
		return nil, err
	}
	for _, sub := range workspaces(root) {
		if w, err := readManifest(root, sub, &room); err == nil {
			m.Workspaces = append(m.Workspaces, w)
		}
	}
	return m, nil
}

// readManifest reads a package.json for which there is room, and takes that much off.
func readManifest(root *os.Root, dir string, room *int) (*Manifest, error) {
	file := filepath.Join(dir, "package.json")
	data, err := readBounded(root, file, min(maxManifest, *room))
	if err != nil {
		return nil, err
	}
	*room -= len(data)
	m, err := parseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w; correct it", filepath.Join(root.Name(), file), err)
	}
	m.Dir = filepath.Join(root.Name(), dir)
	return m, nil
}

func parseManifest(data []byte) (*Manifest, error) {
	var f manifestFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	var meta map[string]struct{ Optional bool }
	_ = json.Unmarshal(f.PeerDependenciesMeta, &meta) // what cannot be read is none
	m := &Manifest{
		Name: string(f.Name), Version: string(f.Version), Dependencies: f.Dependencies, DevDependencies: f.DevDependencies,
		OptionalDependencies: f.OptionalDependencies, PeerDependencies: f.PeerDependencies, PeerOptional: map[string]bool{},
	}
	for name, about := range meta {
		if about.Optional {
			m.PeerOptional[name] = true
		}
	}
	return m, nil
}

// workspacePatterns are where a root says its packages are: package.json's workspaces, or pnpm-workspace.yaml's packages.
func workspacePatterns(root *os.Root) []string {
	var file struct{ Workspaces json.RawMessage }
	data, err := readBounded(root, "package.json", maxManifest)
	if err == nil && json.Unmarshal(data, &file) == nil {
		var list []string
		var yarn struct{ Packages []string }
		if json.Unmarshal(file.Workspaces, &list) == nil && len(list) > 0 {
			return list[:min(len(list), maxPatterns)]
		}
		if json.Unmarshal(file.Workspaces, &yarn) == nil && len(yarn.Packages) > 0 {
			return yarn.Packages[:min(len(yarn.Packages), maxPatterns)]
		}
	}
	if data, err = readRoot(root, "pnpm-workspace.yaml"); err != nil {
		return nil
	}
	var list []string
	_ = outline(data, func(keys []string, value string) error {
		if keys[0] == "packages" && len(keys) == 2 && keys[1] == "-" && len(list) < maxPatterns {
			list = append(list, value)
		}
		return nil
	})
	return list
}

// workspaces are the directories that the patterns of root name, in alphabetical order.
func workspaces(root *os.Root) (found []string) {
	patterns := workspacePatterns(root)
	if len(patterns) == 0 {
		return nil
	}
	looked := 0
	_ = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if looked++; looked > maxLooked || len(found) == maxWorkspaces {
			return fs.SkipAll
		}
		if err != nil || !entry.IsDir() {
			return nil
		}
		if base := path.Base(name); name != "." && (base == "node_modules" || base[0] == '.') || !mayLeadTo(patterns, name) {
			return fs.SkipDir
		}
		if name != "." && matchAny(patterns, name) {
			found = append(found, filepath.FromSlash(name))
		}
		return nil
	})
	return found
}

// matchAny says whether a pattern names the directory; one that begins with "!" takes away.
func matchAny(patterns []string, dir string) bool {
	is := false
	for _, p := range patterns {
		not, negative := strings.CutPrefix(p, "!")
		if matchParts(splitPattern(not), strings.Split(dir, "/")) {
			is = !negative
		}
	}
	return is
}

func splitPattern(p string) []string {
	return strings.Split(path.Clean(strings.TrimPrefix(p, "./")), "/")
}

// matchParts knows path.Match's signs and "**" for any number of directories.
func matchParts(pattern, parts []string) bool {
	// reached[i] says that the parts so far match the first i of the pattern: this way no pattern takes long.
	reached := make([]bool, len(pattern)+1)
	reached[0] = true
	spread := func() {
		for i, p := range pattern {
			if reached[i] && p == "**" {
				reached[i+1] = true
			}
		}
	}
	spread()
	for _, part := range parts {
		for i := len(pattern) - 1; i >= 0; i-- {
			ok, _ := path.Match(pattern[i], part)
			reached[i+1] = reached[i] && ok && pattern[i] != "**" || reached[i+1] && pattern[i] == "**"
		}
		reached[0] = false
		spread()
	}
	return reached[len(pattern)]
}

// mayLeadTo says whether something below dir may match.
func mayLeadTo(patterns []string, dir string) bool {
	if dir == "." {
		return true
	}
	parts := strings.Split(dir, "/")
	for _, p := range patterns {
		pattern := splitPattern(p)
		if i := slices.Index(pattern, "**"); i >= 0 && i <= len(parts) {
			pattern = pattern[:i]
			parts := parts[:i]
			if matchParts(pattern, parts) {
				return true
			}
			continue
		}
		if len(parts) <= len(pattern) && matchParts(pattern[:len(parts)], parts) {
			return true
		}
	}
	return false
}
