package main

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

	"hither/cmd/hither/settings"
	"hither/rules"
)

// shelf is a user's directory of rule files, and the rulebook that follows it.
type shelf struct {
	*rulebook
	t    *testing.T
	said *journal
	told [][]string  // the hosts of each set that was to come into force
	full atomic.Bool // whoever is told cannot follow
}

// newShelf opens the rulebook; follow it with go.
func newShelf(t *testing.T, dir string) *shelf {
	t.Helper()
	s := &shelf{t: t, said: &journal{}}
	book, err := openRulebook(settings.Settings{Rules: dir, From: map[string]string{"rules": "--rules"}}, slog.New(slog.NewTextHandler(s.said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.rulebook = book
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

// rule is a rule file for one host.
func rule(name, host string) []byte {
	return []byte("name = \"" + name + "\"\n[[host]]\nname = \"" + host + "\"\n[[path]]\nmatch = \"/{rest...}\"\nkeep = \"1m\"\n")
}

func (s *shelf) knows(host string) bool {
	_, ok := s.now().Host(host)
	return ok
}

func TestADirectoryThatComesLaterIsRead(t *testing.T) {
	follows(t, func(t *testing.T, s *shelf) {
		contains(t, s.said.String(), "the directory of your rule files is not there", "--rules")
		s.wait()
		write(t, filepath.Join(s.dir, "a.toml"), rule("a", "a.test"))
		s.wait()
		same(t, "a.test", s.knows("a.test"), true)
		same(t, "the built-in ones", s.knows("proxy.golang.org"), true)
		if err := os.RemoveAll(s.dir); err != nil {
			t.Fatal(err)
		}
		s.wait()
		same(t, "a.test when the directory is gone", s.knows("a.test"), false)
		same(t, "problem", s.Problem(), "")
		same(t, "reloads", len(s.told), 2)
	})
}

func TestABadFileIsReportedAndTheLastGoodSetStays(t *testing.T) {
	follows(t, func(t *testing.T, s *shelf) {
		file := filepath.Join(s.dir, "a.toml")
		write(t, file, rule("a", "a.test"))
		s.wait()
		write(t, file, []byte("name = \"a\"\nnonsense = 1\n"))
		s.wait()
		same(t, "a.test", s.knows("a.test"), true)
		contains(t, s.Problem(), "a.toml:2", "nonsense", s.dir)
		contains(t, s.said.String(), "the last good ones stay")
		said := strings.Count(s.said.String(), "nonsense")
		s.wait()
		same(t, "said again and again", strings.Count(s.said.String(), "nonsense"), said)
		write(t, file, rule("a", "b.test"))
		s.wait()
		same(t, "a.test", s.knows("a.test"), false)
		same(t, "b.test", s.knows("b.test"), true)
		same(t, "problem", s.Problem(), "")
		same(t, "sets that came into force", len(s.told), 2)
	})
}

func TestAFileThatReplacesABuiltInOneAndGoes(t *testing.T) {
	follows(t, func(t *testing.T, s *shelf) {
		write(t, filepath.Join(s.dir, "go.toml"), rule("go", "goproxy.test"))
		s.wait()
		same(t, "proxy.golang.org", s.knows("proxy.golang.org"), false)
		same(t, "place", s.place("go.toml"), filepath.Join(s.dir, "go.toml"))
		if err := os.Remove(filepath.Join(s.dir, "go.toml")); err != nil {
			t.Fatal(err)
		}
		s.wait()
		same(t, "proxy.golang.org", s.knows("proxy.golang.org"), true)
		same(t, "place", s.place("go.toml"), "built-in go.toml")
	})
}

// Editors write beside and rename; Kubernetes turns a link to a directory in which other links lead; dotfile managers link
// the directory, or each file, to elsewhere.
func TestChangesThatAreNoWritesInTheDirectory(t *testing.T) {
	skipElsewhere(t)
	follows(t, func(t *testing.T, s *shelf) {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		beside := filepath.Dir(s.dir)
		for _, name := range []string{"one", "two"} {
			write(t, filepath.Join(beside, name, "a.toml"), rule("a", name+".test"))
		}
		must(os.Symlink("one", s.dir))
		s.wait()
		same(t, "a link to a directory", s.knows("one.test"), true)
		must(os.Remove(s.dir))
		must(os.Symlink("two", s.dir))
		s.wait()
		same(t, "a link that was turned", s.knows("two.test"), true)
		write(t, filepath.Join(beside, "two", "a.toml~"), rule("a", "three.test"))
		must(os.Rename(filepath.Join(beside, "two", "a.toml~"), filepath.Join(beside, "two", "a.toml")))
		s.wait()
		same(t, "a file that was renamed to it", s.knows("three.test"), true)
		must(os.Remove(s.dir))
		must(os.MkdirAll(s.dir, 0o700))
		must(os.Symlink("../one/a.toml", filepath.Join(s.dir, "a.toml")))
		s.wait()
		same(t, "a link to a file", s.knows("one.test"), true)
		write(t, filepath.Join(beside, "one", "a.toml"), rule("a", "four.test"))
		s.wait()
		same(t, "a change behind a link", s.knows("four.test"), true)
		must(os.Remove(filepath.Join(beside, "one", "a.toml")))
		s.wait()
		same(t, "a link to nowhere keeps the last good set", s.knows("four.test"), true)
		contains(t, s.Problem(), "a.toml:1")
	})
}

func TestWhatIsNoRuleFileChangesNothing(t *testing.T) {
	follows(t, func(t *testing.T, s *shelf) {
		write(t, filepath.Join(s.dir, "a.toml"), rule("a", "a.test"))
		s.wait()
		write(t, filepath.Join(s.dir, "README"), []byte("mine"))
		write(t, filepath.Join(s.dir, ".a.toml.swp"), []byte("vim"))
		write(t, filepath.Join(s.dir, "a.toml"), rule("a", "a.test"))
		s.wait()
		same(t, "reloads", len(s.told), 1)
	})
}

func TestAFileThatIsStillBeingWrittenIsNotRead(t *testing.T) {
	follows(t, func(t *testing.T, s *shelf) {
		file, whole := filepath.Join(s.dir, "a.toml"), rule("a", "a.test")
		<-time.After(lookPace - settleWait/4)
		for n := range whole {
			write(t, file, whole[:n])
			<-time.After(settleWait / 2)
		}
		write(t, file, whole)
		s.wait()
		same(t, "a.test", s.knows("a.test"), true)
		same(t, "complaints", strings.Count(s.said.String(), "not in force"), 0)
	})
}

// TestWhatStandsInTheWayOfGoodRulesIsTriedAgain is for a disk that is full when the root must be made anew.
func TestWhatStandsInTheWayOfGoodRulesIsTriedAgain(t *testing.T) {
	follows(t, func(t *testing.T, s *shelf) {
		s.full.Store(true)
		write(t, filepath.Join(s.dir, "a.toml"), rule("a", "a.test"))
		s.wait()
		s.wait()
		same(t, "a.test", s.knows("a.test"), false)
		same(t, "problem", s.Problem(), "no room for the new root")
		same(t, "complaints", strings.Count(s.said.String(), "no room"), 1)
		s.full.Store(false)
		s.wait()
		same(t, "a.test", s.knows("a.test"), true)
		same(t, "problem", s.Problem(), "")
	})
}

func TestAChangeBetweenTheStartAndTheWatchIsSeen(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t, dir)
		write(t, filepath.Join(dir, "a.toml"), rule("a", "a.test"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.follow(ctx, nil, s.changed)
		<-time.After(2 * settleWait)
		synctest.Wait()
		same(t, "a.test", s.knows("a.test"), true)
	})
}

// TestTheSystemTellsOfChanges is about true events. It would pass without them, a little later.
func TestTheSystemTellsOfChanges(t *testing.T) {
	s := newShelf(t, t.TempDir())
	hosts := make(chan int, 8)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.watch(ctx, func(set *rules.Set) error { hosts <- len(set.Hosts()); return nil })
	}()
	before := len(s.now().Hosts())
	write(t, filepath.Join(s.dir, "a.toml"), rule("a", "a.test"))
	same(t, "hosts", <-hosts, before+1)
	write(t, filepath.Join(s.dir, "b.toml"), rule("b", "b.test"))
	same(t, "hosts", <-hosts, before+2)
	if err := os.Remove(filepath.Join(s.dir, "a.toml")); err != nil {
		t.Fatal(err)
	}
	same(t, "hosts", <-hosts, before+1)
	cancel()
	same(t, "error", <-done, nil)
}

func TestRulesThatCannotBeReadAtTheStart(t *testing.T) {
	skipElsewhere(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, []byte("x"))
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "bad", "a.toml"), []byte("x = 1"))
	for path, want := range map[string]string{
		file:                      "rule files: " + file + " is not a directory; name another with --rules",
		loop:                      "too many levels of symbolic links; name another directory with --rules",
		filepath.Join(dir, "bad"): "rule files (yours are in " + filepath.Join(dir, "bad") + "): a.toml:1:",
	} {
		_, err := openRulebook(settings.Settings{Rules: path}, slog.New(slog.DiscardHandler))
		if err == nil {
			t.Errorf("%s\n got no error\nwant %s", path, want)
			continue
		}
		contains(t, err.Error(), want)
	}
}
