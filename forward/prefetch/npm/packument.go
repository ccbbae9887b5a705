package npm

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"hither/forward/prefetch/npm/semver"
)

// packument is what a registry says of one package, as far as it decides what is asked for next. It holds no part of the
// document's own bytes.
type packument struct {
	name     string
	tags     map[string]string // dist-tags: which version each one is
	releases []release         // in the order of the document
	facts    []facts           // of releases; many have the same
	needed   map[string]bool   // the packages that some of facts name, until somebody took note of them
	weight   int               // what it costs to keep it and to look through it, in releases of the usual size
}

// release is one version.
type release struct {
	id         string // as it is written
	version    semver.Version
	readable   bool // version is what id says
	deprecated bool
	facts      int      // in packument.facts
	tarball    string   // URL
	by         *release // the version that needs it, if it was chosen for that
	integrity  string   // what the client will expect of the tarball, in the words of Subresource Integrity; empty: it is not said
}

// facts is what a release needs, and where it runs.
type facts struct {
	raw  string // a JSON object of the fields in isFact
	read *factSheet
}

// factSheet is facts.raw, decoded. Fields of a wrong kind are empty: npm repairs some of them, which is rare enough.
type factSheet struct {
	Dependencies         lenient[map[string]lenient[string]]
	OptionalDependencies lenient[map[string]lenient[string]]
	PeerDependencies     lenient[map[string]lenient[string]]
	PeerDependenciesMeta lenient[map[string]lenient[struct{ Optional lenient[bool] }]]
	BundleDependencies   wordList // npm's spelling of today
	BundledDependencies  wordList // and the other one
	OS, CPU, Libc        wordList
	Engines              lenient[struct{ Node lenient[string] }]
	HasShrinkwrap        lenient[bool] `json:"_hasShrinkwrap"`
}

// maxFacts bounds facts.raw, in bytes. The largest there are have some 20 KB; a release with more needs nothing.
const maxFacts = 128 << 10

// isFact tells which fields of a version are kept.
func isFact(key string) bool {
	switch key {
	case "dependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta",
		"bundleDependencies", "bundledDependencies", "os", "cpu", "libc", "engines", "_hasShrinkwrap":
		return true
	}
	return false
}

// lenient is a value that may be of another kind, and is its zero value then.
type lenient[T any] struct{ is T }

func (l *lenient[T]) UnmarshalJSON(data []byte) error {
	var is T
	if json.Unmarshal(data, &is) == nil {
		l.is = is
	}
	return nil
}

// names is a list of words, or one word; all stands for true.
type wordList struct {
	list []string
	all  bool
}

func (n *wordList) UnmarshalJSON(data []byte) error {
	*n = wordList{}
	if json.Unmarshal(data, &n.list) == nil || json.Unmarshal(data, &n.all) == nil {
		return nil
	}
	n.list = nil
	if word := unquote(data); word != "" {
		n.list = []string{word}
	}
	return nil
}

// readPackument reads a document, full or abbreviated. False: it is none, or breaks off.
func readPackument(name string, body []byte) (*packument, bool) {
	in := &scanner{data: body}
	r := packumentReader{doc: &packument{name: name, tags: make(map[string]string), needed: make(map[string]bool)}, known: make(map[string]int)}
	in.members(func(key []byte) {
		switch string(key) {
		case "dist-tags":
			in.members(func(tag []byte) { r.doc.tags[string(tag)] = in.text() })
		case "versions":
			in.members(func(id []byte) { r.version(string(id), in) })
		default:
			in.value()
		}
	})
	r.doc.weight += len(r.doc.needed) / 4 // about 100 bytes each
	return r.doc, !in.failed && len(r.doc.releases) > 0
}

// packumentReader keeps equal facts once: from one version to the next, little changes.
type packumentReader struct {
	doc   *packument
	known map[string]int // facts.raw: its index
	sheet []byte         // of the version that is read
}

func (r *packumentReader) version(id string, in *scanner) {
	v := release{id: id}
	v.version, v.readable = semver.ParseVersion(id, true)
	r.sheet = append(r.sheet[:0], '{')
	in.members(func(key []byte) {
		switch {
		case string(key) == "deprecated":
			v.deprecated = truthy(in.value())
		case string(key) == "dist":
			v.tarball, v.integrity = readDist(in)
		case isFact(string(key)):
			r.add(key, in.value())
		default:
			in.value()
		}
	})
	v.facts = r.intern()
	r.doc.weight++
	r.doc.releases = append(r.doc.releases, v)
}

// add puts a field on the sheet, unless there is nothing in it.
func (r *packumentReader) add(key, value []byte) {
	if len(value) <= 2 || string(value) == "null" {
		return
	}
	if len(r.sheet) > 1 {
		r.sheet = append(r.sheet, ',')
	}
	r.sheet = append(r.sheet, '"')
	r.sheet = append(r.sheet, key...)
	r.sheet = append(r.sheet, '"', ':')
	r.sheet = append(r.sheet, value...)
}

func (r *packumentReader) intern() int {
	r.sheet = append(r.sheet, '}')
	if at, ok := r.known[string(r.sheet)]; ok {
		return at
	}
	if len(r.sheet) > maxFacts {
		r.sheet = append(r.sheet[:0], "{}"...)
	}
	raw := string(r.sheet)
	r.doc.weight += len(raw) / 400
	r.known[raw] = len(r.doc.facts)
	r.doc.facts = append(r.doc.facts, facts{raw: raw})
	r.note()
	return len(r.doc.facts) - 1
}

// note notes the packages that a sheet names.
func (r *packumentReader) note() {
	in := &scanner{data: r.sheet}
	in.members(func(key []byte) {
		if !namesPackages(key) {
			in.value()
			return
		}
		in.members(func(name []byte) {
			if len(r.doc.needed) < maxPackages {
				r.doc.needed[string(name)] = true
			}
			in.value()
		})
	})
}

// namesPackages tells which of the fields in isFact have packages for keys.
func namesPackages(key []byte) bool {
	return bytes.HasSuffix(key, []byte("ependencies")) && !bytes.HasPrefix(key, []byte("bundle"))
}

// truthy is JavaScript's: a reason may be a sentence, or true; false and "" say that a deprecation was taken back.
func truthy(value []byte) bool {
	switch string(value) {
	case "", "false", `""`, "null", "0":
		return false
	}
	return true
}

func readDist(in *scanner) (tarball, integrity string) {
	shasum := ""
	in.members(func(key []byte) {
		switch string(key) {
		case "tarball":
			tarball = in.text()
		case "integrity":
			integrity = in.text()
		case "shasum":
			shasum = in.text()
		default:
			in.value()
		}
	})
	if integrity == "" {
		integrity = hexIntegrity(shasum)
	}
	return tarball, integrity
}

// sheet is what a release needs.
func (d *packument) sheet(r *release) *factSheet { return d.facts[r.facts].sheet() }

func (f *facts) sheet() *factSheet {
	if f.read == nil {
		f.read = &factSheet{}
		_ = json.Unmarshal([]byte(f.raw), f.read)
	}
	return f.read
}

// about is the sheet as far as it is about one package. It is asked of very many, all of which would take too much memory.
func (f *facts) about(name string) *factSheet {
	in, r := &scanner{data: []byte(f.raw)}, packumentReader{sheet: []byte{'{'}}
	in.members(func(key []byte) {
		if !namesPackages(key) && string(key) != "peerDependenciesMeta" {
			r.add(key, in.value())
			return
		}
		in.members(func(other []byte) {
			if value := in.value(); string(other) == name {
				r.add(key, slices.Concat([]byte(`{"`), other, []byte(`":`), value, []byte(`}`)))
			}
		})
	})
	sheet := &factSheet{}
	_ = json.Unmarshal(append(r.sheet, '}'), sheet)
	return sheet
}

// need is one dependency of a release.
type need struct {
	name, spec string
	peer       bool
	optional   bool // a peer that is installed only if somebody else needs it
	spare      bool // an optional dependency: whoever cannot install it does without
}

// needs are the dependencies whose packuments npm asks for when it has chosen a release, by name: all but what is in its
// tarball. Where an optional dependency runs is not known before its packument is read.
func (f *factSheet) needs() []need {
	found := make(map[string]need)
	if f.BundleDependencies.all || f.BundledDependencies.all || f.HasShrinkwrap.is {
		return nil
	}
	for name, spec := range f.PeerDependencies.is {
		found[name] = need{name: name, spec: spec.is, peer: true, optional: f.PeerDependenciesMeta.is[name].is.Optional.is}
	}
	for name, spec := range f.Dependencies.is {
		found[name] = need{name: name, spec: spec.is}
	}
	for name, spec := range f.OptionalDependencies.is {
		found[name] = need{name: name, spec: spec.is, spare: true}
	}
	for _, name := range slices.Concat(f.BundleDependencies.list, f.BundledDependencies.list) {
		delete(found, name)
	}
	all := make([]need, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[name])
	}
	return all
}
