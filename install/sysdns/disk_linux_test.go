package sysdns

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hither/install"
	"hither/install/installtest"
	"hither/install/stage"
)

// immutableFlag is FS_IMMUTABLE_FL of linux/fs.h, as chattr(1) sets it.
const immutableFlag = 0x10

// aFullDiskKeepsNobodyFromHisDNS: neither the journal nor a new file has room, but what is shorter fits in the old one.
func aFullDiskKeepsNobodyFromHisDNS(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"))
	defer unix.Unmount(dir, unix.MNT_DETACH)
	m := &install.Machine{OS: "linux", Root: dir, UID: -1, GID: -1, Journal: install.OpenJournal(filepath.Join(dir, "state", "journal"))}
	must(t, os.Mkdir(filepath.Join(dir, "etc"), 0o755))
	file := filepath.Join(dir, "etc", "resolv.conf")
	must(t, os.WriteFile(file, []byte("nameserver 10.0.0.1\n"), 0o644))
	step := install.Edit{On: m, Name: "dns", Path: "/etc/resolv.conf", Volatile: true, Change: func(old []byte, _ bool) ([]byte, error) {
		return append([]byte("nameserver 127.0.0.1\n"), old...), nil
	}}
	must(t, step.Do(t.Context()))
	filler, err := os.Create(filepath.Join(dir, "filler"))
	must(t, err)
	for err == nil {
		_, err = filler.Write(make([]byte, 512))
	}
	if _, err := install.Restore(t.Context(), m, install.Volatile); err != nil {
		t.Errorf("got %v", err)
	}
	text, err := os.ReadFile(file)
	must(t, err)
	if string(text) != "nameserver 10.0.0.1\n" {
		t.Errorf("got %q", text)
	}
	must(t, filler.Close())
	must(t, os.Remove(filler.Name()))
	if _, err := install.Restore(t.Context(), m, nil); err != nil {
		t.Errorf("with room again: got %v", err)
	}
}

// anImmutableFileIsLeftAsItIs, and what was changed before somebody made it immutable can be undone later.
func anImmutableFileIsLeftAsItIs(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	w := installtest.NewWorld(t, "linux", map[string]string{"/etc/resolv.conf": "nameserver 10.0.0.1\n"})
	f, err := os.Open(w.Path("/etc/resolv.conf"))
	must(t, err)
	defer f.Close()
	immutable := func(f *os.File, on bool) {
		flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
		if err == nil {
			flags &^= immutableFlag
			if on {
				flags |= immutableFlag
			}
			err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
		}
		if err != nil {
			t.Skipf("this file system knows no immutable files: %v", err)
		}
	}
	step := install.Edit{On: w.Machine, Name: "dns", Path: "/etc/resolv.conf", Volatile: true, Change: func(old []byte, _ bool) ([]byte, error) {
		return append(bytes.TrimSuffix(bytes.Clone(old), []byte("hither\n")), "hither\n"...), nil
	}}
	before := w.Tree()
	immutable(f, true)
	err = install.Apply(t.Context(), step)
	if err == nil || !strings.Contains(err.Error(), "lsattr") {
		t.Errorf("got %v", err)
	}
	immutable(f, false)
	stage.Same(t, "tree", w.Tree(), before)
	records, err := w.Journal.Records()
	must(t, err)
	stage.Same(t, "records", len(records), 0)

	must(t, step.Do(t.Context()))
	ours, err := os.Open(w.Path("/etc/resolv.conf"))
	must(t, err)
	defer ours.Close()
	immutable(ours, true)
	if _, err := install.Restore(t.Context(), w.Machine, install.Volatile); err == nil || !strings.Contains(err.Error(), "lsattr") {
		t.Errorf("got %v", err)
	}
	immutable(ours, false)
	_, err = install.Restore(t.Context(), w.Machine, install.Volatile)
	must(t, err)
	stage.Same(t, "tree", w.Tree(), before)
}
