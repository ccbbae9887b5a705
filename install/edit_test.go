package install

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"hither/install/stage"
)

// appending adds a block of our own at the end.
func appending(lines ...string) func([]byte, bool) ([]byte, error) {
	return func(old []byte, _ bool) ([]byte, error) {
		block := strings.Join(lines, "\n") + "\n"
		if strings.Contains(string(old), block) {
			return old, nil
		}
		if len(old) > 0 && !bytes.HasSuffix(old, []byte("\n")) {
			old = append(old, '\n')
		}
		return append(old, block...), nil
	}
}

// replacing writes value in each line that begins with name, and adds such a line if there is none.
func replacing(name, value string) func([]byte, bool) ([]byte, error) {
	return func(old []byte, _ bool) ([]byte, error) {
		lines, found := strings.SplitAfter(string(old), "\n"), false
		for i, l := range lines {
			if strings.HasPrefix(l, name) {
				end := l[len(strings.TrimRight(l, "\r\n")):]
				lines[i], found = name+value+end, true
			}
		}
		if !found {
			lines = append([]string{name + value + "\n"}, lines...)
		}
		return []byte(strings.Join(lines, "")), nil
	}
}

// leavingOut drops the lines that begin with name.
func leavingOut(name string) func([]byte, bool) ([]byte, error) {
	return func(old []byte, _ bool) ([]byte, error) {
		var kept []string
		for _, l := range strings.SplitAfter(string(old), "\n") {
			if !strings.HasPrefix(l, name) {
				kept = append(kept, l)
			}
		}
		return []byte(strings.Join(kept, "")), nil
	}
}

// TestWhateverHappensUndoingLeavesTheMachineAsItWas does, undoes and breaks off steps at random, each between any two
// system calls, and compares every byte, mode, owner and link at the end.
func TestWhateverHappensUndoingLeavesTheMachineAsItWas(t *testing.T) {
	for seed := range stage.Seeds() {
		g := newGame(t, seed)
		before := g.Tree()
		for range 1 + g.IntN(12) {
			g.move(g.IntN(6), false)
		}
		g.restoreAll()
		if got := g.Tree(); got != before {
			t.Fatalf("seed %d, moves %v\ngot\n%s\nwant\n%s", seed, g.moves, got, before)
		}
	}
}

// TestWhatOthersWriteStays lets somebody else write between the moves.
func TestWhatOthersWriteStays(t *testing.T) {
	for seed := range stage.Seeds() {
		g := newGame(t, seed)
		for range 1 + g.IntN(12) {
			g.move(g.IntN(8), true)
		}
		g.restoreAll()
		all := g.Tree()
		for _, l := range g.foreign {
			if !strings.Contains(all, l) {
				t.Fatalf("seed %d, moves %v: the line %q is lost\n%s", seed, g.moves, l, all)
			}
		}
		if strings.Contains(all, "hither") {
			t.Fatalf("seed %d, moves %v: something of ours is left\n%s", seed, g.moves, all)
		}
	}
}

type game struct {
	*world
	*rand.Rand
	steps   []Edit
	moves   []string
	foreign []string
}

func newGame(t *testing.T, seed uint64) *game {
	g := &game{world: newWorld(t, "linux", nil), Rand: rand.New(rand.NewPCG(seed, 5))}
	g.Write("/etc/", "")
	paths := []string{"/etc/a", "/etc/deep/er/b", "/home/u/.c"}
	for _, p := range paths {
		g.lay(p)
	}
	changes := []func([]byte, bool) ([]byte, error){
		appending("# hither 1", "x = hither", "}"), replacing("server", " hither"), leavingOut("old"), appending("other hither"),
	}
	changes = append(changes, appending("# hither 1", "x = hither, another port", "}")) // instead of the first
	for i, change := range changes {
		for _, p := range paths {
			g.steps = append(g.steps, Edit{
				On: g.Machine, Name: fmt.Sprint(i%4, p), Path: p, Change: change, Replace: seed%2 == 0,
				After: [][]string{{"reload"}}, Volatile: i%2 == 0,
			})
		}
	}
	return g
}

// lay makes a file of some kind, or none.
func (g *game) lay(path string) {
	var lines []string
	for i := range g.IntN(6) {
		kinds := []string{"server a%d", "old %d", "plain %d", "}", "", "tail%d \r"}
		l := kinds[g.IntN(len(kinds))]
		if strings.Contains(l, "%d") {
			l = fmt.Sprintf(l, i)
		}
		lines = append(lines, l)
	}
	text := strings.Join(lines, "\n")
	if g.IntN(3) > 0 && text != "" {
		text += "\n"
	}
	switch g.IntN(6) {
	case 0:
	case 1:
		target := fmt.Sprintf("/usr/lib/target%d", g.Int())
		g.Write(target, text)
		g.Write(path, "-> "+target)
	case 2:
		g.Write(path, text)
		stage.Check(g.t, os.Link(g.Path(path), g.Path(path)+".name"))
	default:
		g.Write(path, text)
		stage.Check(g.t, os.Chmod(g.Path(path), 0o600|os.FileMode(g.IntN(64))))
	}
}

func (g *game) move(kind int, others bool) {
	i := g.IntN(len(g.steps))
	step := g.steps[i]
	at := g.IntN(30)
	if kind%2 == 0 || kind > 5 {
		at = 1 << 30
	}
	g.moves = append(g.moves, fmt.Sprintf("%d:%s@%d", kind, step, at))
	ctx := g.t.(*testing.T).Context()
	var err error
	switch {
	case kind <= 1:
		_, err = stage.CrashAt(&g.Fault, at, func() error { return step.Do(ctx) })
	case kind <= 3:
		_, err = stage.CrashAt(&g.Fault, at, func() error { return step.Undo(ctx) })
	case kind <= 5:
		_, err = stage.CrashAt(&g.Fault, at, func() error { _, err := Restore(ctx, g.Machine, Volatile); return err })
	case others:
		g.interfere(step.Path)
	}
	if err != nil {
		g.t.Fatalf("moves %v: %v", g.moves, err)
	}
}

// interfere writes a line of somebody else somewhere into a file.
func (g *game) interfere(path string) {
	text, err := g.Read(path)
	if err != nil || g.torn() {
		return
	}
	lines := strings.SplitAfter(string(text), "\n")
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	} else {
		lines[last] += "\n"
	}
	l := fmt.Sprintf("foreign-%d-", len(g.foreign))
	g.foreign = append(g.foreign, l)
	at := g.IntN(len(lines) + 1)
	out := strings.Join(lines[:at], "") + l + "\n" + strings.Join(lines[at:], "")
	real, err := g.Resolve(g.Path(path))
	stage.Check(g.t, err)
	stage.Check(g.t, os.WriteFile(real, []byte(out), 0o644))
}

// torn says that a crash has cut off a writing in place, which no other program does better.
func (g *game) torn() bool {
	records, err := g.Journal.Records()
	stage.Check(g.t, err)
	return slices.ContainsFunc(records, func(r Record) bool { return r.File.Writing != nil })
}

func (g *game) restoreAll() {
	g.t.Helper()
	if _, err := Restore(g.t.(*testing.T).Context(), g.Machine, nil); err != nil {
		g.t.Fatalf("moves %v: %v", g.moves, err)
	}
	if _, err := os.Stat(g.Journal.Path()); err == nil {
		g.t.Fatalf("moves %v: the journal is still there", g.moves)
	}
}
