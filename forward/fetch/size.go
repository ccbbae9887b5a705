package fetch

import (
	"math"
	"strconv"
	"time"

	"hither/forward/split"
)

// expected is how large the thing will be, in bytes, as far as anybody can know before it comes: the one that was kept,
// the authority's word, or what came by the same path of the rule; 0: nobody knows.
func (w *fill) expected() int64 {
	if w.kept.Size > 0 {
		return w.kept.Size
	}
	if !w.word.pending() {
		if n, err := strconv.ParseInt(w.word.header["Content-Length"], 10, 64); err == nil && n > 0 {
			return n
		}
	}
	size, _ := w.f.sizes.get(w.kind(), w.f.now())
	return size
}

// kind is what has a usual size: module zips, or the layers of one image.
func (w *fill) kind() string { return w.req.Rule.Name + " " + w.req.Path.Pattern }

// sizesLife is for how long a usual size is remembered.
const sizesLife = 30 * 24 * time.Hour

// learn takes a size into the usual one: a geometric mean, since sizes differ by powers of ten, and mostly of the last few.
func (w *fill) learn(size int64) {
	if size <= 0 {
		return
	}
	if old, ok := w.f.sizes.get(w.kind(), w.f.now()); ok {
		size = int64(math.Round(math.Sqrt(float64(old) * float64(size))))
	}
	w.f.sizes.put(w.kind(), size, w.f.now(), sizesLife, maxFacts)
}

// mostly is who sent the largest share of the bytes; empty: nobody sent any.
func (w *fill) mostly() (base string) {
	share := make(map[string]int64)
	for _, p := range w.sent {
		if share[p.Base] += p.To - p.From; share[p.Base] > share[base] || base == "" {
			base = p.Base
		}
	}
	return base
}

// join appends a part, which is one with the last if both have one sender.
func join(parts []split.Part, p split.Part) []split.Part {
	if n := len(parts); n > 0 && parts[n-1].Base == p.Base && parts[n-1].To == p.From {
		parts[n-1].To = p.To
		return parts
	}
	return append(parts, p)
}
