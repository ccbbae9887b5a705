package measure

import "time"

// Place is one upstream in the order for an object, with what put it there.
type Place struct {
	Base      string        `json:"base"`
	State     State         `json:"state"`
	Class     Class         `json:"class"`          // of the object
	Need      time.Duration `json:"need,omitempty"` // predicted from the request to the last byte; 0: not known
	P50       time.Duration `json:"p50,omitempty"`  // of the waits for a first byte in the last day; 0: none was measured
	P90       time.Duration `json:"p90,omitempty"`
	Requests  int           `json:"requests"`            // how many waits that are
	Rate      float64       `json:"rate,omitempty"`      // bytes a second behind the first byte; 0: not measured
	Hole      bool          `json:"hole,omitempty"`      // it lacks this object
	Behind    bool          `json:"behind,omitempty"`    // it lacks the origin's newest entry
	Incumbent bool          `json:"incumbent,omitempty"` // it stays first until it is clearly beaten
	Reason    string        `json:"reason"`              // all that in words
}

// Rank tells the order that Order would give, without a turn for the others, and the figures behind it. It changes nothing.
func (b *Board) Rank(bases []string, o Object) []Place {
	if len(bases) == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	spots := b.spotsLocked(bases, o, now)
	var g group
	if known := b.groups[groupKey(bases, o)]; known != nil {
		g = *known
	}
	g.elect(spots, o.class(), now)
	places := make([]Place, len(spots))
	for i, s := range spots {
		places[i] = s.place(o, now)
		places[i].Incumbent = s.base == g.incumbent
	}
	return places
}

func (s *spot) place(o Object, now time.Time) Place {
	p := Place{Base: s.base, State: s.s, Class: o.class(), Need: s.need, Hole: !s.hole.IsZero(), Behind: s.r.behind(now)}
	if s.r == nil {
		p.Reason = p.reason(s, spread{}, now)
		return p
	}
	w := s.r.spread(p.Class, now)
	p.P50, p.P90, p.Requests, p.Rate = w.P50, w.P90, w.Count, s.r.rate(p.Class)
	p.Reason = p.reason(s, w, now)
	return p
}

// neighbours are the classes whose figures stand in for those of another, itself first. Small objects say more about the
// wait for medium ones than large ones do, which often come from a store of their own.
func (c Class) neighbours() [classes]Class {
	switch c {
	case Medium:
		return [...]Class{Medium, Small, Large}
	case Large:
		return [...]Class{Large, Medium, Small}
	}
	return [...]Class{Small, Medium, Large}
}

// wait is the predicted wait for a first byte in a class; 0: not measured in any.
func (r *record) wait(c Class, now time.Time) time.Duration {
	for _, c := range c.neighbours() {
		if wait := r.Classes[c].wait(r.Doubt, now); wait > 0 {
			return wait
		}
	}
	return 0
}

// rate is the predicted rate in a class, in bytes a second; 0: not measured in any.
func (r *record) rate(c Class) float64 {
	for _, c := range c.neighbours() {
		if rate := r.Classes[c].Rate; rate > 0 {
			return rate
		}
	}
	return 0
}

// spread are the percentiles of a class, or of the nearest one that has any.
func (r *record) spread(c Class, now time.Time) (s spread) {
	for _, c := range c.neighbours() {
		if s = r.Classes[c].Window.spread(now); s.Count > 0 {
			break
		}
	}
	return s
}

// predict tells each spot how long it would need for the object. One whose rate is not known is taken to be as fast as the
// others are on average: what is unknown should neither help nor hurt.
func predict(spots []spot, o Object, now time.Time) {
	c, size := o.class(), float64(o.size())
	rates := make([]float64, len(spots))
	sum, n := 0.0, 0
	for i, s := range spots {
		if s.r == nil {
			continue
		}
		if rates[i] = s.r.rate(c); rates[i] > 0 {
			sum, n = sum+rates[i], n+1
		}
	}
	for i := range spots {
		s := &spots[i]
		if s.r == nil {
			continue
		}
		if s.need = s.r.wait(c, now); s.need == 0 {
			continue
		}
		if rates[i] == 0 && n > 0 {
			rates[i] = sum / float64(n)
		}
		if rates[i] > 0 {
			s.need += time.Duration(min(size/rates[i], longest.Seconds()) * float64(time.Second))
		}
		s.need += s.r.Classes[c].vain(now)
	}
}
