package prefetch

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// tidied is a project as go mod tidy leaves it: the version of each requirement is the highest that any of them names, and some
// that they name are of tests only, and no requirement. One in ten is of a go before 1.17.
func tidied(r *rand.Rand, n int) (roots []string, all map[string]mod) {
	all = make(map[string]mod)
	version, needs := make([]int, n), make([][]string, n)
	for i := range n {
		for range 5 {
			if j, v := r.IntN(n), r.IntN(4); r.IntN(5) < 2 {
				needs[i] = append(needs[i], fmt.Sprintf("example.com/m%03dt@v1.%d.0", j, v))
			} else if j != i {
				needs[i], version[j] = append(needs[i], fmt.Sprintf("example.com/m%03d@v1.%d.0", j, v)), max(version[j], v)
			}
		}
	}
	for i := range n {
		for v := range 4 {
			all[fmt.Sprintf("example.com/m%03dt@v1.%d.0", i, v)] = mod{}
			all[fmt.Sprintf("example.com/m%03d@v1.%d.0", i, v)] = mod{old: i%10 == 7, requires: needs[i]}
		}
		roots = append(roots, fmt.Sprintf("example.com/m%03d@v1.%d.0", i, version[i]))
	}
	return roots, all
}

// TestGuessesAtRequirementsAreRight has clients of tidy projects, who read the graph without a word on where they work. It is
// about what one go.mod after another names, by which the next requirements are guessed at.
func TestGuessesAtRequirementsAreRight(t *testing.T) {
	var ahead, used, direct, rounds int
	for seed := range uint64(8) {
		roots, all := tidied(rand.New(rand.NewPCG(seed, 1)), 120)
		for _, setup := range []func(*world){plain, nil} {
			inWorld(t, setup, func(w *world) {
				w.publish(1000, all)
				took := int(took(func() { w.client(1).graph(4, roots) }))
				if setup != nil {
					direct += took
					return
				}
				rounds += took
				for _, l := range w.Report() {
					if strings.Contains(l.Why, "since go 1.17") {
						ahead, used = ahead+l.Ahead, used+l.Used
					}
				}
			})
		}
	}
	if ahead == 0 {
		t.Error("nothing was guessed")
	}
	t.Logf("%d guesses, %d right; %d rounds of %d", ahead, used, rounds, direct)
	atMost(t, "in vain", ahead-used, 38) // 28; 46 with the lowest version that is named, 50 with all that is named at once
	atMost(t, "rounds", rounds, direct*19/100)
}
