package project

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"syscall"
)

// Bounds of what is read. Files of real projects stay far below; what is above was made to hurt, or is no such file.
const (
	maxFile    = 64 << 20 // bytes of one file
	maxEntries = 100_000  // modules or packages of one project
	maxUp      = 64       // directories between a project's file and where the client works
)

// errNotRegular is a pipe or a device where a file was looked for: to open it could wait for ever.
var errNotRegular = errors.New("it is not a regular file: put the file itself there")

// readIn reads DIR/NAME. A link that leads out of dir is an error: the files of a project that somebody else wrote must
// not make us read others.
func readIn(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return readRoot(root, name)
}

// readRoot is readIn for a directory that is open already. name may have directories of its own.
func readRoot(root *os.Root, name string) ([]byte, error) { return readBounded(root, name, maxFile) }

// readBounded is readRoot for a file that has at most so many bytes.
func readBounded(root *os.Root, name string, most int) ([]byte, error) {
	file, err := openRegular(root, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAll(file, most)
}

// openRegular opens what is to be a regular file.
func openRegular(root *os.Root, name string) (*os.File, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // even to open a device may do something
		return nil, fmt.Errorf("read %s: %w", filepath.Join(root.Name(), name), errNotRegular)
	}
	return open(root, name)
}

// open is openRegular for what was a regular file a moment ago. Should a pipe have come in its place, that is not waited for.
func open(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// readNamed reads a file that the user named. A link of the user's own may lead anywhere.
func readNamed(path string) ([]byte, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	return readIn(filepath.Dir(real), filepath.Base(real))
}

// readAll reads a file that was opened without waiting, and has at most so many bytes.
func readAll(file *os.File, most int) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: %w", file.Name(), errNotRegular)
	}
	data, err := io.ReadAll(io.LimitReader(file, int64(most)+1))
	if err == nil && len(data) > most {
		err = fmt.Errorf("read %s: it is larger than %d bytes: Hither reads no such file", file.Name(), most)
	}
	return bytes.TrimPrefix(data, []byte("\ufeff")), err // a byte order mark, which editors of Windows put there
}

// unlinked is dir as the system names it: where links lead. A client works there, whatever led it to it.
func unlinked(dir string) string {
	if at, err := filepath.EvalSymlinks(dir); err == nil {
		return at
	}
	return dir
}

// upFrom is dir and the directories above it, nearest first.
func upFrom(dir string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for range maxUp {
			if !yield(dir) {
				return
			}
			above := filepath.Dir(dir)
			if above == dir {
				return
			}
			dir = above
		}
	}
}

// findUp reads the first file of that name in dir and above; fs.ErrNotExist if there is none.
func findUp(dir, name string) (at string, data []byte, err error) {
	for at := range upFrom(dir) {
		data, err := readIn(at, name)
		if !errors.Is(err, fs.ErrNotExist) {
			return at, data, err
		}
	}
	return "", nil, fmt.Errorf("%s in %s and above: %w", name, dir, fs.ErrNotExist)
}

// exists says whether dir has something of that name, whatever it is.
func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}
