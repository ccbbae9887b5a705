package lanes

import (
	"math"
	"time"
)

const (
	// flowSpan is over which bytes of a connection are counted, and flowSpans how many such spans are remembered.
	flowSpan  = 125 * time.Millisecond
	flowSpans = 16
	// flowWindow is how many spans make a rate: bytes that waited behind a lost packet come in a burst, and shorter ones would
	// take that for speed.
	flowWindow = 4
	// opening is what a server sends in the first round trip, ten segments (RFC 6928). It doubles with each one that follows.
	opening = 14600
	// growing is for how many round trips a connection may become faster.
	growing = 6
	// handshakes is how many round trips pass before a connection that is not open can be asked for anything.
	handshakes = 2
	// running is within how many round trips a connection will have nothing to bring, so that more should be asked of it.
	running = 1.5
	// abandoned is after how long the transport has closed a connection that nobody used.
	abandoned = 90 * time.Second
	// handful is how many bytes may be asked of a connection that has just begun to bring any, however slow it seems.
	handful = 256 << 10
	// mostOwed is as many bytes as a body may be said to owe. Lengths are what a server says: two lies must not add up to less
	// than nothing.
	mostOwed = 1 << 40
)

// flow is what one connection has to bring, and how fast it can. A sender begins slowly, and each lost packet, and each
// queue that it meets, makes it slower for seconds: of several connections along the same way one may be thirty times
// faster than another. The zero flow was never used.
type flow struct {
	load  int   // bodies under way
	owed  int64 // bytes that were asked for and have not come, as far as their number is known
	spans [flowSpans]int64
	now   int64     // the number of the newest span
	best  int64     // bytes in flowWindow spans, at most, of those before the newest
	last  time.Time // when bytes came, or began to be awaited; zero: it was never used
	warm  bool      // it is connected ahead
	born  time.Time // when the first bytes came after a rest
}

// turn forgets the spans that are too old by now.
func (f *flow) turn(now time.Time) {
	span := now.UnixNano() / int64(flowSpan)
	switch {
	case span > f.now-flowSpans && span <= f.now:
		return
	case span < f.now: // the clock was set back
		f.spans = [flowSpans]int64{}
	}
	for n := max(f.now+1, span-flowSpans+1); n <= span; n++ {
		f.spans[n%flowSpans] = 0
	}
	f.now, f.best = span, 0
	for first := span - flowSpans + 1; first <= span-flowWindow+1; first++ {
		f.best = max(f.best, f.window(first))
	}
}

// window is how many bytes came in the spans from that number on.
func (f *flow) window(first int64) (sum int64) {
	for n := first; n < first+flowWindow; n++ {
		sum += f.spans[(n+flowSpans)%flowSpans]
	}
	return sum
}

// came counts bytes.
func (f *flow) came(n int, now time.Time) {
	if f.turn(now); f.best == 0 && f.spans[f.now%flowSpans] == 0 {
		f.born = now
	}
	f.spans[f.now%flowSpans] += int64(n)
	f.last = now
}

// rate is how many bytes a second it brought at its best of late; 0: it brought none. What it could bring is not less: mostly
// it waits for us to ask for more.
func (f *flow) rate(now time.Time) float64 {
	f.turn(now)
	return float64(max(f.best, f.window(f.now-flowWindow+1))) / (flowWindow * flowSpan).Seconds()
}

// way is what all connections to a source have in common.
type way struct {
	trip  time.Duration // a round trip
	usual float64       // bytes a second that one more would get beside those that are busy and not young; 0: none is
	room  float64       // bytes a second that the line is known to have brought beside what it brings now; 0: who knows
}

// until is in how many seconds it will have brought n bytes more, behind those that it owes.
func (f *flow) until(n int64, w way, now time.Time) float64 { return f.within(f.owed+n, w, now) }

// within is in how many seconds it will have brought so many bytes. One that was not used of late starts slowly, and will
// then get no more of the line than the others do.
func (f *flow) within(n int64, w way, now time.Time) float64 {
	wait, rate, all := 0.0, f.rate(now), float64(n)
	switch {
	case !f.open(now):
		wait = handshakes * w.trip.Seconds()
	case f.owed == 0 && rate > 0: // it was asked for no more; it sends in a round trip as much as one that begins, if there is room
		rate = max(rate, min(opening/w.trip.Seconds(), w.room))
	case f.owed > 0:
		wait = max(now.Sub(f.last)-handshakes*w.trip, 0).Seconds() // it is silent, and may be so for as long again
	}
	ramp := w.trip.Seconds() * math.Log2(1+all/max(opening, rate*w.trip.Seconds()))
	if w.usual > 0 {
		ramp = max(ramp, all/w.usual)
	}
	switch {
	case rate == 0:
		return wait + ramp
	case f.young(w.trip, now):
		return wait + min(ramp, all/rate)
	}
	return wait + all/rate
}

// young says that it may still become faster.
func (f *flow) young(trip time.Duration, now time.Time) bool { return now.Sub(f.born) < growing*trip }

// open says that there is a connection, most likely.
func (f *flow) open(now time.Time) bool { return f.warm || f.owed > 0 || now.Sub(f.last) < abandoned }

// dry says that it should be asked for more, or the line will be empty.
func (f *flow) dry(trip time.Duration, now time.Time) bool {
	enough := f.rate(now) * running * trip.Seconds()
	if f.young(trip, now) {
		enough = max(2*enough, handful)
	}
	return float64(f.owed) <= enough
}
