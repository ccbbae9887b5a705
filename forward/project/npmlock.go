package project

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// maxDepth bounds how deep packages may stand in each other.
const maxDepth = 200

var (
	errTooMany = errors.New("it names more packages than any project has")
	errTooDeep = errors.New("its packages stand too deep in each other")
	errNoLock  = errors.New("it is not what its name says")
)

// npmEntry is one package of a package-lock.json (docs.npmjs.com, package-lock.json, "packages").
type npmEntry struct {
	Name        string
	Version     string
	Resolved    string
	Integrity   string
	Link        bool
	InBundle    bool
	Dev         bool
	Peer        bool
	Optional    bool
	DevOptional bool
	OS          words
	CPU         words
	Libc        words
}

// words is a list of strings, or one string.
type words []string

// UnmarshalJSON takes whatever else stands there for nothing, as npm does.
func (w *words) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*w = words{one}
		return nil
	}
	var many []string
	_ = json.Unmarshal(data, &many)
	*w = many
	return nil
}

// parseNPMLock reads lockfileVersion 1, 2 and 3. It goes from token to token, since the order of the names counts.
func parseNPMLock(data []byte) ([]Package, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	var v1, v2 []Package
	err := eachMember(d, func(name string) error {
		switch name {
		case "packages":
			return eachMember(d, func(path string) error { return addNPM(d, path, &v2) })
		case "dependencies":
			if v2 == nil { // version 2 repeats in them what its packages have said
				return eachMember(d, func(name string) error { return addNPMv1(d, name, &v1, 0) })
			}
		}
		return skip(d)
	})
	if v2 != nil {
		return v2, err
	}
	return v1, err
}

func addNPM(d *json.Decoder, path string, to *[]Package) error {
	var e npmEntry
	if err := d.Decode(&e); err != nil {
		return err
	}
	if len(*to) >= maxEntries {
		return errTooMany
	}
	i := strings.LastIndex(path, "node_modules/")
	if i < 0 || e.Link || e.InBundle { // the project itself, its workspaces, links to them; or it came inside another
		return nil
	}
	if e.Name == "" { // an alias has one
		e.Name = path[i+len("node_modules/"):]
	}
	if e.Resolved != "" && !strings.HasPrefix(e.Resolved, "http") { // git+ssh:, file:
		return nil
	}
	p := Package{
		Name: e.Name, Version: e.Version, URL: e.Resolved, Integrity: e.Integrity, Dev: e.Dev, Peer: e.Peer, Optional: e.Optional, DevOptional: e.DevOptional,
		Sparse: e.Resolved == "",
	}
	if p.Optional { // what is needed and does not fit fails the install
		p.For = Systems{OS: e.OS, CPU: e.CPU, Libc: e.Libc}
	}
	*to = append(*to, p)
	return nil
}

// addNPMv1 reads one of "dependencies", where packages stand in each other. Version may be a URL, for what is of no
// registry.
func addNPMv1(d *json.Decoder, name string, to *[]Package, depth int) error {
	if depth == maxDepth {
		return errTooDeep
	}
	if len(*to) >= maxEntries {
		return errTooMany
	}
	p, bundled, at := Package{Name: name, Sparse: true}, false, len(*to)
	*to = append(*to, p)
	err := eachMember(d, func(key string) error {
		switch key {
		case "version":
			return d.Decode(&p.Version)
		case "resolved":
			return d.Decode(&p.URL)
		case "integrity":
			return d.Decode(&p.Integrity)
		case "dev":
			return d.Decode(&p.Dev)
		case "peer":
			return d.Decode(&p.Peer)
		case "optional":
			return d.Decode(&p.Optional)
		case "bundled":
			return d.Decode(&bundled)
		case "dependencies":
			return eachMember(d, func(name string) error { return addNPMv1(d, name, to, depth+1) })
		}
		return skip(d)
	})
	if bundled || strings.Contains(p.Version, ":") && !strings.HasPrefix(p.Version, "npm:") {
		p = Package{} // its place stays, and no tarball is of that name
	}
	if alias, ok := strings.CutPrefix(p.Version, "npm:"); ok {
		p.Name, p.Version = CutVersion(alias)
	}
	(*to)[at] = p
	return err
}

// CutVersion splits NAME@VERSION, where the name may have a scope and the version may be any words that npm takes for one.
func CutVersion(s string) (name, version string) {
	if i := strings.LastIndexByte(s, '@'); i > 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// eachMember calls member behind each name of an object; it must take the value. null is an object without members.
func eachMember(d *json.Decoder, member func(name string) error) error {
	start, err := d.Token()
	if err != nil {
		return err
	}
	switch start {
	case json.Delim('{'):
	case nil:
		return nil
	default:
		return errNoLock
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		if err := member(name.(string)); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

func skip(d *json.Decoder) error {
	var nothing json.RawMessage
	return d.Decode(&nothing)
}
