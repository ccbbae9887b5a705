package logbook

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// limit is where a log file is put aside as FILE.1, replacing the one before: two files are the most there ever is.
const limit = 10 << 20

// File is a file that does not grow for ever. Of a nil one nothing is asked but to be opened anew or closed, which it is.
type File struct {
	path  string
	limit int64

	mu      sync.Mutex
	file    *os.File // nil if it could not be opened anew: the next Write tries again
	size    int64
	endless bool // it is no file that grows: /dev/null must stay what it is
}

func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	f.file, f.size, f.endless = file, info.Size(), !info.Mode().IsRegular()
	return nil
}

// Write never splits a record between two files.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil && !f.endless && f.size > 0 && f.size+int64(len(p)) > f.limit {
		f.file.Close()
		f.file = nil
		if err := f.putAside(); err != nil {
			return 0, err
		}
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(p)
	f.size += int64(n)
	return n, err
}

// putAside keeps a link to the file. In a directory that cannot be written the file begins anew, as it must not grow for ever.
func (f *File) putAside() error {
	path, err := filepath.EvalSymlinks(f.path)
	if err == nil {
		err = os.Rename(path, path+".1")
	}
	if err != nil {
		err = os.Truncate(f.path, 0)
	}
	if errors.Is(err, fs.ErrNotExist) { // somebody has taken it away
		return nil
	}
	return err
}

// Reopen opens the file by its name, under which there may be none any more. If it cannot, the one that is open stays.
func (f *File) Reopen() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.file
	if err := f.open(); err != nil {
		return err
	}
	if old != nil {
		old.Close()
	}
	return nil
}

// Close closes the file.
func (f *File) Close() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}
