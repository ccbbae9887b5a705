package transport

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"hither/forward/mark"
)

const (
	// smoothing is the weight of a new figure against all before.
	smoothing = 0.2
	// steadyWaits and steadyRates are how many figures a comparison needs; fewer are chance.
	steadyWaits, steadyRates = 5, 2
	// rateBytes is the shortest body whose rate says something.
	rateBytes = 256 << 10
	// outlier bounds what one figure can say, in multiples of the usual: one answer that is made slowly is no slow path.
	outlier = 4
	// margin is how much less time HTTP/3 must need to be taken. It is left again once it needs more than TCP.
	margin = 0.9
	// Until both are known, each eagerShare-th request goes by the protocol that is not the chosen one, but no more than
	// eagerTries; later each steadyShare-th: what was slower may be faster by now.
	eagerTries, eagerShare, steadyShare = 10, 3, 20
	// shortBody is what may go over HTTP/3 while nobody knows how fast that carries. A longer body goes there where the rates say that it
	// needs at most longTimes as long as over TCP: something may slow down UDP, or let so much of it through and no more.
	shortBody, longTimes = 1 << 20, 1.5
)

// pace is how fast one protocol was to one origin. The zero pace is not known.
type pace struct {
	waits, rates int
	wait         time.Duration // from the request to the first byte of the answer, smoothed
	rate         float64       // bytes a second of bodies from rateBytes on, smoothed
}

func (p *pace) sawWait(wait time.Duration) {
	if p.waits++; p.waits == 1 {
		p.wait = wait
		return
	}
	wait = min(wait, outlier*max(p.wait, time.Millisecond))
	p.wait += time.Duration(smoothing * float64(wait-p.wait))
}

// takes is how many seconds a body of that size needs. The rate is known.
func (p *pace) takes(size float64) float64 { return p.wait.Seconds() + size/p.rate }

func (p *pace) sawBody(size int64, took time.Duration) {
	if size < rateBytes || took <= 0 {
		return
	}
	rate := float64(size) / took.Seconds()
	if p.rates++; p.rates == 1 {
		p.rate = rate
		return
	}
	p.rate += smoothing * (min(rate, outlier*p.rate) - p.rate)
}

// kind tells requests apart that may be best served by different protocols.
type kind int

const (
	whole   kind = iota // one object at a time, most of them small, and what is known to be small: the wait decides
	opening             // a range from the first byte on, of what may turn out large: the wait decides while no rate is known
	parts               // the other long ranges, and large bodies: the rate decides
	kinds
)

// kindOf tells by what is asked for. A range that is shorter than what has a rate is a small object, as is an answer that is
// said to be one, though it travels in a lane.
func kindOf(req *http.Request) kind {
	text := req.Header.Get("Range")
	from, size := spanOf(text)
	switch {
	case size > 0 && size < rateBytes, text == "" && (mark.LaneOf(req.Context()) == 0 || mark.IsBrief(req.Context())):
		return whole
	case size > 0 && from == 0:
		return opening
	}
	return parts
}

// spanOf is where a Range field begins, and how many bytes it asks for; 0: it does not say, or asks for several ranges.
func spanOf(text string) (start uint64, size int64) {
	span, ok := strings.CutPrefix(text, "bytes=")
	first, last, both := strings.Cut(span, "-")
	from, err := strconv.ParseUint(first, 10, 62)
	to, err2 := strconv.ParseUint(last, 10, 62)
	if !ok || !both || err != nil || err2 != nil || to < from {
		return 0, 0
	}
	return from, int64(to - from + 1)
}

// rivals are TCP and HTTP/3 to one origin.
type rivals struct {
	tcp, h3 pace
	size    [kinds]float64 // of a body, smoothed
	turns   [kinds]int     // requests that had a choice
	tries   [kinds]int     // of these, what went over HTTP/3
	owed    [kinds]bool    // a turn to explore came while HTTP/3 was not connected
	chosen  [kinds]bool    // HTTP/3 is
}

// turn says whether the next request of this kind should go over HTTP/3.
func (r *rivals) turn(k kind) bool {
	share := steadyShare
	if r.tries[k] < eagerTries && !r.known(k) { // turns that found no connection bring no figure
		share = eagerShare
	}
	explore := r.turns[k]%share == 0
	r.turns[k]++
	if r.chosen[k] {
		return !explore
	}
	r.owed[k] = r.owed[k] || explore
	return r.owed[k]
}

// known says whether both were seen often enough to compare them.
func (r *rivals) known(k kind) bool {
	return r.tcp.waits >= steadyWaits && r.h3.waits >= steadyWaits && (k != parts || r.rated())
}

func (r *rivals) rated() bool { return r.tcp.rates >= steadyRates && r.h3.rates >= steadyRates }

// sent says that a request goes over HTTP/3.
func (r *rivals) sent(k kind) {
	r.owed[k] = false
	r.tries[k]++
}

// dares says whether a request may go over HTTP/3 by what its body would cost there. size is that of its range; 0: nobody knows.
func (r *rivals) dares(k kind, size int64) bool {
	switch {
	case k == whole, size > 0 && size <= shortBody:
		return true
	case size == 0:
		return r.chosen[k]
	}
	return r.rated() && r.h3.takes(float64(size)) <= longTimes*r.tcp.takes(float64(size))
}

func (r *rivals) of(h3 bool) *pace {
	if h3 {
		return &r.h3
	}
	return &r.tcp
}

func (r *rivals) sawWait(h3 bool, wait time.Duration) {
	r.of(h3).sawWait(wait)
	r.judge()
}

// sawBody takes a body that came whole.
func (r *rivals) sawBody(k kind, h3 bool, size int64, took time.Duration) {
	if r.size[k] == 0 {
		r.size[k] = float64(size)
	}
	r.size[k] += smoothing * (float64(size) - r.size[k])
	r.of(h3).sawBody(size, took)
	r.judge()
}

// judge chooses anew for each kind: by the time that a request of the usual size needs.
func (r *rivals) judge() {
	for k := range kinds {
		if !r.known(k) {
			r.chosen[k] = false
			continue
		}
		tcp, h3 := r.tcp.wait.Seconds(), r.h3.wait.Seconds()
		if r.rated() {
			tcp, h3 = r.tcp.takes(r.size[k]), r.h3.takes(r.size[k])
		}
		if r.chosen[k] {
			r.chosen[k] = h3 <= tcp
		} else {
			r.chosen[k] = h3 < margin*tcp
		}
	}
}

// paced is a body whose rate is measured.
type paced struct {
	io.ReadCloser
	size   int64
	whole  func(size int64) // nil: told
	broke  func(err error, stood time.Duration)
	closed atomic.Bool // by the reader: what fails then says nothing
	end    func()
}

func (p *paced) Read(b []byte) (int, error) {
	began := time.Now()
	n, err := p.ReadCloser.Read(b)
	p.size += int64(n)
	if err == nil {
		return n, nil
	}
	if err == io.EOF && p.whole != nil {
		p.whole(p.size)
		p.whole = nil
	} else if err != io.EOF && p.broke != nil && !p.closed.Load() {
		p.broke(err, time.Since(began))
		p.broke = nil
	}
	p.end()
	return n, err
}

func (p *paced) Close() error {
	p.closed.Store(true)
	err := p.ReadCloser.Close()
	p.end()
	return err
}
