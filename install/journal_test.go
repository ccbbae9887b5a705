package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hither/install/ownfile"
	"hither/install/stage"
)

func addLine(w *world, path string, volatile bool) Edit {
	return Edit{On: w.Machine, Name: "add to " + path, Path: path, Volatile: volatile, Change: appending("a line of hither")}
}

func journalText(w *world) string {
	text, err := os.ReadFile(w.Journal.Path())
	stage.Check(w.t, err)
	return string(text)
}

func TestAJournalIsPrivateAndGoesWithItsLastChange(t *testing.T) {
	w := newWorld(t, "linux", map[string]string{"/a": "x\n", "/b": "y\n"})
	stage.Check(t, Apply(t.Context(), addLine(w, "/a", true), addLine(w, "/b", false)))
	info, err := os.Stat(w.Journal.Path())
	stage.Check(t, err)
	if _, _, names := ownfile.Owner(info); names == 1 && os.PathSeparator == '/' {
		stage.Same(t, "mode", info.Mode().Perm(), 0o600)
	}
	report, err := Restore(t.Context(), w.Machine, Volatile)
	stage.Check(t, err)
	stage.Same(t, "undone", len(report), 1)
	stage.Same(t, "/a", w.Text("/a"), "x\n")
	stage.Same(t, "/b", w.Text("/b"), "y\na line of hither\n")
	stage.Check(t, addLine(w, "/b", false).Undo(t.Context()))
	if _, err := os.Stat(w.Journal.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the journal is still there: %v", err)
	}
}

func TestATornLineIsDroppedAndADamagedOneIsTold(t *testing.T) {
	w := newWorld(t, "linux", map[string]string{"/a": "x\n", "/b": "y\n"})
	stage.Check(t, Apply(t.Context(), addLine(w, "/a", false)))
	whole := journalText(w)
	stage.Check(t, os.WriteFile(w.Journal.Path(), []byte(whole+`{"v":1,"sum":"0`), 0o600))
	stage.Check(t, Apply(t.Context(), addLine(w, "/b", false)))
	if got := journalText(w); !strings.HasPrefix(got, whole) || strings.Contains(got, `"sum":"0{`) {
		t.Errorf("got %s", got)
	}
	// One bit of what stands in the middle is wrong: /b is undone all the same, and the damage is told.
	lines := strings.SplitAfter(journalText(w), "\n")
	for i := range 2 {
		lines[i] = strings.Replace(lines[i], `"step":"add`, `"step":"odd`, 1)
	}
	stage.Check(t, os.WriteFile(w.Journal.Path(), []byte(strings.Join(lines, "")), 0o600))
	for range 2 {
		_, err := Restore(t.Context(), w.Machine, nil)
		if err == nil || !strings.Contains(err.Error(), "lines [1 2]") {
			t.Errorf("got %v, want it to tell of the lines", err)
		}
		stage.Same(t, "/b", w.Text("/b"), "y\n")
	}
	stage.Check(t, Apply(t.Context(), addLine(w, "/b", false))) // and nobody is kept from working on
}

func TestANewerJournalIsKeptAndNotActedUpon(t *testing.T) {
	w := newWorld(t, "linux", map[string]string{"/a": "x\n"})
	stage.Check(t, Apply(t.Context(), addLine(w, "/a", false)))
	newer := `{"v":2,"sum":"?","r":{"n":7,"new":true}}` + "\n"
	stage.Check(t, os.WriteFile(w.Journal.Path(), []byte(newer+journalText(w)), 0o600))
	if err := addLine(w, "/b", false).Do(t.Context()); !errors.Is(err, ErrNewer) {
		t.Errorf("Do: got %v", err)
	}
	_, err := Restore(t.Context(), w.Machine, nil)
	if !errors.Is(err, ErrNewer) {
		t.Errorf("Restore: got %v", err)
	}
	stage.Same(t, "/a", w.Text("/a"), "x\n") // what is understood is undone
	if !strings.HasPrefix(journalText(w), newer) {
		t.Errorf("the newer line is lost: %s", journalText(w))
	}
}

func TestNothingIsChangedIfTheJournalCannotBeWritten(t *testing.T) {
	w := newWorld(t, "linux", map[string]string{"/a": "x\n"})
	before := w.Tree()
	stage.Check(t, os.WriteFile(filepath.Dir(w.Journal.Path()), nil, 0o600)) // a file where its directory should be
	err := addLine(w, "/a", false).Do(t.Context())
	if err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("got %v", err)
	}
	stage.Check(t, os.Remove(filepath.Dir(w.Journal.Path())))
	stage.Same(t, "tree", w.Tree(), before)
}

// TestAFullDiskUnderTheJournal needs a journal on /dev/full: writing fails, as on a full disk.
func TestAFullDiskUnderTheJournal(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	w := newWorld(t, "linux", map[string]string{"/a": "x\n"})
	before := w.Tree()
	turn := &turn{book: &book{}, m: w.Machine, path: "/dev/full"}
	var err error
	turn.file, err = os.OpenFile("/dev/full", os.O_WRONLY, 0)
	stage.Check(t, err)
	defer turn.file.Close()
	if err := turn.write(Record{N: 1, State: Begun}); err == nil || !strings.Contains(err.Error(), "free disk space") {
		t.Errorf("got %v", err)
	}
	turn.records = []Record{{N: 1, State: Made, File: &FileRecord{Path: "/a", Ours: []byte("x\n"), Former: FileState{Bytes: []byte("y\n"), Mode: 0o644, UID: -1, GID: -1}, Mode: 0o644}}}
	stage.Same(t, "the network comes first", turn.undo(t.Context(), 1).Err, nil)
	stage.Same(t, "/a", w.Text("/a"), "y\n")
	stage.Same(t, "the tree was another", w.Tree() == before, false)
}

func TestAMachineWithoutAJournalIsNotChanged(t *testing.T) {
	w := newWorld(t, "linux", map[string]string{"/a": "x\n"})
	w.Journal = nil
	if err := addLine(w, "/a", false).Do(t.Context()); err == nil {
		t.Error("it was changed")
	}
	stage.Same(t, "/a", w.Text("/a"), "x\n")
}

func TestALongJournalIsRewrittenWithoutWhatIsUndone(t *testing.T) {
	w := newWorld(t, "linux", map[string]string{"/a": strings.Repeat("a long line of a long file\n", 6000), "/b": "y\n"})
	stage.Check(t, Apply(t.Context(), addLine(w, "/b", false)))
	for range 8 {
		stage.Check(t, Apply(t.Context(), addLine(w, "/a", true)))
		_, err := Restore(t.Context(), w.Machine, Volatile)
		stage.Check(t, err)
	}
	if n := len(journalText(w)); n > compactSize {
		t.Errorf("the journal has %d bytes", n)
	}
	_, err := Restore(t.Context(), w.Machine, nil)
	stage.Check(t, err)
	stage.Same(t, "/b", w.Text("/b"), "y\n")
}

// TestTwoProcessesTakeTurns changes the machine from this and from another process at once.
func TestTwoProcessesTakeTurns(t *testing.T) {
	if dir := os.Getenv("HITHER_TEST_TURNS"); dir != "" {
		w := &world{t: t, Machine: &Machine{OS: "linux", Root: filepath.Join(dir, "root"), UID: -1, GID: -1, Journal: OpenJournal(filepath.Join(dir, "state", "journal"))}}
		takeTurns(w, "other")
		return
	}
	w := newWorld(t, "linux", map[string]string{"/a": "x\n"})
	before := w.Tree()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestTwoProcessesTakeTurns$")
	cmd.Env = append(os.Environ(), "HITHER_TEST_TURNS="+filepath.Dir(w.Root))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	stage.Check(t, cmd.Start())
	var both sync.WaitGroup
	for i := range 2 {
		both.Go(func() { takeTurns(w, fmt.Sprint("mine ", i)) })
	}
	both.Wait()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	_, err := Restore(t.Context(), w.Machine, nil)
	stage.Check(t, err)
	stage.Same(t, "tree", w.Tree(), before)
}

func takeTurns(w *world, who string) {
	for range 10 {
		e := Edit{On: w.Machine, Name: who, Path: "/a", Change: appending("a line of " + who)}
		if err := e.Do(w.t.Context()); err != nil {
			w.t.Error(err)
		}
		if err := e.Undo(w.t.Context()); err != nil {
			w.t.Error(err)
		}
	}
}

// TestAStoppedProcessDelaysNobodyForLong holds the lock as a daemon would that was stopped in the middle of a change.
func TestAStoppedProcessDelaysNobodyForLong(t *testing.T) {
	w := newWorld(t, "linux", map[string]string{"/a": "x\n"})
	stage.Check(t, Apply(t.Context(), addLine(w, "/a", true)))
	held, err := w.begin(t.Context())
	stage.Check(t, err)
	_, err = Restore(t.Context(), w.Machine, Volatile)
	stage.Check(t, err)
	stage.Same(t, "/a", w.Text("/a"), "x\n")
	held.end()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	held, err = w.begin(t.Context())
	stage.Check(t, err)
	defer held.end()
	if err := addLine(w, "/a", true).Do(ctx); err == nil || !strings.Contains(err.Error(), "another Hither") {
		t.Errorf("Do beside another: got %v", err)
	}
}

func FuzzJournal(f *testing.F) {
	text, err := encode(Record{N: 1, Step: "s", State: Made, File: &FileRecord{Path: "/a", Ours: []byte("b\n")}})
	stage.Check(f, err)
	f.Add(text)
	f.Add(append(text, `{"v":2}`+"\n"+`{"v":1,"sum":"","r":{}}`+"\n{"...))
	f.Fuzz(func(t *testing.T, text []byte) {
		b := parseBook(text)
		if b.whole > len(text) || b.next() < 1 {
			t.Errorf("got %d of %d bytes, next %d", b.whole, len(text), b.next())
		}
		for _, r := range b.active() {
			if b.find(r.Step) == nil {
				t.Errorf("%q is not found", r.Step)
			}
		}
	})
}
