package install

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hither/install/ownfile"
)

// place is where a file stands: its directory, which is held open, and its name in it. All that is read and written there
// goes by that directory, so that nobody can put another in its way meanwhile: a home belongs to a user, and we may be
// root. close ends it.
type place struct {
	m       *Machine
	dir     *os.Root // the nearest directory that is there
	gone    []string // directories that are missing between dir and the file, outermost first
	name    string
	asked   string // the path that was asked for
	real    string // the path without links
	refused error  // why nothing may be written there; nil: it may
}

// errForeign is a file that a change for a user must not touch.
var errForeign = errors.New("a link of another user leads there, and it is not his; change it by hand")

// errMoved is met when somebody moves directories while we look for a file in them.
var errMoved = errors.New("somebody moved a directory on the way there; call this again")

// maxLinks is what Linux follows (MAXSYMLINKS).
const maxLinks = 40

// locate finds the place of a real path. Links on the way are followed, and with follow one at its end; an absolute target
// is looked for below Root. What is missing at the end stays as it is. A link of another user than root and us may lead to
// what is his, and nowhere else.
func (m *Machine) locate(real string, follow bool) (*place, error) {
	w := &walk{pin: os.Geteuid() == 0, top: m.top(real), owner: -1}
	defer w.close()
	p, err := w.to(real, follow)
	if err != nil {
		return nil, err
	}
	p.m, p.asked = m, filepath.Clean(real)
	if w.owner >= 0 {
		p.refused = p.belongsTo(w.owner)
	}
	return p, nil
}

// top is where absolute links begin.
func (m *Machine) top(path string) string {
	if m.Root != "" {
		return filepath.Clean(m.Root)
	}
	return filepath.VolumeName(path) + string(filepath.Separator)
}

// walk goes to a file, a name at a time.
type walk struct {
	// pin holds each directory open on the way, so that what was looked at is what is entered. Only root needs it, who may
	// do more than those whose directories these are; others need not even be able to read them.
	pin    bool
	top    string
	levels []level
	links  int
	owner  int // to whom the last link of another user belongs; -1: there was none
}

// level is a directory on the way.
type level struct {
	path string
	dir  *os.Root // nil: not held
}

func (w *walk) close() {
	for _, l := range w.levels {
		if l.dir != nil {
			_ = l.dir.Close() // nothing was written by it
		}
	}
}

func (w *walk) to(real string, follow bool) (*place, error) {
	rest, ok := strings.CutPrefix(filepath.Clean(real), w.top)
	if !ok {
		return nil, fmt.Errorf("%s does not lie below %s: %w; name it with its whole path", real, w.top, fs.ErrInvalid)
	}
	if err := w.start(); err != nil {
		return nil, err
	}
	todo := splitPath(rest)
	for len(todo) > 0 {
		next, last := todo[0], len(todo) == 1
		todo = todo[1:]
		if next == ".." {
			w.leave()
			continue
		}
		target, isLink, err := w.readlink(next)
		switch {
		case err != nil:
			return nil, err
		case isLink && (!last || follow):
			if w.links++; w.links > maxLinks {
				return nil, fmt.Errorf("%s is a link that leads to itself; remove it", real)
			}
			if todo, err = w.turn(target, todo); err != nil {
				return nil, err
			}
			continue
		case last:
			return w.arrive(next, nil)
		}
		err = w.enter(next)
		if errors.Is(err, fs.ErrNotExist) || isNotDir(err) {
			names := splitPath(filepath.Join(append([]string{next}, todo...)...))
			return w.arrive(names[len(names)-1], names[:len(names)-1])
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s is a directory; name a file", real)
}

// start begins at the top, whatever was before.
func (w *walk) start() error {
	w.close()
	w.levels = []level{{path: w.top}}
	if !w.pin {
		return nil
	}
	dir, err := os.OpenRoot(w.top)
	w.levels[0].dir = dir
	return err
}

func (w *walk) here() level { return w.levels[len(w.levels)-1] }

func (w *walk) lstat(name string) (fs.FileInfo, error) {
	if l := w.here(); l.dir != nil {
		return l.dir.Lstat(name)
	}
	return os.Lstat(filepath.Join(w.here().path, name))
}

// readlink returns where a link leads, and notes whose it is. What is not there is no link.
func (w *walk) readlink(name string) (target string, isLink bool, err error) {
	before, err := w.lstat(name)
	if err != nil {
		return "", false, nil //nolint:nilerr // whoever enters it sees
	}
	if l := w.here(); l.dir != nil {
		target, err = l.dir.Readlink(name)
	} else {
		target, err = os.Readlink(filepath.Join(l.path, name))
	}
	if err != nil {
		return "", false, nil //nolint:nilerr // it is none
	}
	after, err := w.lstat(name)
	if err != nil || !os.SameFile(before, after) {
		return "", false, fmt.Errorf("%s: %w", filepath.Join(w.here().path, name), errMoved)
	}
	if uid, _, _ := ownfile.Owner(after); uid > 0 && uid != os.Geteuid() {
		w.owner = uid
	}
	return target, true, nil
}

// turn goes where a link leads, and then on to what is left.
func (w *walk) turn(target string, todo []string) ([]string, error) {
	todo = append(splitPath(strings.TrimPrefix(target, filepath.VolumeName(target))), todo...)
	if filepath.IsAbs(target) {
		return todo, w.start()
	}
	return todo, nil
}

func (w *walk) enter(name string) error {
	next := level{path: filepath.Join(w.here().path, name)}
	before, err := w.lstat(name)
	if err != nil {
		return err
	}
	if !before.IsDir() && before.Mode()&fs.ModeIrregular == 0 { // a junction of Windows is irregular
		return &fs.PathError{Op: "enter", Path: next.path, Err: errNotDir}
	}
	if w.here().dir != nil {
		if next.dir, err = w.here().dir.OpenRoot(name); err != nil {
			return err
		}
		after, err := next.dir.Stat(".")
		if err != nil || !os.SameFile(before, after) {
			_ = next.dir.Close() // nothing was written by it
			return fmt.Errorf("%s: %w", next.path, errMoved)
		}
	}
	w.levels = append(w.levels, next)
	return nil
}

// leave goes up. Above the top there is only the top.
func (w *walk) leave() {
	if n := len(w.levels) - 1; n > 0 {
		if dir := w.levels[n].dir; dir != nil {
			_ = dir.Close() // nothing was written by it
		}
		w.levels = w.levels[:n]
	}
}

// arrive hands the last directory over to the place.
func (w *walk) arrive(name string, gone []string) (*place, error) {
	last := &w.levels[len(w.levels)-1]
	p := &place{dir: last.dir, gone: gone, name: name, real: filepath.Join(last.path, filepath.Join(gone...), name)}
	last.dir = nil
	if p.dir != nil {
		return p, nil
	}
	var err error
	p.dir, err = os.OpenRoot(last.path)
	return p, err
}

func (p *place) close() { _ = p.dir.Close() } // what was written is synced

// isAt says that this is the place of a path, which may have had links since.
func (p *place) isAt(real string) bool { return p.real == real || p.asked == filepath.Clean(real) }

// belongsTo is nil if the file is this user's, or if it is not there, its directory.
func (p *place) belongsTo(uid int) error {
	info, err := p.lstat(p.name)
	if err != nil {
		info, err = p.dir.Stat(".")
	}
	if err != nil {
		return err
	}
	if has, _, _ := ownfile.Owner(info); has != uid && has >= 0 {
		return fmt.Errorf("%s: %w", p.m.Below(p.real), errForeign)
	}
	return nil
}

// lstat looks at a name in the file's directory.
func (p *place) lstat(name string) (fs.FileInfo, error) {
	if len(p.gone) > 0 {
		return nil, fs.ErrNotExist
	}
	return p.dir.Lstat(name)
}

// state reads the file without following a link.
func (p *place) state() (FileState, error) {
	info, err := p.lstat(p.name)
	if errors.Is(err, fs.ErrNotExist) || isNotDir(err) {
		return FileState{Absent: true, UID: -1, GID: -1}, nil
	}
	if err != nil {
		return FileState{}, err
	}
	s := FileState{Mode: info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)}
	s.UID, s.GID, _ = ownfile.Owner(info)
	if info.Mode()&fs.ModeSymlink == 0 {
		f, err := p.dir.OpenFile(p.name, os.O_RDONLY|ownfile.NeverWait, 0)
		if err != nil {
			return s, err
		}
		s.Bytes, err = readAll(f, p.real)
		return s, errors.Join(err, f.Close())
	}
	if s.Link, err = p.dir.Readlink(p.name); err != nil {
		return s, err
	}
	if target, err := p.m.Resolve(p.real); err == nil {
		s.Bytes, _ = readBounded(target) // a link that leads nowhere has no text
	}
	return s, nil
}

// isBare says that the file's directory is empty and not this user's: where his home is mounted at other times.
func (p *place) isBare(uid int) bool {
	info, err := p.dir.Stat(".")
	if err != nil {
		return false
	}
	has, _, _ := ownfile.Owner(info)
	return has != uid && isEmpty(p.dir)
}

func isEmpty(dir *os.Root) bool {
	f, err := dir.Open(".")
	if err != nil {
		return false
	}
	_, err = f.Readdirnames(1)
	_ = f.Close() // it was only read
	return errors.Is(err, io.EOF)
}

// missing are the directories, without Root, that must be made for the file, outermost first.
func (p *place) missing() []string {
	var dirs []string
	for dir := filepath.Dir(p.real); len(dirs) < len(p.gone); dir = filepath.Dir(dir) {
		dirs = append(dirs, p.m.Below(dir))
	}
	slices.Reverse(dirs)
	return dirs
}

// make makes the missing directories, and stands in the last one then.
func (p *place) make() error {
	for _, dir := range p.missing() {
		name := p.gone[0]
		p.m.at("mkdir", p.m.Path(dir))
		err := p.dir.Mkdir(name, 0o755)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return readOnly(p.m.Path(dir), err)
		}
		next, err2 := p.dir.OpenRoot(name)
		if err2 != nil {
			return readOnly(p.m.Path(dir), err2)
		}
		if err == nil {
			err = p.own(next, dir)
		} else {
			err = nil // somebody has made it meanwhile
		}
		if err == nil {
			err = syncIn(p.dir)
		}
		if err != nil {
			_ = next.Close() // nothing was written by it
			return readOnly(p.m.Path(dir), err)
		}
		_ = p.dir.Close() // it is synced
		p.dir, p.gone = next, p.gone[1:]
	}
	return nil
}

// own makes a new directory the property of whom its home belongs to. It must be what we have made: empty and ours.
func (p *place) own(dir *os.Root, path string) error {
	uid, gid := p.m.ownerBelow(path)
	if uid < 0 && gid < 0 {
		return nil
	}
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		if has, _, _ := ownfile.Owner(info); has != os.Geteuid() || !isEmpty(dir) {
			err = errMoved
		}
	}
	p.m.at("attributes", p.real)
	if err == nil {
		err = f.Chown(uid, gid)
	}
	return errors.Join(err, f.Close())
}

// syncIn makes names in a directory last.
func syncIn(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(syncOpen(f), f.Close())
}
