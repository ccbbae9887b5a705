//go:build linux

package main

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// firmly is how many answers of one source in a row make a choice. Fewer are a hedge that won, or a trial of another.
const firmly = 3

// choiceAt is a source that was chosen, and the number of requests before.
type choiceAt struct {
	source string
	after  int
}

// choices reads who was chosen out of who answered each request. The first that answers is the first choice.
func choices(sources []string) (out []choiceAt) {
	for i, source := range sources {
		switch {
		case i == 0:
		case source == out[len(out)-1].source || !isFirm(sources[i:]):
			continue
		}
		out = append(out, choiceAt{source, i})
	}
	return out
}

func isFirm(sources []string) bool {
	if len(sources) < firmly {
		return false
	}
	return !slices.ContainsFunc(sources[:firmly], func(s string) bool { return s != sources[0] })
}

// settled is after how many requests one of the best was chosen for good; false: it never was.
func settled(sources []string, best map[string]bool) (int, bool) {
	all := choices(sources)
	if len(all) == 0 || !best[all[len(all)-1].source] {
		return 0, false
	}
	after := 0
	for _, c := range slices.Backward(all) {
		if !best[c.source] {
			break
		}
		after = c.after
	}
	return after, true
}

// strays counts answers of others after the last change: what hedges and trials did.
func strays(sources []string) (n int) {
	all := choices(sources)
	if len(all) == 0 {
		return 0
	}
	last := all[len(all)-1]
	for _, s := range sources[last.after:] {
		if s != last.source {
			n++
		}
	}
	return n
}

// sequence writes a series shortly: "origin mid×12 near mid×7".
func sequence(sources []string) string {
	var parts []string
	for i := 0; i < len(sources); {
		j := i
		for j < len(sources) && sources[j] == sources[i] {
			j++
		}
		parts = append(parts, times(sources[i], j-i))
		i = j
	}
	return strings.Join(parts, " ")
}

// asGood are the sources whose times are within a sixth of the best, or 5 ms: between them there is nothing to choose.
func asGood(took map[string]time.Duration) map[string]bool {
	least := time.Duration(0)
	for _, t := range took {
		if least == 0 || t < least {
			least = t
		}
	}
	good := map[string]bool{}
	for name, t := range took {
		good[name] = t <= least+max(least/6, 5*time.Millisecond)
	}
	return good
}

// median of an even number is the lower one of the two in the middle; of none it is zero.
func median[T ~int64 | ~float64](list []T) T {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[(len(sorted)-1)/2]
}

func times(name string, n int) string {
	if n == 1 {
		return name
	}
	return name + "×" + strconv.Itoa(n)
}
