package fetch

import (
	"math"
	"strconv"
	"time"

	"hither/forward/split"
)

// sizes is what a kind of thing usually has, in bytes.
type sizes struct {
	usual float64 // the geometric mean, since sizes differ by powers of ten; mostly of the last few
	mean  float64 // the arithmetic one, in which few large ones count: most time goes into them
}

// expected is how large the thing will be, in bytes, as far as anybody can know before it comes: the one that was kept,
// the authority's word, or what came by the same path of the rule; 0: nobody knows.
func (w *fill) expected() int64 {
	if known := w.foretold(); known > 0 {
		return known
	}
	s, _ := w.f.sizes.get(w.kind(), w.f.now())
	return int64(s.usual)
}

// foretold is the size of the one that was kept, or what the authority says; 0: neither is known.
func (w *fill) foretold() int64 {
	if w.kept.Size > 0 || w.word.pending() {
		return w.kept.Size
	}
	n, _ := strconv.ParseInt(w.word.header["Content-Length"], 10, 64) // what is no number tells nothing
	return max(n, 0)
}

// isLikelyLarge says that it pays to be prepared for a large one.
func (w *fill) isLikelyLarge() bool {
	if known := w.foretold(); known > 0 {
		return known >= splitFrom
	}
	s, known := w.f.sizes.get(w.kind(), w.f.now())
	return s.mean >= likelyFrom || !known && w.req.Path.Bulk
}

// kind is what has a usual size: module zips, or the layers of images.
func (w *fill) kind() string { return w.req.Rule.Name + " " + w.req.Path.Pattern }

// sizesLife is for how long a usual size is remembered.
const sizesLife = 30 * 24 * time.Hour

// learn takes a size into the usual ones.
func (w *fill) learn(size int64) {
	if size <= 0 {
		return
	}
	n := float64(size)
	s, ok := w.f.sizes.get(w.kind(), w.f.now())
	if !ok {
		s = sizes{n, n}
	}
	s.usual, s.mean = math.Sqrt(s.usual*n), s.mean+(n-s.mean)/4
	w.f.sizes.put(w.kind(), s, w.f.now(), sizesLife, maxFacts)
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
