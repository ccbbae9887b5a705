package project

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// What somebody else wrote must not keep a processor busy. Each of these takes some milliseconds, and took minutes once (the
// first one, which is bounded otherwise too, a quarter of one).
func TestFilesThatWereMadeToHurtAreReadQuickly(t *testing.T) {
	for _, row := range []struct {
		says string
		read func() error
	}{
		{"a Dockerfile of many images", func() error {
			var b strings.Builder
			for n := range 110_000 {
				fmt.Fprintf(&b, "COPY --from=i%d a b\n", n)
			}
			_, _, err := Images(strings.NewReader(b.String()), BuildPlatform)
			return err
		}},
		{"an instruction that begins here-documents without end", func() error {
			_, _, err := Images(strings.NewReader(strings.Repeat("RUN "+strings.Repeat("<<;", 300_000)+"\n", 30)), BuildPlatform)
			return err
		}},
		{"a long key of YAML with many fields below", func() error {
			_, err := parsePNPMLock([]byte("packages:\n a@1:\n  " + strings.Repeat("k", 4<<20) + ":\n" + strings.Repeat("   x: 1\n", 200_000)))
			return err
		}},
		{"a workspace of many patterns", func() error {
			content := map[string]string{"package.json": `{"workspaces": [` + strings.Repeat(`"a*/b*/**",`, 200_000) + `"x"]}`}
			for n := range 100 {
				content[fmt.Sprintf("a%d/b/c", n)] = ""
			}
			_, err := ReadManifest(files(t, content))
			return err
		}},
	} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = row.read() // to refuse it is as good
		}()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatalf("%s was read for a minute", row.says)
		}
	}
}

func TestVariablesOfADockerfileDoNotGrowWithoutBound(t *testing.T) {
	var b strings.Builder
	b.WriteString("ARG A0=" + strings.Repeat("x", 900_000) + "\n")
	for n := range 30 {
		fmt.Fprintf(&b, "ARG A%d=%s${A%d}\n", n+1, strings.Repeat("x", 900_000), n)
	}
	f := &dockerReader{seen: map[Image]bool{}, escape: '\\', args: map[string]string{}, stages: map[string]bool{}}
	for line := range strings.Lines(b.String()) {
		f.read(strings.TrimSpace(line))
	}
	total := 0
	for _, value := range f.args {
		total += len(value)
	}
	if total > 1<<20 {
		t.Errorf("bytes of 31 arguments\n got %d\nwant no more than a MiB", total)
	}
}

// A repository of one large go.mod can name it thousands of times.
func TestAWorkspaceIsReadOnceAndWithinBounds(t *testing.T) {
	var work, mod strings.Builder
	work.WriteString("go 1.20\n")
	for n := range 100 {
		fmt.Fprintf(&work, "use ./a%s\n", strings.Repeat("/.", n))
	}
	mod.WriteString("module m\ngo 1.20\nrequire (\n")
	for n := range 5000 {
		fmt.Fprintf(&mod, "\texample.com/m%d v1.0.0\n", n)
	}
	mod.WriteString(")\n")
	dir := files(t, map[string]string{"go.work": work.String(), "a/go.mod": mod.String()})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	g := must[*Go](t)(ReadGo(filepath.Join(dir, "a")))
	runtime.ReadMemStats(&after)
	if len(g.requires) != 5000 {
		t.Errorf("requirements\n got %d\nwant 5000", len(g.requires))
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("memory used for one go.mod of %d bytes, named 100 times\n got %d bytes\nwant no more than for one", mod.Len(), used)
	}
}

// Of package.json files, what is kept takes many times their bytes: each may have its due, and all together have theirs.
func TestManifestsAreBounded(t *testing.T) {
	var before, after runtime.MemStats
	used := func(read func()) uint64 {
		runtime.ReadMemStats(&before)
		read()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	large := files(t, map[string]string{"package.json": `{"workspaces":[` + strings.Repeat(`"",`, 12<<20/3) + `"x"],"dependencies":{"a":"1"}}`})
	if got := used(func() {
		if _, err := ReadManifest(large); err == nil {
			t.Error("a package.json of 12 MB was read")
		}
	}); got > 32<<20 {
		t.Errorf("memory used for a package.json of 12 MB\n got %d bytes\nwant some MB", got)
	}
	content := map[string]string{"package.json": `{"workspaces":["*"]}`}
	for n := range 20 {
		content[fmt.Sprintf("a%02d/package.json", n)] = `{"name":"a","dependencies":{"x":"1"},"description":"` + strings.Repeat("x", maxManifest-1000) + `"}`
	}
	m := must[*Manifest](t)(ReadManifest(files(t, content)))
	if len(m.Workspaces) != maxManifests/maxManifest {
		t.Errorf("packages of a workspace of 20 MB\n got %d\nwant %d", len(m.Workspaces), maxManifests/maxManifest)
	}
}
