package private

import (
	"errors"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"

	"hither/install/ownfile"
)

// known stands in every state directory of ours, once its root is made.
const known = "ca.lock"

// list is that of a directory of ours and what is in it: all to its owner, the system and the administrators, and nothing
// that would be inherited. The owner and a bracket follow.
const list = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;"

// makeDir makes a directory that has its list from the beginning: who could enter it before would put files there, or keep it
// open.
func makeDir(dir string) error {
	dir = filepath.Clean(dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	sd, err := windows.SecurityDescriptorFromString(list + "OW)") // whoever the owner is
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return err
	}
	err = windows.CreateDirectory(name, &windows.SecurityAttributes{Length: uint32(unsafe.Sizeof(windows.SecurityAttributes{})), SecurityDescriptor: sd})
	if info, unseen := os.Stat(dir); err == nil || unseen == nil && info.IsDir() {
		return nil
	}
	return &os.PathError{Op: "mkdir", Path: dir, Err: err}
}

// keepOthersOut gives a list of its own to a directory that others may enter: outside the user's profile (C:\ProgramData,
// another disk) an older one is open to all. One of another user, or one that holds other things, is left as it is.
func keepOthersOut(dir string) error {
	const asked = windows.OWNER_SECURITY_INFORMATION | windows.DACL_SECURITY_INFORMATION
	sd, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, asked)
	if err != nil {
		return err
	}
	who, err := ownfile.ReadAccess(sd)
	switch {
	case err != nil:
		return err
	case !who.Owned:
		return errors.New("it belongs to another user")
	case who.Others == 0:
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, known)); err != nil && len(entries) > 0 {
		return errors.New("it holds other things and others may enter it")
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return err
	}
	return setList(dir, owner)
}

func setList(dir string, owner *windows.SID) error {
	sd, err := windows.SecurityDescriptorFromString(list + owner.String() + ")")
	if err != nil {
		return err
	}
	entries, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, entries, nil)
}
