package measure

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// FuzzBoard throws random histories at a board, over a clock that jumps. Whatever happened, what it says is plausible.
func FuzzBoard(f *testing.F) {
	f.Add(uint64(1), int64(time.Second), int64(1<<20), int64(0))
	f.Add(uint64(2), int64(-1), int64(-1), int64(-time.Hour))
	f.Add(uint64(3), int64(1<<63-1), int64(1<<63-1), int64(48*time.Hour))
	f.Add(uint64(4), int64(-1<<63), int64(0), int64(-48*time.Hour))
	f.Fuzz(func(t *testing.T, seed uint64, span, bytes, jump int64) {
		w := newWorld()
		random := rand.New(rand.NewPCG(seed, 0))
		list := []string{origin, near, far, odd, ""}
		for i := range 100 {
			s := Sample{
				Base:       list[random.IntN(len(list))],
				Name:       []string{"", "x", "y"}[random.IntN(3)],
				Size:       bytes / (1 + random.Int64N(7)),
				When:       w.now.Add(time.Duration(span / (1 + random.Int64N(4)))),
				Outcome:    Outcome(random.IntN(len(words)+2) - 1),
				Wait:       time.Duration(span / (1 + random.Int64N(9))),
				Took:       time.Duration(span / (1 + random.Int64N(3))),
				Bytes:      bytes / (1 + random.Int64N(5)),
				RetryAfter: time.Duration(span / (1 + random.Int64N(5))),
				Probe:      random.IntN(3) == 0,
			}
			if random.IntN(9) == 0 {
				s.When = time.Time{}
			}
			w.Add(s)
			w.after(time.Duration(random.IntN(40)) * time.Second)
			w.Order(list, Object{Name: "x", Size: s.Size})
			switch i % 25 {
			case 7:
				w.Behind(s.Base, i < 50)
			case 13:
				w.Resting(s.Base)
				w.Due(list)
			case 19:
				w.after(time.Duration(jump % int64(1000*time.Hour)))
			case 24:
				plausibly(t, w)
			case 12:
				if i > 80 {
					w.Doubt()
				}
			}
		}
	})
}

// BenchmarkOrderAndAdd is what each request pays.
func BenchmarkOrderAndAdd(b *testing.B) {
	for _, n := range []int{2, 8, 20} {
		b.Run(fmt.Sprintf("%d upstreams", n), func(b *testing.B) {
			w := newWorld()
			var list []string
			for i := range n {
				list = append(list, fmt.Sprintf("https://%d.example", i))
				w.saw(list[i], 300, OK, time.Duration(20+i)*ms)
			}
			b.ReportAllocs()
			for b.Loop() {
				w.saw(w.Order(list, Object{Name: "x"})[0], 1, OK, 20*ms)
			}
		})
	}
}

// BenchmarkLate is what a hedge pays in addition.
func BenchmarkLate(b *testing.B) {
	w := newWorld()
	for i := range 300 {
		w.saw(near, 1, OK, time.Duration(i*7919%300)*ms)
	}
	b.ReportAllocs()
	for b.Loop() {
		w.Late(near, Small)
	}
}
