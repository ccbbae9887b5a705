package project

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"
)

// workspace is a go.work.
type workspace struct {
	dir  string
	name string // of the file in dir; a client may have another one than go.work
	file *modfile.WorkFile
}

// readWorkspace reads the go.work that counts in dir: what the client's GOWORK names, or the first above. The error is
// fs.ErrNotExist if there is none, or is to be none.
func readWorkspace(dir, named string) (*workspace, error) {
	at, name := filepath.Split(named)
	var data []byte
	var err error
	switch {
	case named == "off":
		return nil, fmt.Errorf("go.work: %w: GOWORK is off", fs.ErrNotExist)
	case named == "" || named == "auto":
		name = "go.work"
		at, data, err = findUp(dir, name)
	case !filepath.IsAbs(named):
		err = fmt.Errorf("GOWORK is %s: the go command wants the whole path of a file", named)
	default:
		if data, err = readNamed(named); err != nil {
			err = fmt.Errorf("GOWORK names no file that can be read: %s", err) // so that nobody goes on without it
		}
	}
	if err != nil {
		return nil, err
	}
	if len(data) > MaxGoMod {
		return nil, fmt.Errorf("%s: it is larger than %d bytes: Hither reads no such file", filepath.Join(at, name), MaxGoMod)
	}
	file, err := modfile.ParseWork(filepath.Join(at, name), data, nil)
	return &workspace{filepath.Clean(at), name, file}, err
}

// path is where a module of the workspace is.
func (w *workspace) path(use *modfile.Use) string {
	if path := filepath.FromSlash(use.Path); filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(w.dir, filepath.FromSlash(use.Path))
}

// read reads all modules of the workspace. If one is missing or broken, the go command refuses the whole, and asks nobody.
func (w *workspace) read(dir string) (*Go, error) {
	near := newNeighbours(w.dir, w.name)
	var mains []mainModule
	var sums [][]byte
	seen := map[string]bool{}
	for _, use := range w.file.Use {
		at := w.path(use)
		if seen[at] {
			continue
		}
		seen[at] = true
		data, err := near.mod(at)
		if err != nil {
			return nil, err
		}
		file, err := parseGoMod(filepath.Join(at, "go.mod"), data)
		if err != nil {
			return nil, err
		}
		mains, sums = append(mains, mainModule{at, file}), append(sums, near.sum(at))
	}
	if len(mains) == 0 {
		return nil, fmt.Errorf("%s names no module: %w", filepath.Join(w.dir, w.name), fs.ErrNotExist)
	}
	sum, _ := readIn(w.dir, w.name+".sum")
	g, err := newGo(w.dir, mains, w, append(sums, sum), near)
	if err != nil {
		return nil, err
	}
	g.Vendored = w.file.Go != nil && vendors(w.dir, true)
	at, _, err := findUp(unlinked(dir), "go.mod")
	g.Member = errors.Is(err, fs.ErrNotExist) || slices.ContainsFunc(mains, func(m mainModule) bool { return unlinked(m.dir) == at })
	return g, nil
}
