package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"hither/cache/filelock"
	"hither/install/ownfile"
)

const (
	leaseSize = 255     // bytes that a lease has, but for the end of its line
	maxLease  = 4 << 10 // bytes that are read of one
)

// leaseRecord is the content of the lease's file. A torn or strange one is nobody's.
type leaseRecord struct {
	Holder string    `json:"holder"` // empty: nobody; the last guard has restored, or the last daemon said goodbye
	PID    int       `json:"pid"`    // of who wrote it, for people
	Since  time.Time `json:"since"`
}

// readLease tells who holds the lease; empty: nobody.
func readLease(path string) (holder string, err error) {
	f, err := ownfile.Open(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	return holderIn(f)
}

func holderIn(f *os.File) (string, error) {
	data, err := io.ReadAll(io.LimitReader(f, maxLease))
	if err != nil {
		return "", err
	}
	var r leaseRecord
	if json.Unmarshal(data, &r) != nil {
		return "", nil
	}
	return r.Holder, nil
}

// holdLease keeps everybody else from the lease while change decides who holds it next. It waits for whoever has it now.
// After an error of change the lease stays as it was.
func holdLease(ctx context.Context, path string, change func(holder string) (string, error)) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("the lease: %w: choose a state directory that can be written", err)
	}
	f, err := ownfile.Open(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return fmt.Errorf("the lease: %w: choose a state directory that can be written", err)
	}
	defer func() { _ = f.Close() }() // and with it the lock; what was written is in the system's hands
	for {
		locked, err := filelock.Try(f)
		if err != nil {
			return fmt.Errorf("the lease %s cannot be locked: %w: choose a state directory on a local disk", path, err)
		}
		if locked {
			break
		}
		if !wait(ctx, 50*time.Millisecond) {
			return fmt.Errorf("the lease %s is held by a process that does not let go: %w: see `fuser %s`", path, ctx.Err(), path)
		}
	}
	return changeIn(f, change)
}

// changeLease is holdLease without the lock, for a lease whose lock is held by a process that was stopped.
func changeLease(path string, change func(holder string) (string, error)) error {
	f, err := ownfile.Open(path, os.O_RDWR)
	if err != nil {
		return fmt.Errorf("the lease: %w: give Hither back its state directory", err)
	}
	defer func() { _ = f.Close() }() // what was written is in the system's hands
	return changeIn(f, change)
}

func changeIn(f *os.File, change func(holder string) (string, error)) error {
	was, err := holderIn(f)
	if err != nil {
		return err
	}
	next, err := change(was)
	if err != nil || next == was {
		return err
	}
	return writeLease(f, leaseRecord{Holder: next, PID: os.Getpid(), Since: time.Now()})
}

// writeLease writes all at once, and always as many bytes, so that a reader without the lock finds the old or the new.
func writeLease(f *os.File, r leaseRecord) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if len(data) < leaseSize {
		data = append(data, bytes.Repeat([]byte{' '}, leaseSize-len(data))...)
	}
	_, err = f.WriteAt(append(data, '\n'), 0)
	return err
}
