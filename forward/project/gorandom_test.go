package project

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestGeneratedProjectsAreReadAsGoDoes compares with the go command over projects of one module and of several, which replace and
// exclude each other and what is published. HITHER_GRAPHS=1000 does so a thousand times.
func TestGeneratedProjectsAreReadAsGoDoes(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("HITHER_GRAPHS"))
	for seed := range uint64(max(n, 12)) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			g := generator{rand.New(rand.NewPCG(seed, 3))}
			all := g.publish()
			root := files(t, g.project())
			at := filepath.Join(root, "m0")
			if exists(root, "go.work") && g.IntN(3) == 0 {
				at = root
			}
			askedByGo(t, all, at, "list", "-m", "all") // from now on no go.mod requires less than its graph
			asGoDoes(t, all, at, "list", "-m", "all")
		})
	}
}

type generator struct{ *rand.Rand }

const generated = 9 // modules, of three versions

func (g generator) module() string  { return fmt.Sprintf("example.com/p%d", g.IntN(generated)) }
func (g generator) version() string { return fmt.Sprintf("v1.%d.0", g.IntN(3)) }
func (g generator) goLine(last int) string {
	return [...]string{"", "go 1.16\n", "go 1.17\n", "go 1.21\n", "go 1.21\n", "go 1.21\n"}[last+g.IntN(6-last)]
}

// publish makes modules that require each other, and older versions of those that are worked on.
func (g generator) publish() publishing {
	all := publishing{}
	for m := range generated {
		for v := range 3 {
			text := g.goLine(0)
			for range g.IntN(4) {
				text += "require " + g.module() + " " + g.version() + "\n"
			}
			if g.IntN(6) == 0 {
				text += fmt.Sprintf("require example.com/m%d v1.0.0\n", g.IntN(4))
			}
			all[fmt.Sprintf("example.com/p%d@v1.%d.0", m, v)] = text
		}
	}
	for m := range 4 {
		all[fmt.Sprintf("example.com/m%d@v1.0.0", m)] = g.goLine(0) + "require " + g.module() + " " + g.version() + "\n"
	}
	return all
}

// project makes up to four modules m0 to m3 beside each other, and perhaps a workspace above them.
func (g generator) project() map[string]string {
	out := map[string]string{}
	work := "go 1.21\n"
	taken := map[string]bool{}
	var used []int
	for m := range 4 {
		if m == 0 || g.IntN(3) > 0 {
			used = append(used, m)
			work += fmt.Sprintf("use ./m%d\n", m)
		}
	}
	inWork := g.IntN(2) == 0
	for m := range 4 {
		text := fmt.Sprintf("module example.com/m%d\n", m) + g.goLine(1)
		required := map[string]string{}
		for range g.IntN(5) {
			required[g.module()] = g.version()
		}
		if g.IntN(3) == 0 {
			required[fmt.Sprintf("example.com/m%d", (m+1+g.IntN(3))%4)] = "v1.0.0"
		}
		for path, version := range required {
			text += "require " + path + " " + version + "\n"
		}
		if g.IntN(4) == 0 {
			text += "exclude " + g.module() + " " + g.version() + "\n"
		}
		for range g.IntN(3) {
			if line, of := g.replace(); !taken[of] && (m == 0 || inWork && slices.Contains(used, m)) {
				taken[of] = true // two modules of a workspace must agree
				text += strings.ReplaceAll(line, "DIR", "..")
			}
		}
		out[fmt.Sprintf("m%d/go.mod", m)] = text
	}
	if inWork {
		if line, of := g.replace(); g.IntN(2) == 0 && !strings.HasPrefix(of, "example.com/m") {
			work += strings.ReplaceAll(line, "DIR", ".")
		}
		out["go.work"] = work
	}
	return out
}

// replace makes a line, in which DIR stands for where the modules are.
func (g generator) replace() (line, of string) {
	of = g.module()
	if g.IntN(4) == 0 {
		of = fmt.Sprintf("example.com/m%d", g.IntN(4))
	}
	by := "example.com/p" + strconv.Itoa(g.IntN(generated)) + " " + g.version()
	if g.IntN(2) == 0 {
		by = fmt.Sprintf("DIR/m%d", 1+g.IntN(3))
	}
	if g.IntN(2) == 0 && strings.HasPrefix(of, "example.com/p") {
		return "replace " + of + " " + g.version() + " => " + by + "\n", of
	}
	return "replace " + of + " => " + by + "\n", of
}
