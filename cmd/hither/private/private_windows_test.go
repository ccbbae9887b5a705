package private

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/windows"

	"hither/install/ownfile"
)

// openToAll is a directory as it stands outside a profile.
func openToAll(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	sd, err := windows.SecurityDescriptorFromString("D:P(A;OICI;FA;;;WD)")
	if err != nil {
		t.Fatal(err)
	}
	entries, _, err := sd.DACL()
	if err := errors.Join(err, windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, entries, nil)); err != nil {
		t.Fatal(err)
	}
	if othersMay(t, dir) == 0 {
		t.Fatal("it is closed already")
	}
	return dir
}

func othersMay(t *testing.T, path string) windows.ACCESS_MASK {
	t.Helper()
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		t.Fatal(err)
	}
	who, err := ownfile.ReadAccess(sd)
	if err != nil {
		t.Fatal(err)
	}
	return who.Others
}

// TestOthersAreKeptOutOfTheState is for the service's directory: what stands in C:\ProgramData, all users may read.
func TestOthersAreKeptOutOfTheState(t *testing.T) {
	dir := openToAll(t)
	if err := MakeDir(dir); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "ca-key.pem")
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, key} {
		if may := othersMay(t, path); may != 0 {
			t.Errorf("%s\n got %#x for others\nwant nothing", path, may)
		}
	}
}

// TestANewStateIsClosedFromTheBeginning looks from the side: who entered before it was closed could put files there, or keep
// it open.
func TestANewStateIsClosedFromTheBeginning(t *testing.T) {
	parent := openToAll(t)
	for i := range 50 {
		dir := filepath.Join(parent, "of-hither", strconv.Itoa(i))
		if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
			t.Fatal(err)
		}
		made := make(chan error, 1)
		go func() { made <- MakeDir(dir) }()
		sd, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
		for errors.Is(err, fs.ErrNotExist) {
			sd, err = windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
		}
		if err := errors.Join(err, <-made); err != nil {
			t.Fatal(err)
		}
		if who, err := ownfile.ReadAccess(sd); err != nil || who.Others != 0 {
			t.Fatalf(" got %#x for others when it was new, %v\nwant nothing", who.Others, err)
		}
	}
}

func TestADirectoryOfOtherThingsStaysOpen(t *testing.T) {
	dir := openToAll(t)
	other := filepath.Join(dir, "of-somebody")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MakeDir(dir); err == nil || othersMay(t, dir) == 0 {
		t.Errorf(" got %v, %#x for others\nwant an error, and all as it was", err, othersMay(t, dir))
	}
	if err := os.Rename(other, filepath.Join(dir, known)); err != nil {
		t.Fatal(err)
	}
	if err := MakeDir(dir); err != nil || othersMay(t, dir) != 0 { // an older Hither made it
		t.Errorf(" got %v, %#x for others\nwant it closed", err, othersMay(t, dir))
	}
}
