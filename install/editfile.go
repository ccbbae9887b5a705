package install

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hither/install/ownfile"
)

// put makes the file, which is now as now says, as want says. It is replaced at once; where that cannot be, it is written
// in place after inPlace has returned nil.
func (p *place) put(now, want FileState, inPlace func(text []byte) error) error {
	if p.refused != nil {
		return p.refused
	}
	if err := p.remove(p.temp()); err != nil {
		return readOnly(p.real, err)
	}
	switch {
	case want.Absent:
		err := p.remove(p.name)
		if err == nil {
			err = syncIn(p.dir)
		}
		return readOnly(p.real, err)
	case want.Link != "":
		p.m.at("symlink", p.real)
		if err := p.dir.Symlink(want.Link, p.temp()); err != nil {
			return readOnly(p.real, err)
		}
		return p.rename()
	case p.hasNames():
		return p.writeInPlace(now, want.Bytes, inPlace, nil)
	}
	err := p.writeNew(now, want)
	if err == nil {
		err = p.rename()
	}
	if err == nil {
		return nil
	}
	_ = p.dir.Remove(p.temp()) // the error before tells more
	switch {
	case now.Absent || now.Link != "":
	case isFull(err) && len(want.Bytes) <= len(now.Bytes):
		return p.overwrite(now, want.Bytes, err)
	case inTheWay(err):
		return p.writeInPlace(now, want.Bytes, inPlace, err)
	}
	return readOnly(p.real, err)
}

// temp is the same name each time, so that what a crash left is found again.
func (p *place) temp() string { return "." + p.name + ".hither" }

// hasNames says that a file has further names, which replacing it would cut off.
func (p *place) hasNames() bool {
	info, err := p.lstat(p.name)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	_, _, names := ownfile.Owner(info)
	return names > 1
}

// inTheWay says that a file may be writable although it cannot be replaced.
func inTheWay(err error) bool {
	return isBusy(err) || isReadOnly(err) || errors.Is(err, fs.ErrPermission)
}

func (p *place) writeNew(now, want FileState) error {
	p.m.at("create", p.real)
	f, err := p.dir.OpenFile(p.temp(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	p.m.at("write", p.real)
	_, err = f.Write(want.Bytes)
	p.m.at("attributes", p.real)
	if err == nil {
		err = give(f, want.UID, want.GID)
	}
	if err == nil {
		err = f.Chmod(want.Mode)
	}
	if err == nil {
		if !now.Absent && now.Link == "" {
			p.copyAttributes(f)
		}
		p.m.at("sync", p.real)
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	return err
}

// copyAttributes gives f those of the file that it is to replace, as far as the system lets us.
func (p *place) copyAttributes(f *os.File) {
	from, err := p.dir.OpenFile(p.name, os.O_RDONLY|ownfile.NeverWait, 0)
	if err != nil {
		return
	}
	copyAttributes(from, f)
	_ = from.Close() // it was only read
}

func (p *place) rename() error {
	p.m.at("rename", p.real)
	if err := p.dir.Rename(p.temp(), p.name); err != nil {
		return readOnly(p.real, err)
	}
	p.m.at("renamed", p.real)
	return syncIn(p.dir)
}

// writeInPlace writes to the file itself. why is what kept it from being replaced.
func (p *place) writeInPlace(now FileState, text []byte, allowed func(text []byte) error, why error) error {
	f, err := p.openSame(now)
	if err != nil {
		return readOnly(p.real, errors.Join(why, err))
	}
	if err := allowed(text); err != nil {
		return errors.Join(err, f.Close())
	}
	p.m.at("truncate", p.real)
	err = f.Truncate(0)
	for half := range 2 { // a crash may come in the middle
		p.m.at("write", p.real)
		if part := text[half*(len(text)/2) : (len(text)/2)+half*(len(text)-len(text)/2)]; err == nil {
			_, err = f.Write(part)
		}
	}
	p.m.at("sync", p.real)
	if err == nil {
		err = f.Sync()
	}
	return readOnly(p.real, errors.Join(err, f.Close()))
}

// overwrite is for a full disk: what is not longer than the file has its room already, as long as the file keeps it.
func (p *place) overwrite(now FileState, text []byte, why error) error {
	f, err := p.openSame(now)
	if err != nil {
		return readOnly(p.real, errors.Join(why, err))
	}
	p.m.at("overwrite", p.real)
	_, err = f.WriteAt(text, 0)
	if err == nil {
		err = f.Truncate(int64(len(text)))
	}
	if err == nil {
		err = f.Sync()
	}
	return readOnly(p.real, errors.Join(err, f.Close()))
}

// openSame opens the file for writing, unless it is no longer what now says: a further name of somebody else's file.
func (p *place) openSame(now FileState) (*os.File, error) {
	f, err := p.dir.OpenFile(p.name, os.O_WRONLY|ownfile.NeverWait, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		if uid, _, _ := ownfile.Owner(info); uid != now.UID || !info.Mode().IsRegular() {
			err = errMoved
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// readOnly adds the next step to an error of writing.
func readOnly(real string, err error) error {
	switch {
	case err == nil:
		return nil
	case isReadOnly(err):
		return fmt.Errorf("change %s: %w; it stands on a read-only file system: remount that for writing, or leave out this step", real, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("change %s: %w; call this as root (sudo), and see with lsattr whether it is immutable", real, err)
	}
	return fmt.Errorf("change %s: %w; see that the disk has space and that the file may be replaced", real, err)
}

// remove removes a file that need not be there.
func (p *place) remove(name string) error {
	if _, err := p.lstat(name); err != nil {
		return nil //nolint:nilerr // what cannot be seen is met again when the file is written
	}
	p.m.at("remove", p.real)
	if err := p.dir.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeDirs removes those of our directories that are empty. What somebody has put in the place of one stays.
func (m *Machine) removeDirs(dirs []string) {
	for _, dir := range slices.Backward(dirs) {
		m.at("rmdir", dir)
		p, err := m.locate(m.Path(dir), false)
		if err != nil {
			continue
		}
		if info, err := p.lstat(p.name); err == nil && info.IsDir() && p.refused == nil {
			_ = p.dir.Remove(p.name) // what others have put in keeps it
		}
		p.close()
	}
}

func isEmptyDir(path string) bool {
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) == 0
}

// ownerBelow is who gets a new file.
func (m *Machine) ownerBelow(path string) (uid, gid int) {
	if m.Home == "" {
		return -1, -1
	}
	home := m.Path(m.Home)
	if real, err := m.Resolve(home); err == nil && IsBelow(m.Path(path), real) || IsBelow(m.Path(path), home) {
		return m.UID, m.GID
	}
	return -1, -1
}

// IsBelow says that a real path is dir, or lies in it.
func IsBelow(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// same says that a file is as it was. Times do not count.
func (f FileState) same(g FileState) bool {
	return f.Absent == g.Absent && f.Link == g.Link && (f.Link != "" || bytes.Equal(f.Bytes, g.Bytes))
}
