package ownfile

import (
	"errors"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Access is what a security descriptor says of others than those who may have all that is ours: this user, the system and
// the administrators.
type Access struct {
	Owned  bool                // the owner is not another
	Others windows.ACCESS_MASK // all that others may do, if nothing forbids it
}

// everything is what anybody may do where there is no list.
const everything = windows.ACCESS_MASK(windows.GENERIC_ALL)

// writing changes a file, or who may change it.
const writing = windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | windows.DELETE | windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_WRITE | windows.GENERIC_ALL

// ReadAccess reads a descriptor with its owner and its list.
func ReadAccess(sd *windows.SECURITY_DESCRIPTOR) (Access, error) {
	ours, err := keepers()
	if err != nil {
		return Access{}, err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return Access{}, err
	}
	a := Access{Owned: owner != nil && slices.ContainsFunc(ours, owner.Equals)}
	list, _, err := sd.DACL()
	if errors.Is(err, windows.ERROR_OBJECT_NOT_FOUND) || err == nil && list == nil {
		a.Others = everything
		return a, nil
	}
	if err != nil {
		return Access{}, err
	}
	for i := range uint32(list.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, i, &entry); err != nil {
			return Access{}, err
		}
		switch entry.Header.AceType {
		case windows.ACCESS_ALLOWED_ACE_TYPE:
			sid := (*windows.SID)(unsafe.Pointer(&entry.SidStart))
			if !slices.ContainsFunc(ours, sid.Equals) {
				a.Others |= entry.Mask
			}
		case windows.ACCESS_DENIED_ACE_TYPE:
		default: // with conditions, of which nothing is known here
			a.Others |= entry.Mask
		}
	}
	return a, nil
}

// keepers are this user, the system, the administrators, and whoever the owner is.
func keepers() ([]*windows.SID, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	ours := []*windows.SID{user.User.Sid}
	for _, kind := range []windows.WELL_KNOWN_SID_TYPE{windows.WinLocalSystemSid, windows.WinBuiltinAdministratorsSid, windows.WinCreatorOwnerSid, windows.WinCreatorOwnerRightsSid} {
		sid, err := windows.CreateWellKnownSid(kind)
		if err != nil {
			return nil, err
		}
		ours = append(ours, sid)
	}
	return ours, nil
}
