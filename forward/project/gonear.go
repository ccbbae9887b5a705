package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// Bounds of what is read of a project of many modules. Those known have some hundred, of 1 MB together.
const (
	maxNear      = 2000    // directories
	maxNearWords = 4 << 20 // bytes of their go.mod files
)

// errForeign is a file outside the project that is another user's.
var errForeign = errors.New("it is another user's: Hither reads beside a project only what is yours, or its owner's")

// neighbours reads the modules that a project of several has, wherever go.work and replace lines say that they are: often beside
// it, as ../x. The go command reads them there, too; but what somebody else wrote must not make us read just anything. So of a
// directory outside the project are read only files named go.mod and go.sum that are regular, not reached by a link out of
// that directory, and of the same owner as Hither or the project; and none of another machine.
type neighbours struct {
	project string // its directory, where links lead, in which all is the project's
	owner   int    // of the project's own file
	dirs    int    // that were read
	words   int    // bytes of go.mod files
	lines   int    // bytes of go.sum files
}

func newNeighbours(dir, file string) *neighbours {
	n := &neighbours{project: unlinked(dir), owner: -1}
	if info, err := os.Stat(filepath.Join(dir, file)); err == nil {
		n.owner = ownerOf(info)
	}
	return n
}

// mod reads DIR/go.mod.
func (n *neighbours) mod(dir string) ([]byte, error) {
	if n.dirs++; n.dirs > maxNear {
		return nil, fmt.Errorf("%s is one directory of more than %d: Hither reads no such project", dir, maxNear)
	}
	data, err := n.read(dir, "go.mod")
	if err != nil {
		return nil, err
	}
	if n.words += len(data); len(data) > MaxGoMod || n.words > maxNearWords {
		return nil, fmt.Errorf("%s: it is larger than %d bytes, or all together are than %d: Hither reads no such project", filepath.Join(dir, "go.mod"), MaxGoMod, maxNearWords)
	}
	return data, nil
}

// sum reads DIR/go.sum; without it the requirements must do.
func (n *neighbours) sum(dir string) []byte {
	if n.lines > maxFile {
		return nil
	}
	data, err := n.read(dir, "go.sum")
	if n.lines += len(data); err != nil || n.lines > maxFile {
		return nil
	}
	return data
}

func (n *neighbours) read(dir, name string) ([]byte, error) {
	if strings.HasPrefix(dir, `\\`) || strings.HasPrefix(dir, `\??\`) {
		return nil, fmt.Errorf("%s may be on another machine: Hither reads only what is on this one", dir)
	}
	root, err := os.OpenRoot(dir + string(filepath.Separator)) // so that the system opens no pipe or device of that name
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := openRegular(root, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat() // of what is open: by its name there may be another file now
	if err != nil {
		return nil, err
	}
	if !n.has(dir) && !n.owns(info) {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, name), errForeign)
	}
	return readAll(file, maxFile)
}

// has says that a directory is in the project, as its name says and where links lead.
func (n *neighbours) has(dir string) bool {
	at, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(n.project, at)
	return err == nil && filepath.IsLocal(rel)
}

func (n *neighbours) owns(info fs.FileInfo) bool {
	owner := ownerOf(info)
	return owner == os.Geteuid() || owner == n.owner
}

// local is what matters of the go.mod of a directory that stands for a module.
type local struct {
	requires []module.Version
	old      bool // see Go.Pruned
}

// localOf is what matters of a go.mod.
func localOf(file *modfile.File) local { return local{requiredBy(file), isOld(file)} }

// locals reads the go.mod files of directories, but for those of main modules, which are here. Where there is none, or a broken
// one, the go command gives up, should it need it.
func (n *neighbours) locals(dirs []string, mains []mainModule) (map[string]local, error) {
	out := make(map[string]local, len(dirs))
	for _, dir := range dirs {
		if i := slices.IndexFunc(mains, func(m mainModule) bool { return m.dir == dir }); i >= 0 {
			out[dir] = localOf(mains[i].file)
			continue
		}
		data, err := n.mod(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if file, err := modfile.ParseLax(filepath.Join(dir, "go.mod"), data, nil); err == nil {
			out[dir] = localOf(file)
		}
	}
	return out, nil
}

func requiredBy(file *modfile.File) []module.Version {
	out := make([]module.Version, 0, min(len(file.Require), maxEntries))
	for _, q := range file.Require[:cap(out)] {
		out = append(out, q.Mod)
	}
	return out
}
