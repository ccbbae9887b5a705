// Package wholefile reads and replaces the small files that Hither keeps. Whoever opens one finds the old file or the new
// one and never a part, also after kill -9 or a power cut.
package wholefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// unfinished ends the names of what is being written: .NAME.RANDOM.hither-new
	unfinished = ".hither-new"
	// patience is how long ago what is being written may have been touched. A write takes milliseconds, but a disk may sleep;
	// whose file is swept away beneath him has to write it again.
	patience = 10 * time.Minute
)

// ErrTooLarge is met in a file that was never written by us.
var ErrTooLarge = errors.New("it is larger than it was ever written")

// OutOfFiles says that something failed because this process, or the machine, has as many files open as may be, connections among
// them: that tells nothing of what was to be opened.
func OutOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// Read returns what a file holds, if that is not more than most bytes; else the error is ErrTooLarge.
func Read(path string, most int) ([]byte, error) {
	var file *os.File
	err := patiently(func() (err error) {
		file, err = os.Open(path)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > most {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, most)
	}
	return data, nil
}

// Write makes or replaces a file, in a directory that is there. It has these permissions from the beginning, whatever the
// umask says, and lasts when Write has returned nil. Several may write one file at the same time: it is the last one's. What
// writers that were killed left in the directory goes.
func Write(path string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*"+unfinished) // 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if info, err := file.Stat(); err == nil {
		sweep(dir, info.ModTime())
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Chmod(mode), file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := patiently(func() error { return os.Rename(file.Name(), path) }); err != nil {
		return err
	}
	return SyncDir(dir)
}

// sweep removes what nobody writes any more. It holds as much as the file that it was to be. now is the time by the clock of the
// file system, which for one in the network is not ours: by that, what somebody writes at this moment might be old.
func sweep(dir string, now time.Time) {
	entries, _ := os.ReadDir(dir) // the next write may be able to
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") || !strings.HasSuffix(e.Name(), unfinished) {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > patience {
			_ = os.Remove(filepath.Join(dir, e.Name())) // the next write tries again
		}
	}
}
