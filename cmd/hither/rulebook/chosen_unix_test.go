//go:build unix

package rulebook

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/settings"
)

// withoutFiles runs f while no file can be opened.
func withoutFiles(t *testing.T, f func()) {
	t.Helper()
	var before unix.Rlimit
	hithertest.Must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	hithertest.Must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: before.Max}))
	f()
	hithertest.Must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before))
}

func TestChoicesThatCannotBeReadNowStayAsTheyAre(t *testing.T) {
	const near, far = "https://near.test", "https://far.test"
	dir, state := t.TempDir(), filepath.Join(t.TempDir(), "state")
	hithertest.Write(t, filepath.Join(dir, "reg.toml"), []byte("name = \"reg\"\nhome = \"https://reg.test\"\n[[host]]\nname = \"reg.test\"\n"+
		"[[mirror]]\nurl = \""+near+"\"\n[[mirror]]\nurl = \""+far+"\"\n[[path]]\nmatch = \"/{x...}\"\nkeep = \"1h\"\nfrom = \"any\"\nwhy = \"a test\"\n"))
	said := &hithertest.Journal{}
	b, err := Open(settings.Settings{Rules: dir, State: state, From: map[string]string{"rules": "--rules"}}, slog.New(slog.NewTextHandler(said, nil)))
	hithertest.Must(t, err)
	choose := func(verb, url string) error {
		_, err := b.Choose(mirrors.Change{Verb: verb, URL: url})
		return err
	}
	off := func(what, want string) {
		t.Helper()
		got := ""
		rule, _ := b.Now().Host("reg.test")
		for _, m := range rule.Mirrors {
			if m.Off != "" {
				got += m.URL + " "
			}
		}
		hithertest.Same(t, "off "+what, got, want)
	}
	hithertest.Must(t, choose("off", near))
	off("at first", near+" ")
	withoutFiles(t, func() {
		b.mu.Lock()
		b.applyLocked() // as after a change of rule files
		b.mu.Unlock()
		err = choose("off", far)
	})
	off("unread", near+" ")
	hithertest.Same(t, "a choice without a file", errors.Is(err, unix.EMFILE), true)
	hithertest.Contains(t, err.Error(), "try again")
	b.Rechoose()
	off("read again", near+" ")
	hithertest.Must(t, choose("off", far))
	off("in the end", near+" "+far+" ")
}

func TestRuleFilesThatCannotBeReadNowAreReadLater(t *testing.T) {
	s := newShelf(t, filepath.Join(t.TempDir(), "rules.d"))
	hithertest.Write(t, filepath.Join(s.Dir, "a.toml"), hithertest.Rule("a", "a.test"))
	withoutFiles(t, func() { hithertest.Same(t, "their chance was had without a file", s.Reload(s.changed), false) })
	hithertest.Same(t, "their chance was had with one", s.Reload(s.changed), true)
	hithertest.Same(t, "a.test", s.knows("a.test"), true)
}

// A look for which no file could be opened says nothing: neither that the files changed, nor later that they are still wrong.
func TestALookWithoutAFileChangesNothing(t *testing.T) {
	for _, there := range []bool{true, false} {
		follows(t, func(t *testing.T, s *shelf) {
			if there {
				hithertest.Write(t, filepath.Join(s.Dir, "a.toml"), hithertest.Rule("a", "a.test"))
			}
			s.wait()
			told, said := len(s.told), s.said.String()
			withoutFiles(t, s.wait)
			hithertest.Same(t, "told without a file", len(s.told), told)
			hithertest.Same(t, "said without a file", s.said.String(), said)
			s.wait()
			hithertest.Same(t, "told with one", len(s.told), told)
			hithertest.Same(t, "what is wrong", s.Problem(), "")
			hithertest.Write(t, filepath.Join(s.Dir, "b.toml"), hithertest.Rule("b", "b.test"))
			s.wait()
			hithertest.Same(t, "b.test", s.knows("b.test"), true)
		})
	}
}
