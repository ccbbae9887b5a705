package ownfile

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// Owner has nothing to say: Windows has lists of who may do what instead, see Access.
func Owner(fs.FileInfo) (uid, gid, names int) { return -1, -1, 1 }

// NeverWait is nothing: files with somebody at their other end have names of their own here.
const NeverWait = 0

// noFollow is nothing: it is asked of the file itself, wherever a link has led, who may write to it.
const noFollow = 0

// foreign is nil for a file that says what to do by somebody who may, and for who has not the rights of an administrator.
func foreign(f *os.File, _ fs.FileInfo) error {
	if !windows.GetCurrentProcessToken().IsElevated() {
		return nil
	}
	sd, err := windows.GetSecurityInfo(windows.Handle(f.Fd()), windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("ask who may write to %s: %w", f.Name(), err)
	}
	who, err := ReadAccess(sd)
	if err != nil {
		return fmt.Errorf("ask who may write to %s: %w", f.Name(), err)
	}
	if !who.Owned || who.Others&writing != 0 {
		return fmt.Errorf("%s belongs to another user, or others may write to it, so %w", f.Name(), ErrNotOurs)
	}
	return nil
}
