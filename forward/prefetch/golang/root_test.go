package golang

import (
	"fmt"
	"strings"
	"testing"
)

// rooted is a walk of a client that asked for some requirements of its project, named by letter m and a number.
func rooted(t *testing.T, n int) *Walk {
	walk := New(host)
	for _, p := range paths("m", n, ".mod") {
		walk.Asked(match(t, p))
	}
	return walk
}

// came tells a walk of a go.mod, and returns which go.mod files it wants because of that.
func came(t *testing.T, w *Walk, path, lines string, depth int) string {
	var out []string
	for u := range strings.FieldsSeq(urls(w.Answered(match(t, path), []byte("module x\n"+lines), depth))) {
		if strings.HasSuffix(u, ".mod") {
			out = append(out, u)
		}
	}
	return strings.Join(out, " ")
}

// TestRootsComeInOrder guesses no requirement of the project that the client has passed by, or has in another version.
func TestRootsComeInOrder(t *testing.T) {
	walk := rooted(t, 30)
	got := came(t, walk, "/example.com/m029/@v/v1.0.0.mod", `go 1.21
require example.com/a v1.0.0
require example.com/m028 v0.9.0
require example.com/m028x v1.0.0
require example.com/z v1.0.0
`, 0)
	same(t, "guessed", got, "/example.com/m028x/@v/v1.0.0.mod /example.com/z/@v/v1.0.0.mod")
	got = came(t, walk, "/example.com/m028/@v/v1.0.0.mod", "go 1.21\nrequire example.com/z v0.9.0\n", 0)
	same(t, "guessed below what another requires", got, "")
}

// TestAGuessIsHardlyFollowed guesses on behind a guess only what may come next, so that one wrong guess does not lead to a
// hundred, nor to modules in the list that nobody has.
func TestAGuessIsHardlyFollowed(t *testing.T) {
	walk := rooted(t, 1)
	came(t, walk, "/example.com/m000/@v/v1.0.0.mod", "go 1.21\nrequire example.com/p v1.0.0\nrequire example.com/q v1.0.0\n", 0)
	many := ""
	for i := range 2 * aheadOnce {
		many += fmt.Sprintf("require example.com/r%02d v1.0.0\n", i)
	}
	got := came(t, walk, "/example.com/p/@v/v1.0.0.mod", "go 1.21\n"+many, 1)
	same(t, "modules behind a guess that one names", len(strings.Fields(got)), aheadOnce-2)
	same(t, "its requirement is in the graph", walk.highest["example.com/r00"], "")
	walk.Asked(match(t, "/example.com/q/@v/v1.1.0.mod"))
	same(t, "behind an old one that was wrong", came(t, walk, "/example.com/q/@v/v1.0.0.mod", "require example.com/s v1.0.0\n", 1), "")
	same(t, "when it is asked for after all", urls(walk.Asked(match(t, "/example.com/q/@v/v1.0.0.mod"))), "/example.com/s/@v/v1.0.0.mod")
}

// TestGuessesComeJustInTime guesses no sooner than needed, when more may have been heard of the version.
func TestGuessesComeJustInTime(t *testing.T) {
	walk := rooted(t, 1)
	lines := "go 1.21\n"
	for i := range 2 * aheadOften {
		lines += fmt.Sprintf("require example.com/p%02d v1.0.0\n", i)
	}
	got := came(t, walk, "/example.com/m000/@v/v1.0.0.mod", lines, 0)
	same(t, "guessed of what one names", len(strings.Fields(got)), aheadOnce)
	got = came(t, walk, "/example.com/p00/@v/v1.0.0.mod", strings.ReplaceAll(lines, "v1.0.0", "v1.1.0"), 1)
	same(t, "of what two name", len(strings.Fields(got)), aheadOften)
	same(t, "the first", strings.Fields(got)[0], "/example.com/p00/@v/v1.1.0.mod")
	walk.Asked(match(t, "/example.com/p40/@v/v1.1.0.mod"))
	got = urls(walk.Asked(match(t, "/example.com/p41/@v/v1.1.0.mod")))
	same(t, "a module that was passed by", strings.Contains(got, "/p31/"), false)
}

// TestAnOldProjectIsReadToItsEnd follows a client whose own go.mod is of a go before 1.17: it reads whatever is required.
func TestAnOldProjectIsReadToItsEnd(t *testing.T) {
	walk := rooted(t, 1)
	walk.Asked(match(t, "/example.com/m000/@v/v0.9.0.mod")) // a second version: roots have come to an end
	var got string
	for _, p := range paths("s", fewStrays, ".mod") {
		walk.Asked(match(t, p))
		got = came(t, walk, p, "go 1.21\nrequire example.com/b v1.0.0\n", 0)
	}
	same(t, "after a few that no old module leads to", got, "/example.com/b/@v/v1.0.0.mod")
}
