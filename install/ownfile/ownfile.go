// Package ownfile opens the files by which processes of ours tell each other what to do to the machine: the journal and the lease.
// Root does what they say, so Open refuses what somebody else may have written.
package ownfile

import (
	"errors"
	"fmt"
	"os"
)

// ErrNotOurs is met when root is to do what somebody else may have written.
var ErrNotOurs = errors.New("root does not do what it says: call this as the user to whom it belongs, or delete it")

// Open opens a file by which others are told what to do: neither a link nor a pipe, and for root, or an administrator, a
// file that nobody else can have written.
func Open(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|noFollow|NeverWait, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		if info.Mode().IsRegular() {
			err = foreign(f, info)
		} else {
			err = fmt.Errorf("%s is not a plain file: delete it", path)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
