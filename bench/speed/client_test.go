//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hither/bench/lab"
)

// nowhere is a world in which clients run on the machine itself, without any link.
func nowhere(t *testing.T) *world {
	t.Helper()
	return &world{site: &site{memory: t.TempDir()}, World: &lab.World{Emulator: new(lab.Emulator)}}
}

// script is a client that takes no time.
func script(text string) client {
	return client{name: "sh", argv: []string{"sh", "-ec", text}, prepare: func(dir string) error {
		return put(dir, map[string][]byte{"project": []byte("as it was")})
	}}
}

// TestWhoDoesOtherWorkIsNotFaster: a client that was lied to may be done at once, and its exit status is 0.
func TestWhoDoesOtherWorkIsNotFaster(t *testing.T) {
	speaks := func(c client) client { c.speaks = true; return c }
	for _, c := range []struct {
		name       string
		one, other client
		held       bool
	}{
		{"the same files", script("echo a > lock"), script("sleep 0.01; echo a > lock; echo done in 2 s"), true},
		{"another lock file", script("echo a > lock"), script("echo b > lock"), false},
		{"a file less", script("echo a > lock"), script("true"), false},
		{"the project changed", script("true"), script("echo b > project"), false},
		{"the same answer", speaks(script("echo v1.2.3")), speaks(script("echo v1.2.3; echo found it >&2")), true},
		{"another answer", speaks(script("echo v1.2.3")), speaks(script("echo v1.2.2")), false},
	} {
		w, r := nowhere(t), &report{text: io.Discard}
		runs := map[way][]outcome{}
		for how, client := range map[way]client{direct: c.one, level1: c.other} {
			o, err := w.do(t.Context(), client, real, nil)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			runs[how] = []outcome{o}
		}
		for most, what := range map[float64]string{1000: c.name, 0: c.name + ", and nothing is promised"} {
			r.Lines = nil
			r.compared(cell{bounds: []bound{{level1, most}}}, runs)
			same(t, what, r.Held(), c.held)
		}
	}
}

// TestGoCountsNothing: in a new home each go else starts another process, to send what it has counted.
func TestGoCountsNothing(t *testing.T) {
	c := script(`[ "$(go env GOTELEMETRY)" = off ]`)
	c.env = goEnv()
	if _, err := nowhere(t).do(t.Context(), c, real, nil); err != nil {
		t.Error(err)
	}
}

// TestOfABlobTheBytesCount: curl is content with any.
func TestOfABlobTheBytesCount(t *testing.T) {
	one, other := t.TempDir(), t.TempDir()
	for dir, text := range map[string]string{one: "right", other: "x"} {
		if err := put(dir, map[string][]byte{"blob": []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	c := blob("b", "library/b", "sha256:1")
	a, err := c.leaves(one, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.leaves(other, nil)
	if err != nil || a == b {
		t.Errorf("two blobs\ngot  %s and %s, %v\nwant two digests", a, b, err)
	}
	for _, argv := range [][]string{c.argv, c.direct, nearest(c.argv)} {
		if strings.Contains(strings.Join(argv, " "), "-o "+os.DevNull) {
			t.Errorf("%v\ngot  a blob that nobody sees\nwant it in the project", argv)
		}
	}
}

// TestAClientThatIsBrokenOffEndsWithItsChildren: hither run has one, and who is killed leaves it behind, with the pipe that is
// waited for.
func TestAClientThatIsBrokenOffEndsWithItsChildren(t *testing.T) {
	over := errors.New("it took too long")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, over)
	defer cancel()
	child := filepath.Join(t.TempDir(), "child")
	began := time.Now()
	_, err := nowhere(t).do(ctx, script("sleep 20 & echo $! > "+child+"; wait"), real, nil)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the end took\ngot  %s\nwant no time", took)
	}
	if !errors.Is(err, over) {
		t.Errorf("error\ngot  %v\nwant %v", err, over)
	}
	text, err := os.ReadFile(child)
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(string(text))
	for range 100 {
		state, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		if err := lab.Pause(t.Context(), 20*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("the child\ngot  %s alive\nwant it gone", pid)
}
