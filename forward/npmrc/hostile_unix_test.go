//go:build unix

package npmrc_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hither/forward/npmrc"
)

// A project that somebody else has laid out neither stops us, nor leads us elsewhere, nor hides that it says something.
func TestAHostileProjectLeadsNowhere(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, []byte("registry=https://secret/\n"))
	pipe := func(name string) func(string) error {
		return func(dir string) error { return unix.Mkfifo(filepath.Join(dir, name), 0o600) }
	}
	put := func(text string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, ".npmrc"), []byte(text), 0o600) }
	}
	for _, row := range []struct {
		says     string
		lay      func(dir string) error
		blind    bool
		registry string
		cache    string // what Cache says; empty: nothing
	}{
		{"a pipe", pipe(".npmrc"), true, "", "HOME/.npm"},
		{"a link to a device", func(dir string) error { return os.Symlink("/dev/zero", filepath.Join(dir, ".npmrc")) }, true, "", "HOME/.npm"},
		{"a directory", func(dir string) error { return os.Mkdir(filepath.Join(dir, ".npmrc"), 0o700) }, false, "", "HOME/.npm"},
		{"a link to nowhere", func(dir string) error { return os.Symlink("none", filepath.Join(dir, ".npmrc")) }, false, "", "HOME/.npm"},
		{"a huge file", put("registry=https://p/\n" + strings.Repeat("#", 2<<20)), true, "", "HOME/.npm"},
		{"a file of the user's elsewhere", put("userconfig=" + secret), true, "", "HOME/.npm"},
		{"a file of the machine's elsewhere", put("globalconfig=../../../../../../../../../.." + secret), true, "", "HOME/.npm"},
		{"a pipe for the user's file", func(dir string) error { return errors.Join(put("userconfig=pipe")(dir), pipe("pipe")(dir)) }, true, "", "HOME/.npm"},
		{"a cache elsewhere", put("cache=/net/evil.example/x"), false, "", ""},
		{"a cache up there", put("cache=../../../../../../../../../net/evil"), false, "", ""},
		{"a cache from where it was started", put("cache=x"), false, "", ""},
		{"a registry", put("registry=https://p/"), false, "https://p/", "HOME/.npm"},
		{"a key that nobody knows", put("@${WHO}:registry=https://p/"), true, "", "HOME/.npm"},
	} {
		home, dir := t.TempDir(), t.TempDir()
		if err := row.lay(dir); err != nil {
			t.Fatal(err)
		}
		c := npmrc.Reader{Home: home, Dir: dir, Project: true}.Read()
		same(t, row.says+": blind", c.Blind, row.blind)
		same(t, row.says+": registry", c.Text("registry"), row.registry)
		same(t, row.says+": cache", c.Cache(), strings.NewReplacer("HOME", home, "DIR", dir).Replace(row.cache))
	}
}

func TestOnlyOrdinaryFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	huge, ours := filepath.Join(dir, "huge"), filepath.Join(dir, "ours")
	write(t, huge, make([]byte, 8<<20+1))
	write(t, ours, []byte("x"))
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{huge: npmrc.ErrUnread, filepath.Join(dir, "pipe"): npmrc.ErrUnread, dir: fs.ErrNotExist, ours: nil, ours + "x": fs.ErrNotExist} {
		if _, err := npmrc.ReadFile(name); !errors.Is(err, want) {
			t.Errorf("%s\n got %v\nwant %v", filepath.Base(name), err, want)
		}
	}
}

// A Hither that has all the files open that it may open does not take a file of settings for one that is not there.
func TestAFileThatCannotBeOpenedNowIsNotPassedOver(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".npmrc"), []byte("@corp:registry=https://p/\n"))
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	_, err := npmrc.ReadFile(filepath.Join(dir, ".npmrc"))
	blind := npmrc.Reader{Dir: dir, Project: true}.Read().Blind
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	same(t, "left unread", errors.Is(err, npmrc.ErrUnread), true)
	same(t, "blind", blind, true)
}
