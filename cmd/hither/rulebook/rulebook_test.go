package rulebook

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/settings"
	"hither/rules"
)

// shelf is a user's directory of rule files, and the rulebook that follows it.
type shelf struct {
	*Book
	t    *testing.T
	said *hithertest.Journal
	told [][]string  // the hosts of each set that was to come into force
	full atomic.Bool // whoever is told cannot follow
}

// newShelf opens the rulebook; follow it with go.
func newShelf(t *testing.T, dir string) *shelf {
	t.Helper()
	s := &shelf{t: t, said: &hithertest.Journal{}}
	book, err := Open(settings.Settings{Rules: dir, From: map[string]string{"rules": "--rules"}}, slog.New(slog.NewTextHandler(s.said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.Book = book
	return s
}

func (s *shelf) changed(set *rules.Set) error {
	s.told = append(s.told, set.Hosts())
	if s.full.Load() {
		return errors.New("no room for the new root")
	}
	return nil
}

// follows runs f while the rulebook follows the directory without hints, in a time of its own.
func follows(t *testing.T, f func(t *testing.T, s *shelf)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rules.d")
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.follow(ctx, nil, s.changed)
		f(t, s)
	})
}

// wait is long enough for a change to be seen.
func (s *shelf) wait() {
	<-time.After(lookPace + 3*settleWait)
	synctest.Wait()
}

func (s *shelf) knows(host string) bool {
	_, ok := s.Now().Host(host)
	return ok
}

func TestADirectoryThatComesLaterIsRead(t *testing.T) {
	follows(t, func(t *testing.T, s *shelf) {
		hithertest.Contains(t, s.said.String(), "the directory of your rule files is not there", "--rules")
		s.wait()
		hithertest.Write(t, filepath.Join(s.Dir, "a.toml"), hithertest.Rule("a", "a.test"))
		s.wait()
		hithertest.Same(t, "a.test", s.knows("a.test"), true)
		hithertest.Same(t, "the built-in ones", s.knows("proxy.golang.org"), true)
		if err := os.RemoveAll(s.Dir); err != nil {
			t.Fatal(err)
		}
		s.wait()
		hithertest.Same(t, "a.test when the directory is gone", s.knows("a.test"), false)
		hithertest.Same(t, "problem", s.Problem(), "")
		hithertest.Same(t, "reloads", len(s.told), 2)
	})
}

func TestABadFileIsReportedAndTheLastGoodSetStays(t *testing.T) {
	follows(t, func(t *testing.T, s *shelf) {
		file := filepath.Join(s.Dir, "a.toml")
		hithertest.Write(t, file, hithertest.Rule("a", "a.test"))
		s.wait()
		hithertest.Write(t, file, []byte("name = \"a\"\nnonsense = 1\n"))
		s.wait()
		hithertest.Same(t, "a.test", s.knows("a.test"), true)
		hithertest.Contains(t, s.Problem(), "a.toml:2", "nonsense", s.Dir)
		hithertest.Contains(t, s.said.String(), "the last good ones stay")
		said := strings.Count(s.said.String(), "nonsense")
		s.wait()
		hithertest.Same(t, "said again and again", strings.Count(s.said.String(), "nonsense"), said)
		hithertest.Write(t, file, hithertest.Rule("a", "b.test"))
		s.wait()
		hithertest.Same(t, "a.test", s.knows("a.test"), false)
		hithertest.Same(t, "b.test", s.knows("b.test"), true)
		hithertest.Same(t, "problem", s.Problem(), "")
		hithertest.Same(t, "sets that came into force", len(s.told), 2)
	})
}

func TestAFileThatReplacesABuiltInOneAndGoes(t *testing.T) {
	follows(t, func(t *testing.T, s *shelf) {
		hithertest.Write(t, filepath.Join(s.Dir, "go.toml"), hithertest.Rule("go", "goproxy.test"))
		s.wait()
		hithertest.Same(t, "proxy.golang.org", s.knows("proxy.golang.org"), false)
		hithertest.Same(t, "place", s.Place("go.toml"), filepath.Join(s.Dir, "go.toml"))
		if err := os.Remove(filepath.Join(s.Dir, "go.toml")); err != nil {
			t.Fatal(err)
		}
		s.wait()
		hithertest.Same(t, "proxy.golang.org", s.knows("proxy.golang.org"), true)
		hithertest.Same(t, "place", s.Place("go.toml"), "built-in go.toml")
	})
}

// Editors write beside and rename; Kubernetes turns a link to a directory in which other links lead; dotfile managers link
// the directory, or each file, to elsewhere.
func TestChangesThatAreNoWritesInTheDirectory(t *testing.T) {
	hithertest.SkipElsewhere(t)
	follows(t, func(t *testing.T, s *shelf) {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		beside := filepath.Dir(s.Dir)
		for _, name := range []string{"one", "two"} {
			hithertest.Write(t, filepath.Join(beside, name, "a.toml"), hithertest.Rule("a", name+".test"))
		}
		must(os.Symlink("one", s.Dir))
		s.wait()
		hithertest.Same(t, "a link to a directory", s.knows("one.test"), true)
		must(os.Remove(s.Dir))
		must(os.Symlink("two", s.Dir))
		s.wait()
		hithertest.Same(t, "a link that was turned", s.knows("two.test"), true)
		hithertest.Write(t, filepath.Join(beside, "two", "a.toml~"), hithertest.Rule("a", "three.test"))
		must(os.Rename(filepath.Join(beside, "two", "a.toml~"), filepath.Join(beside, "two", "a.toml")))
		s.wait()
		hithertest.Same(t, "a file that was renamed to it", s.knows("three.test"), true)
		must(os.Remove(s.Dir))
		must(os.MkdirAll(s.Dir, 0o700))
		must(os.Symlink("../one/a.toml", filepath.Join(s.Dir, "a.toml")))
		s.wait()
		hithertest.Same(t, "a link to a file", s.knows("one.test"), true)
		hithertest.Write(t, filepath.Join(beside, "one", "a.toml"), hithertest.Rule("a", "four.test"))
		s.wait()
		hithertest.Same(t, "a change behind a link", s.knows("four.test"), true)
		must(os.Remove(filepath.Join(beside, "one", "a.toml")))
		s.wait()
		hithertest.Same(t, "a link to nowhere keeps the last good set", s.knows("four.test"), true)
		hithertest.Contains(t, s.Problem(), "a.toml:1")
	})
}

func TestWhatIsNoRuleFileChangesNothing(t *testing.T) {
	follows(t, func(t *testing.T, s *shelf) {
		hithertest.Write(t, filepath.Join(s.Dir, "a.toml"), hithertest.Rule("a", "a.test"))
		s.wait()
		hithertest.Write(t, filepath.Join(s.Dir, "README"), []byte("mine"))
		hithertest.Write(t, filepath.Join(s.Dir, ".a.toml.swp"), []byte("vim"))
		hithertest.Write(t, filepath.Join(s.Dir, "a.toml"), hithertest.Rule("a", "a.test"))
		s.wait()
		hithertest.Same(t, "reloads", len(s.told), 1)
	})
}

func TestAFileThatIsStillBeingWrittenIsNotRead(t *testing.T) {
	follows(t, func(t *testing.T, s *shelf) {
		file, whole := filepath.Join(s.Dir, "a.toml"), hithertest.Rule("a", "a.test")
		<-time.After(lookPace - settleWait/4)
		for n := range whole {
			hithertest.Write(t, file, whole[:n])
			<-time.After(settleWait / 2)
		}
		hithertest.Write(t, file, whole)
		s.wait()
		hithertest.Same(t, "a.test", s.knows("a.test"), true)
		hithertest.Same(t, "complaints", strings.Count(s.said.String(), "not in force"), 0)
	})
}

// TestWhatStandsInTheWayOfGoodRulesIsTriedAgain is for a disk that is full when the root must be made anew.
func TestWhatStandsInTheWayOfGoodRulesIsTriedAgain(t *testing.T) {
	follows(t, func(t *testing.T, s *shelf) {
		s.full.Store(true)
		hithertest.Write(t, filepath.Join(s.Dir, "a.toml"), hithertest.Rule("a", "a.test"))
		s.wait()
		s.wait()
		hithertest.Same(t, "a.test", s.knows("a.test"), false)
		hithertest.Same(t, "problem", s.Problem(), "no room for the new root")
		hithertest.Same(t, "complaints", strings.Count(s.said.String(), "no room"), 1)
		s.full.Store(false)
		s.wait()
		hithertest.Same(t, "a.test", s.knows("a.test"), true)
		hithertest.Same(t, "problem", s.Problem(), "")
	})
}

func TestAChangeBetweenTheStartAndTheWatchIsSeen(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t, dir)
		hithertest.Write(t, filepath.Join(dir, "a.toml"), hithertest.Rule("a", "a.test"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.follow(ctx, nil, s.changed)
		<-time.After(2 * settleWait)
		synctest.Wait()
		hithertest.Same(t, "a.test", s.knows("a.test"), true)
	})
}

// TestTheSystemTellsOfChanges is about true events. It would pass without them, a little later.
func TestTheSystemTellsOfChanges(t *testing.T) {
	s := newShelf(t, t.TempDir())
	hosts := make(chan int, 8)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.Watch(ctx, func(set *rules.Set) error { hosts <- len(set.Hosts()); return nil })
	}()
	before := len(s.Now().Hosts())
	hithertest.Write(t, filepath.Join(s.Dir, "a.toml"), hithertest.Rule("a", "a.test"))
	hithertest.Same(t, "hosts", <-hosts, before+1)
	hithertest.Write(t, filepath.Join(s.Dir, "b.toml"), hithertest.Rule("b", "b.test"))
	hithertest.Same(t, "hosts", <-hosts, before+2)
	if err := os.Remove(filepath.Join(s.Dir, "a.toml")); err != nil {
		t.Fatal(err)
	}
	hithertest.Same(t, "hosts", <-hosts, before+1)
	cancel()
	hithertest.Same(t, "error", <-done, nil)
}

func TestRulesThatCannotBeReadAtTheStart(t *testing.T) {
	hithertest.SkipElsewhere(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	hithertest.Write(t, file, []byte("x"))
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	hithertest.Write(t, filepath.Join(dir, "bad", "a.toml"), []byte("x = 1"))
	for path, want := range map[string]string{
		file:                      "rule files: " + file + " is not a directory; name another with --rules",
		loop:                      "too many levels of symbolic links; name another directory with --rules",
		filepath.Join(dir, "bad"): "rule files (yours are in " + filepath.Join(dir, "bad") + "): a.toml:1:",
	} {
		_, err := Open(settings.Settings{Rules: path}, slog.New(slog.DiscardHandler))
		if err == nil {
			t.Errorf("%s\n got no error\nwant %s", path, want)
			continue
		}
		hithertest.Contains(t, err.Error(), want)
	}
}
