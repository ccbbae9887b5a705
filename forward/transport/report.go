package transport

import (
	"slices"
	"strings"
	"time"

	"hither/forward/field"
)

// Standing is what a Pool knows of HTTP/3 at one origin, against HTTP/2 and HTTP/1.1 there.
type Standing struct {
	Origin    string        // HOST:PORT
	Public    bool          // reached by strangers' words only
	Offered   string        // who says so: "Alt-Svc", "DNS" or "rule"; empty: nobody any more
	Port      uint16        // where; 0: nowhere
	Used      bool          // HTTP/3 is chosen for whole objects
	UsedParts bool          // and for ranges
	Requests  int           // answered over HTTP/3 since the start
	Connected int           // HTTP/3 connections now
	WaitTCP   time.Duration // usual time to the first byte; 0: not known
	WaitHTTP3 time.Duration
	RateTCP   float64 // usual bytes a second of large bodies; 0: not known
	RateHTTP3 float64
	Failures  int       // of UDP in a row
	Retry     time.Time // not tried before; zero: may be tried now
}

// Report tells of all origins that offer HTTP/3, or did, sorted by name.
func (p *Pool) Report() []Standing {
	var all []Standing
	for _, c := range p.quic {
		all = append(all, c.report(time.Now())...)
	}
	slices.SortFunc(all, func(a, b Standing) int { return strings.Compare(a.Origin, b.Origin) })
	return all
}

func (c *contest) report(now time.Time) (all []Standing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	connected := map[string]int{}
	for key, l := range c.lines {
		if l.ready {
			connected[key.origin]++
		}
	}
	for name, o := range c.origins {
		port, by := o.offered(now)
		if by == "" && o.requests == 0 && o.failures == 0 {
			continue
		}
		s := Standing{
			Origin: name, Public: c.public, Offered: by, Port: port, Used: o.chosen[whole], UsedParts: o.chosen[parts],
			Requests: o.requests, Connected: connected[name], Failures: o.failures,
			WaitTCP: o.tcp.wait, WaitHTTP3: o.h3.wait, RateTCP: o.tcp.rate, RateHTTP3: o.h3.rate,
		}
		if now.Before(o.retry) {
			s.Retry = o.retry
		}
		all = append(all, s)
	}
	return all
}

// keptOffers are what Alt-Svc said and still holds.
func (c *contest) keptOffers() (kept []keptOffer) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, o := range c.origins {
		if now.Before(o.answers.until) {
			kept = append(kept, keptOffer{name, c.public, o.answers.port, o.answers.until.UTC(), o.answers.persist, o.verdict()})
		}
	}
	return kept
}

// recall takes an offer from the file, as if it was just said, and its verdict for when it is needed.
func (c *contest) recall(k keptOffer, now time.Time) {
	host, _, ok := splitOrigin(k.Origin)
	left := k.Until.Sub(now)
	if !ok || len(k.Origin) > maxKeptName || host != strings.ToLower(host) || k.Port == 0 || left <= 0 || left > field.MaxAge {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.addLocked(k.Origin, now)
	o.listen([]field.Alternative{{Proto: "h3", Port: k.Port, Age: left, Persist: k.Persist}}, false, now)
	if k.Verdict != nil && k.Verdict.sound() && k.Verdict.To.Port() == o.answers.port {
		o.kept = k.Verdict
	}
}
