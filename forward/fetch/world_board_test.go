package fetch_test

import (
	"slices"
	"strings"
	"sync"
	"time"

	"hither/forward/measure"
)

// board asks in the order it is told, and remembers what it heard.
type board struct {
	mu      sync.Mutex
	first   []string
	resting []string
	late    map[string]time.Duration // p90 of the waits; absent: not known
	rate    map[string]float64       // bytes a second; absent: not known
	heard   []measure.Sample
}

func (b *board) Add(s measure.Sample) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = append(b.heard, s)
}

func (b *board) Order(bases []string, _ measure.Object) []string {
	out := slices.Clone(bases)
	slices.SortStableFunc(out, func(x, y string) int { return b.rank(x) - b.rank(y) })
	return out
}

func (b *board) Resting(base string) bool {
	return slices.Contains(b.resting, strings.TrimPrefix(base, "https://"))
}

func (b *board) Late(base string, _ measure.Class) time.Duration {
	return b.late[strings.TrimPrefix(base, "https://")]
}

func (b *board) Rate(base string) float64 { return b.rate[strings.TrimPrefix(base, "https://")] }

func (b *board) rank(base string) int {
	if i := slices.Index(b.first, strings.TrimPrefix(base, "https://")); i >= 0 {
		return i
	}
	return len(b.first)
}

func (b *board) outcomes(base string) (out []measure.Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.heard {
		if s.Base == "https://"+base {
			out = append(out, s.Outcome)
		}
	}
	return out
}
