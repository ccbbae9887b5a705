package install

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// state reads a real path without following a link at its end.
func (m *Machine) state(real string) (FileState, error) {
	info, err := os.Lstat(real)
	if errors.Is(err, fs.ErrNotExist) || isNotDir(err) {
		return FileState{Absent: true, UID: -1, GID: -1}, nil
	}
	if err != nil {
		return FileState{}, err
	}
	s := FileState{Mode: info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)}
	s.UID, s.GID, _ = owner(info)
	if info.Mode()&fs.ModeSymlink == 0 {
		s.Bytes, err = readBounded(real)
		return s, err
	}
	if s.Link, err = os.Readlink(real); err != nil {
		return s, err
	}
	if target, err := m.resolve(real); err == nil {
		s.Bytes, _ = readBounded(target) // a link that leads nowhere has no text
	}
	return s, nil
}

// put makes the file at real, which is now as now says, as want says. It is replaced at once; where that cannot be, it
// is written in place after inPlace has returned nil.
func (m *Machine) put(real string, now, want FileState, inPlace func(text []byte) error) error {
	temp := tempName(real)
	if err := m.remove(temp); err != nil {
		return readOnly(real, err)
	}
	switch {
	case want.Absent:
		return readOnly(real, m.removeLast(real))
	case want.Link != "":
		m.at("symlink", temp)
		if err := os.Symlink(want.Link, temp); err != nil {
			return readOnly(real, err)
		}
		return m.rename(temp, real)
	case hasNames(real):
		return m.writeInPlace(real, want.Bytes, inPlace, nil)
	}
	err := m.writeNew(temp, real, want)
	if err == nil {
		err = m.rename(temp, real)
	}
	if err == nil {
		return nil
	}
	_ = os.Remove(temp)
	if now.Absent || now.Link != "" || !inTheWay(err) {
		return readOnly(real, err)
	}
	return m.writeInPlace(real, want.Bytes, inPlace, err)
}

// tempName is the same each time, so that what a crash left is found again.
func tempName(real string) string {
	return filepath.Join(filepath.Dir(real), "."+filepath.Base(real)+".hither")
}

// hasNames says that a file has further names, which replacing it would cut off.
func hasNames(real string) bool {
	info, err := os.Lstat(real)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	_, _, names := owner(info)
	return names > 1
}

// inTheWay says that a file may be writable although it cannot be replaced.
func inTheWay(err error) bool {
	return isBusy(err) || isReadOnly(err) || errors.Is(err, fs.ErrPermission)
}

func (m *Machine) writeNew(temp, real string, want FileState) error {
	m.at("create", temp)
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	m.at("write", temp)
	_, err = f.Write(want.Bytes)
	m.at("attributes", temp)
	if err == nil {
		err = give(f, want.UID, want.GID)
	}
	if err == nil {
		err = f.Chmod(want.Mode)
	}
	if err == nil {
		copyAttributes(real, f)
		m.at("sync", temp)
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	return err
}

func (m *Machine) rename(temp, real string) error {
	m.at("rename", real)
	if err := os.Rename(temp, real); err != nil {
		return err
	}
	m.at("renamed", real)
	return syncDir(filepath.Dir(real))
}

// writeInPlace writes to the file itself. why is what kept it from being replaced.
func (m *Machine) writeInPlace(real string, text []byte, allowed func(text []byte) error, why error) error {
	f, err := os.OpenFile(real, os.O_WRONLY, 0)
	if err != nil {
		return readOnly(real, errors.Join(why, err))
	}
	if err := allowed(text); err != nil {
		f.Close()
		return err
	}
	m.at("truncate", real)
	err = f.Truncate(0)
	for half := range 2 { // a crash may come in the middle
		m.at("write", real)
		if part := text[half*(len(text)/2) : (len(text)/2)+half*(len(text)-len(text)/2)]; err == nil {
			_, err = f.Write(part)
		}
	}
	m.at("sync", real)
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	return readOnly(real, err)
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
func (m *Machine) remove(path string) error {
	if _, err := os.Lstat(path); err != nil {
		return nil //nolint:nilerr // what cannot be seen is met again when the file is written
	}
	m.at("remove", path)
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (m *Machine) removeLast(path string) error {
	if err := m.remove(path); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// missingDirs returns the directories, without Root, that must be made for real, outermost first.
func (m *Machine) missingDirs(real string) []string {
	var dirs []string
	for {
		if _, err := os.Lstat(real); err == nil || real == filepath.Dir(real) {
			return dirs
		}
		dirs = append([]string{m.below(real)}, dirs...)
		real = filepath.Dir(real)
	}
}

func (m *Machine) makeDirs(dirs []string) error {
	for _, dir := range dirs {
		real := m.Path(dir)
		m.at("mkdir", real)
		err := os.Mkdir(real, 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return readOnly(real, err)
		}
		if uid, gid := m.ownerBelow(dir); uid >= 0 || gid >= 0 {
			m.at("attributes", real)
			if err := os.Lchown(real, uid, gid); err != nil {
				return readOnly(real, err)
			}
		}
		if err := syncDir(filepath.Dir(real)); err != nil {
			return readOnly(real, err)
		}
	}
	return nil
}

// removeDirs removes those of our directories that are empty.
func (m *Machine) removeDirs(dirs []string) {
	for i := len(dirs) - 1; i >= 0; i-- {
		m.at("rmdir", dirs[i])
		_ = os.Remove(m.Path(dirs[i])) // what others have put in keeps it
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
	if real, err := m.resolve(home); err == nil && isBelow(m.Path(path), real) || isBelow(m.Path(path), home) {
		return m.UID, m.GID
	}
	return -1, -1
}

func isBelow(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// same says that a file is as it was. Times do not count.
func (f FileState) same(g FileState) bool {
	return f.Absent == g.Absent && f.Link == g.Link && (f.Link != "" || bytes.Equal(f.Bytes, g.Bytes))
}
