package golang

import (
	"slices"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"hither/forward/project"
)

// The requirements of a project come sorted, and of each module there is one, of no lower version than any other requires.
// So what the go.mod files that came require is guessed at shortly before its turn: the longer that is put off, the more of
// them have been heard, and the fewer guesses are of a version that turns out to be too low.
const (
	// aheadOnce is how many of the modules that may come next are looked at for those that one go.mod alone names. Two in
	// three of these are no requirement of the project.
	aheadOnce = 8
	// aheadOften is the same for those that several name: as many as the go command asks for in four rounds.
	aheadOften = 32
	// overtaking is how many of the last requests may have come before earlier ones.
	overtaking = 4
)

// mention is what go.mod files say of a module that may be a requirement of the project, too.
type mention struct {
	version string // the highest
	times   int    // so many files name the module
}

// hear notes what a go.mod names, once, while the client asks for the requirements of its project.
func (w *Walk) hear(v module.Version, file goMod) {
	if w.rootsOver() || w.heard[v] {
		return
	}
	w.heard[v] = true
	for _, r := range file.requires {
		m, known := w.mentions[r.Path]
		if !known && len(w.named) >= maxNames {
			continue
		}
		if !known {
			i, _ := slices.BinarySearch(w.named, r.Path)
			w.named = slices.Insert(w.named, i, r.Path)
		}
		m.times++
		if semver.Compare(r.Version, m.version) > 0 {
			m.version = r.Version
		}
		w.mentions[r.Path] = m
	}
}

// rootsOver says that no requirement of the project is to come.
func (w *Walk) rootsOver() bool { return w.rootsEnd || w.zips || len(w.infos) > 0 }

// likelyRoots wants what was named and may be asked for next.
func (w *Walk) likelyRoots(out []project.Want) []project.Want {
	if w.rootsOver() || w.known || len(w.inOrder) == 0 {
		return out
	}
	at, _ := slices.BinarySearch(w.named, w.inOrder[max(0, len(w.inOrder)-overtaking)])
	for i, n := at, 0; i < len(w.named) && n < aheadOften; i++ {
		path := w.named[i]
		if w.roots[path] {
			continue
		}
		n++
		m, why := w.mentions[path], whyNewGoMod
		if m.times == 1 {
			why = whyOnceGoMod
		}
		v := module.Version{Path: path, Version: m.version}
		if semver.Compare(w.highest[path], v.Version) > 0 {
			v.Version = w.highest[path]
		}
		if m.times > 1 || n <= aheadOnce {
			out = w.guess(out, v, why)
		}
	}
	return out
}

// guess wants a go.mod, if it was not guessed before.
func (w *Walk) guess(out []project.Want, v module.Version, why string) []project.Want {
	if w.guessed[v] {
		return out
	}
	w.guessed[v] = true
	return w.add(out, v, ".mod", why)
}

// Guesses says which reasons are guesses. The client reads all that is behind a module before go 1.17, and lists what is in
// the graph when its end is in sight; but what a pruned module requires is asked for only if the project requires it too.
func (w *Walk) Guesses(why string, usually bool) bool {
	switch why {
	case whyNewGoMod, whyOnceGoMod:
		return true
	case whyListedMod:
		return len(w.infos) == 0
	case whyOldGoMod:
		return usually && w.zips
	case whyGraphInfo, whyReadGoMod, whyNamedList, whyNamedInfo, whyPrefixList, whyNewestZip:
		return false
	case whyList, whyDatedInfo, whyNewestInfo, whyNewestMod, whyLastMod, whyLatestCommit:
		return !w.queries.told && len(w.queries.lists) < manyLists
	}
	return usually
}
