package install

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"hither/install/ownfile"
	"hither/install/stage"
)

// cargo is a change in a home, as a tool's step makes it.
func cargo(w *world) Edit {
	return Edit{On: w.Machine, Name: "cargo", Path: "/home/u/.cargo/config.toml", Volatile: true, Change: appending("[hither]")}
}

// TestADirectoryThatIsSwappedLeadsNowhereElse plays a user who puts a link to a directory of root's in the place of his own
// between any two system calls of ours.
func TestADirectoryThatIsSwappedLeadsNowhereElse(t *testing.T) {
	acts := map[string]func(*world) error{
		"do":   func(w *world) error { return cargo(w).Do(t.Context()) },
		"undo": func(w *world) error { _, err := Restore(t.Context(), w.Machine, nil); return err },
	}
	for name, act := range acts {
		for at := range 14 {
			w := newWorld(t, "linux", map[string]string{
				"/home/u/.cargo/config.toml": "[user]\n", "/etc/containerd/config.toml": "[root]\n", "/etc/containerd/other": "x",
			})
			if name == "undo" {
				stage.Check(t, cargo(w).Do(t.Context()))
			}
			calls := 0
			w.Fault = func(string, string) {
				if calls++; calls == at+1 {
					stage.Check(t, os.Rename(w.Path("/home/u/.cargo"), w.Path("/home/u/.kept")))
					stage.Check(t, os.Symlink("../../etc/containerd", w.Path("/home/u/.cargo")))
				}
			}
			_ = act(w) // it may fail
			w.Fault = nil
			if text := w.Text("/etc/containerd/config.toml"); text != "[root]\n" {
				t.Fatalf("%s, swapped at call %d: root's file holds %q", name, at, text)
			}
			entries, err := os.ReadDir(w.Path("/etc/containerd"))
			stage.Check(t, err)
			stage.Same(t, "files beside root's", len(entries), 2)
		}
	}
}

// TestLinksOfAUserLeadToHisFilesOnly is for root, who changes files for a user and follows that user's links.
func TestLinksOfAUserLeadToHisFilesOnly(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root acts for others: run this test as root")
	}
	const user = 4711
	for _, row := range []struct {
		name    string
		ofUser  []string // what is his, beside the link
		allowed bool
	}{
		{"root's directory and file", nil, false},
		{"root's file in his directory", []string{"/srv/c"}, false},
		{"his file", []string{"/srv/c", "/srv/c/config.toml"}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, "linux", map[string]string{"/home/u/.cargo": "-> /srv/c", "/srv/c/config.toml": "[x]\n"})
			for _, path := range append(row.ofUser, "/home/u", "/home/u/.cargo") {
				stage.Check(t, os.Lchown(w.Path(path), user, user))
			}
			before := w.Tree()
			err := cargo(w).Do(t.Context())
			stage.Same(t, "allowed", err == nil, row.allowed)
			if !row.allowed && !errors.Is(err, errForeign) {
				t.Errorf("got %v", err)
			}
			_, err = Restore(t.Context(), w.Machine, nil)
			stage.Check(t, err)
			stage.Same(t, "tree", w.Tree(), before)
		})
	}
}

// TestWhatATrickedRestoreFindsStays: after the change the user leads us to a file of root's that looks like ours.
func TestWhatATrickedRestoreFindsStays(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root acts for others: run this test as root")
	}
	w := newWorld(t, "linux", map[string]string{"/home/u/.cargo/config.toml": "[user]\n", "/etc/r/config.toml": "[user]\n[hither]\n"})
	stage.Check(t, cargo(w).Do(t.Context()))
	for _, link := range []struct{ from, to string }{
		{"/home/u/.cargo", "/etc/r"}, {"/home/u/.cargo/config.toml", "/etc/r/config.toml"},
	} {
		stage.Check(t, os.Rename(w.Path(link.from), w.Path("/home/u/kept")))
		stage.Check(t, os.Symlink(link.to, w.Path(link.from)))
		stage.Check(t, os.Lchown(w.Path(link.from), 4711, 4711))
		_, err := Restore(t.Context(), w.Machine, nil)
		if !errors.Is(err, errForeign) {
			t.Errorf("%s: got %v", link.from, err)
		}
		stage.Same(t, "root's file", w.Text("/etc/r/config.toml"), "[user]\n[hither]\n")
		stage.Check(t, os.Remove(w.Path(link.from)))
		stage.Check(t, os.Rename(w.Path("/home/u/kept"), w.Path(link.from)))
	}
	_, err := Restore(t.Context(), w.Machine, nil)
	stage.Check(t, err)
	stage.Same(t, "the user's file", w.Text("/home/u/.cargo/config.toml"), "[user]\n")
}

// TestWhatStandsInThePlaceOfOurDirectoryStays keeps a link and a file that somebody made where we had made a directory.
func TestWhatStandsInThePlaceOfOurDirectoryStays(t *testing.T) {
	for _, what := range []string{"-> /srv/dotfiles", "a file"} {
		w := newWorld(t, "linux", map[string]string{"/home/u/.bashrc": "", "/srv/dotfiles/": ""})
		stage.Check(t, cargo(w).Do(t.Context()))
		stage.Check(t, os.RemoveAll(w.Path("/home/u/.cargo")))
		w.Write("/home/u/.cargo", what)
		before, err := os.Lstat(w.Path("/home/u/.cargo"))
		stage.Check(t, err)
		_, err = Restore(t.Context(), w.Machine, nil)
		stage.Check(t, err)
		after, err := os.Lstat(w.Path("/home/u/.cargo"))
		stage.Same(t, what+" is still there", err == nil && os.SameFile(before, after), true)
	}
}

// TestAHomeThatIsNotMountedIsRememberedAndNotMade: at boot it may come later.
func TestAHomeThatIsNotMountedIsRememberedAndNotMade(t *testing.T) {
	w := newWorld(t, "linux", map[string]string{"/home/u/.npmrc": "a=1\n"})
	before := w.Tree()
	step := Edit{On: w.Machine, Name: "npm", Path: "/home/u/.npmrc", Volatile: true, Change: appending("proxy = hither")}
	stage.Check(t, step.Do(t.Context()))
	stage.Check(t, os.Rename(w.Path("/home/u"), w.Path("/away")))
	if _, err := Restore(t.Context(), w.Machine, Volatile); !errors.Is(err, errAway) {
		t.Errorf("got %v", err)
	}
	w.UID = 4711
	if err := step.Do(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	stage.Check(t, os.Rename(w.Path("/away"), w.Path("/home/u")))
	_, err := Restore(t.Context(), w.Machine, Volatile)
	stage.Check(t, err)
	stage.Same(t, "tree", w.Tree(), before)
}

// TestRootDoesNotObeyOthersJournals, which hold commands.
func TestRootDoesNotObeyOthersJournals(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root acts for others: run this test as root")
	}
	w := newWorld(t, "linux", map[string]string{"/etc/f": "x\n"})
	stage.Check(t, Edit{On: w.Machine, Name: "f", Path: "/etc/f", Change: appending("hither")}.Do(t.Context()))
	path := w.Journal.Path()
	stage.Check(t, os.Chown(path, 4711, 4711))
	if _, err := Restore(t.Context(), w.Machine, nil); !errors.Is(err, ownfile.ErrNotOurs) {
		t.Errorf("another's: got %v", err)
	}
	stage.Check(t, os.Chown(path, 0, 0))
	stage.Check(t, os.Rename(path, path+".real"))
	stage.Check(t, os.Symlink(path+".real", path))
	if _, err := Restore(t.Context(), w.Machine, nil); err == nil {
		t.Error("a link: got no error")
	}
	stage.Same(t, "file", w.Text("/etc/f"), "x\nhither\n")
}

// TestASessionThatHangsKeepsNobodyFromHisDNS: files come before commands when all must be given back at once.
func TestASessionThatHangsKeepsNobodyFromHisDNS(t *testing.T) {
	w := newWorld(t, "linux", map[string]string{"/etc/resolv.conf": "nameserver 10.0.0.1\n"})
	ctx, cancel := context.WithCancel(t.Context())
	stage.Check(t, Edit{On: w.Machine, Name: "dns", Path: "/etc/resolv.conf", Volatile: true, Change: appending("hither")}.Do(ctx))
	stage.Check(t, Edit{On: w.Machine, Name: "nm", Path: "/etc/nm", Volatile: true, Change: appending("hither"), After: [][]string{{"reload"}}}.Do(ctx))
	stage.Check(t, Setting{
		On: w.Machine, Name: "gsettings", Volatile: true, Check: []string{"gsettings", "get"},
		Get: func(context.Context) (string, bool, error) { return "", false, nil }, Want: func(string, bool) string { return "x" },
		Set: func(context.Context, string) error { return nil }, UndoUnset: func(string) []string { return []string{"gsettings", "reset"} },
	}.Do(ctx))
	w.Play = func([]string, []byte) ([]byte, error) {
		stage.Same(t, "resolv.conf while a command hangs", w.Text("/etc/resolv.conf"), "nameserver 10.0.0.1\n")
		cancel() // the time is over before it answers
		return nil, ctx.Err()
	}
	if _, err := Restore(ctx, w.Machine, Volatile); err == nil {
		t.Error("got no error of what hangs")
	}
	stage.Same(t, "nm is there", w.Exists("/etc/nm"), false)
}

// TestAPipeInAHomeHoldsNobodyUp where a file should be.
func TestAPipeInAHomeHoldsNobodyUp(t *testing.T) {
	w := newWorld(t, "linux", map[string]string{"/home/u/": ""})
	makePipe(t, w.Path("/home/u/.npmrc"))
	done := make(chan error, 1)
	go func() {
		done <- Edit{On: w.Machine, Name: "npm", Path: "/home/u/.npmrc", Change: appending("hither")}.Do(t.Context())
	}()
	select {
	case err := <-done:
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it waits")
	}
}
