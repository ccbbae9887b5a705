package measure

import "sync"

const (
	// hedgeShare is how many of the requests may be asked twice. More would cost more bytes than the 5 % that we allow
	// ourselves.
	hedgeShare = 0.05
	// hedgeBurst is how many hedges can be saved up. One sick mirror makes a handful of requests late together.
	hedgeBurst = 8
	// oneHedge is what a hedge costs. Whole numbers are counted, so that twenty times 0.05 are one.
	oneHedge = 1_000_000
)

// Hedger caps how many requests are asked of a second source because the first is late: each request earns a share of a
// hedge. It begins with one, so that a first request need not wait for a dead mirror. The zero value works; fields are set
// before first use. Its methods may be called from many goroutines.
type Hedger struct {
	Share float64 // of requests; 0: 0.05; below 0: no hedges at all

	mu    sync.Mutex
	begun bool
	saved int64 // in parts of oneHedge
	seen  Hedges
}

// Hedges is what hedging did until now. Its JSON keys are stable.
type Hedges struct {
	Requests int64 `json:"requests"` // that could have been hedged
	Hedges   int64 `json:"hedges"`   // second sources asked
	Won      int64 `json:"won"`      // of those, the ones that were faster
	Bytes    int64 `json:"bytes"`    // of bodies that came and were thrown away
}

// Earn counts a request. It is called once for each, whether it will be late or not.
func (h *Hedger) Earn() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beginLocked()
	h.seen.Requests++
	h.saved = min(h.saved+int64(h.share()*oneHedge), hedgeBurst*oneHedge)
}

// Take says whether a second source may be asked now, and counts it if so.
func (h *Hedger) Take() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beginLocked()
	if h.share() == 0 || h.saved < oneHedge {
		return false
	}
	h.saved -= oneHedge
	h.seen.Hedges++
	return true
}

// Won counts a hedge that was faster than what it was to replace.
func (h *Hedger) Won() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen.Won++
}

// Extra counts n bytes of body that came for nothing: those of the loser. Below 1 nothing is counted.
func (h *Hedger) Extra(n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen.Bytes += max(n, 0)
}

// Report tells what was counted until now.
func (h *Hedger) Report() Hedges {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen
}

func (h *Hedger) beginLocked() {
	if !h.begun {
		h.begun, h.saved = true, oneHedge
	}
}

func (h *Hedger) share() float64 {
	if h.Share == 0 {
		return hedgeShare
	}
	return min(max(h.Share, 0), 1)
}
