package project

import (
	"fmt"
	"path/filepath"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// replacements are the replace lines: those of go.work, and those of its modules, or of the one module.
type replacements struct {
	work   replacing
	mods   replacing
	stands map[module.Version]bool // what stands for something
}

// replacing says by what something is replaced, where an empty version is all. By no version: by a directory, whose path is
// absolute.
type replacing map[module.Version]module.Version

// newReplacements is an error where two modules of a workspace disagree: the go command refuses it.
func newReplacements(mains []mainModule, work *workspace) (replacements, error) {
	r := replacements{replacing{}, replacing{}, map[module.Version]bool{}}
	said := map[string]bool{} // of these modules go.work speaks
	if work != nil {
		for _, line := range work.file.Replace {
			r.work[line.Old] = standIn(work.dir, line)
			said[line.Old.Path] = true
		}
	}
	for _, m := range mains {
		own := replacing{} // in one file the last line counts
		for _, line := range m.file.Replace {
			own[line.Old] = standIn(m.dir, line)
		}
		for old, by := range own {
			if other, known := r.mods[old]; known && other != by && !said[old.Path] {
				return r, fmt.Errorf("%s and another module of the workspace replace %s differently: say in go.work which counts", m.dir, old)
			}
			r.mods[old] = by
		}
	}
	for _, by := range []replacing{r.work, r.mods} {
		for _, m := range by {
			r.stands[m] = true
		}
	}
	return r, nil
}

// standIn is what stands for a module by a line of a file in dir.
func standIn(dir string, line *modfile.Replace) module.Version {
	by := line.New
	if by.Version == "" {
		if by.Path = filepath.FromSlash(by.Path); !filepath.IsAbs(by.Path) {
			by.Path = filepath.Join(dir, by.Path)
		}
	}
	return by
}

// of is what is fetched for m, or a directory; false: that is on this machine.
func (r replacements) of(m module.Version) (by module.Version, remote bool) {
	for _, lines := range []replacing{r.work, r.mods} {
		for _, old := range []module.Version{m, {Path: m.Path}} {
			if by, ok := lines[old]; ok {
				return by, by.Version != ""
			}
		}
	}
	return m, true
}

// hides says that m itself is never asked for: something else stands for it, and it stands for nothing.
func (r replacements) hides(m module.Version) bool {
	by, _ := r.of(m)
	return by != m && !r.stands[m]
}

// directories are those that stand for modules.
func (r replacements) directories() (dirs []string) {
	for by := range r.stands {
		if by.Version == "" {
			dirs = append(dirs, by.Path)
		}
	}
	return dirs
}
