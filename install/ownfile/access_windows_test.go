package ownfile

import (
	"errors"
	"testing"

	"golang.org/x/sys/windows"
)

func TestAListSaysWhatOthersMayDo(t *testing.T) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	me := user.User.Sid.String()
	tests := map[string]struct {
		text           string
		owned          bool
		others, writes bool
	}{
		"a profile":                      {"O:" + me + "D:(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIID;FA;;;" + me + ")", true, false, false},
		"what an administrator made":     {"O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", true, false, false},
		"below ProgramData":              {"O:BAD:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIIOID;GA;;;CO)(A;OICIID;0x1200a9;;;BU)(A;CIID;DCLCRPCR;;;BU)", true, true, true},
		"a file of it":                   {"O:BAD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;0x1200a9;;;BU)", true, true, false},
		"another disk":                   {"O:" + me + "D:AI(A;OICIID;FA;;;BA)(A;OICIID;0x1301bf;;;AU)", true, true, true},
		"somebody else's":                {"O:S-1-5-21-1-2-3-1099D:(A;;FA;;;" + me + ")", false, false, false},
		"an empty list":                  {"O:" + me + "D:P", true, false, false},
		"what is forbidden is not given": {"O:" + me + "D:(D;;FA;;;WD)", true, false, false},
	}
	for says, test := range tests {
		t.Run(says, func(t *testing.T) {
			sd, err := windows.SecurityDescriptorFromString(test.text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ReadAccess(sd)
			if err != nil || got.Owned != test.owned || (got.Others != 0) != test.others || (got.Others&writing != 0) != test.writes {
				t.Errorf("got  %+v, %v\nwant owned %v, others %v, writing %v", got, err, test.owned, test.others, test.writes)
			}
		})
	}
}

func TestWithoutAListAnybodyMayDoAnything(t *testing.T) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	sd, err := windows.NewSecurityDescriptor()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sd.SetOwner(user.User.Sid, false), sd.SetDACL(nil, true, false)); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadAccess(sd); err != nil || !got.Owned || got.Others != everything {
		t.Errorf("got  %+v, %v\nwant it ours, and open to all", got, err)
	}
}
