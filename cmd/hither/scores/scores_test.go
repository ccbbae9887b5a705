package scores

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hither/cmd/hither/hithertest"
	"hither/forward/measure"
)

func TestWhatWasMeasuredSurvivesARestart(t *testing.T) {
	said := &bytes.Buffer{}
	first := &Keeper{State: t.TempDir(), Board: new(measure.Board), Rounds: new(measure.Rounds), Log: slog.New(slog.NewTextHandler(said, nil))}
	first.Load()
	first.Board.Add(measure.Sample{Base: "https://near.test", Outcome: measure.OK, Wait: 20 * time.Millisecond, Took: 21 * time.Millisecond})
	first.Board.Add(measure.Sample{Base: "https://liar.test", Outcome: measure.WrongBytes, Took: 21 * time.Millisecond})
	first.Rounds.Charge("https://near.test", 2000)
	first.save()
	path := filepath.Join(first.State, Name)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	first.save()
	again, _ := os.Stat(path)
	hithertest.Same(t, "what did not change is not written", again.ModTime().Unix(), 1)
	first.Rounds.Charge("https://near.test", 500)
	first.save()
	again, _ = os.Stat(path)
	hithertest.Same(t, "what was spent is written", again.ModTime().Unix() > 1, true)
	hithertest.Same(t, "permissions", keepsOut(info.Mode()), true)
	second := &Keeper{State: first.State, Board: new(measure.Board), Rounds: new(measure.Rounds), Log: first.Log}
	second.Load()
	for _, s := range second.Board.Report() {
		if s.Base == "https://liar.test" {
			hithertest.Same(t, "the liar", s.State, measure.Quarantined)
		}
	}
	hithertest.Same(t, "upstreams", len(second.Board.Report()), 2)
	spent := second.Rounds.Spent()["https://near.test"]
	hithertest.Same(t, "questions of today", spent.Probes, 2)
	hithertest.Same(t, "bytes of today", spent.Bytes, 2500)
	hithertest.Same(t, "said", said.String(), "")
}

func keepsOut(mode os.FileMode) bool { return mode.Perm()&0o077 == 0 || os.PathSeparator == '\\' }

func TestDamagedScoresArePutAside(t *testing.T) {
	said := &bytes.Buffer{}
	s := &Keeper{State: t.TempDir(), Board: new(measure.Board), Rounds: new(measure.Rounds), Log: slog.New(slog.NewTextHandler(said, nil))}
	path := filepath.Join(s.State, Name)
	for i, text := range []string{`{"version":1,"bases":{"x":`, `{}`, `{"board":{"version":7}}`, `{"spent":{"x":{"probes":"many"}},"board":{}}`, ``} {
		hithertest.Write(t, path, []byte(text))
		s.Load()
		hithertest.Contains(t, said.String(), path, "measuring begins anew", ".damaged")
		hithertest.Same(t, "told of "+text, strings.Count(said.String(), "the file was put aside"), i+1)
		if _, err := os.Stat(path + ".damaged"); err != nil {
			t.Error(err)
		}
	}
	s.Board.Add(measure.Sample{Base: "https://near.test", Outcome: measure.OK, Wait: 20 * time.Millisecond, Took: 21 * time.Millisecond})
	s.save()
	_, err := Read(s.State, new(measure.Board))
	hithertest.Same(t, "a new one", err, nil)
}
