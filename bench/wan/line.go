//go:build linux

package main

import (
	"math/rand/v2"
	"time"
)

// settings are how one direction of a link is. The zero settings are a wire: nothing is lost and nothing waits.
type settings struct {
	delay, jitter time.Duration
	loss          float64 // share of packets, 0 to 1
	burst         float64 // mean length of a loss in packets; at most 1: independent
	rate          float64 // bit/s; 0: no limit
	queue         int     // bytes; 0: derived from rate
}

// leastQueue is what the smallest home router holds, in bytes. With less, a slow link could not take one window of ten
// packets.
const leastQueue = 64 << 10

// room is how many bytes may wait for the rate.
func (s settings) room() int {
	if s.queue > 0 {
		return s.queue
	}
	return max(leastQueue, int(s.rate/8/10))
}

// counters are what one direction did, in packets where the name says nothing else.
type counters struct {
	Packets uint64  `json:"packets"` // that came in
	Bytes   uint64  `json:"bytes"`   // of them, with their IP headers
	Lost    uint64  `json:"lost"`
	Dropped uint64  `json:"dropped"`  // by a full queue
	Out     uint64  `json:"out"`      // that came out
	OutB    uint64  `json:"out_b"`    // bytes of them
	Refused uint64  `json:"refused"`  // that the other device would not take
	Late    uint64  `json:"late"`     // that came out more than lateFrom after their time
	LateMax float64 `json:"late_max"` // the worst of them, in milliseconds
}

// lateFrom is where the emulator's own slowness becomes part of what is measured.
const lateFrom = 5 * time.Millisecond

// line is one direction of a link. Times are since a common beginning. It is used from one goroutine.
type line struct {
	settings
	random *rand.Rand
	count  counters

	queue queue
	free  time.Duration // when the rate lets the next packet begin
	last  time.Duration // when the packet before comes out
	lossy bool          // a burst is under way
}

// take decides what becomes of a packet that came in at now and goes to the device out. False: it is gone, and buf may be
// used again.
func (l *line) take(now time.Duration, buf []byte, out int) bool {
	l.count.Packets++
	l.count.Bytes += uint64(len(buf))
	if l.loses() {
		l.count.Lost++
		return false
	}
	at, ok := l.pass(now, len(buf))
	if !ok {
		l.count.Dropped++
		return false
	}
	at += l.delay
	if l.jitter > 0 {
		at += time.Duration((2*l.random.Float64() - 1) * float64(l.jitter))
	}
	l.last = max(at, l.last)
	l.queue.push(packet{l.last, buf, out})
	return true
}

// loses throws the dice. Bursts follow Gilbert's model, in which good and bad times alternate, with the same mean loss.
func (l *line) loses() bool {
	switch {
	case l.loss <= 0:
		return false
	case l.loss >= 1:
		return true
	case l.burst <= 1:
		return l.random.Float64() < l.loss
	}
	end := 1 / l.burst
	begin := end * l.loss / (1 - l.loss)
	if l.lossy {
		l.lossy = l.random.Float64() >= end
	} else {
		l.lossy = l.random.Float64() < begin
	}
	return l.lossy
}

// pass is when a packet of n bytes has gone through the rate; false: the queue is full.
func (l *line) pass(now time.Duration, n int) (time.Duration, bool) {
	if l.rate <= 0 {
		return now, true
	}
	l.free = max(l.free, now)
	waiting := int((l.free - now).Seconds() * l.rate / 8)
	if waiting+n > l.room() {
		return 0, false
	}
	l.free += time.Duration(float64(n) * 8 / l.rate * float64(time.Second))
	return l.free, true
}

// flush hands on all packets whose time has come, to a send that owns their buffers. It returns when the next one is due;
// false: none waits.
func (l *line) flush(now time.Duration, send func(packet) error) (time.Duration, bool) {
	for l.queue.size > 0 && l.queue.head().due <= now {
		p := l.queue.pop()
		size := uint64(len(p.buf))
		if err := send(p); err != nil {
			l.count.Refused++
			continue
		}
		l.count.Out++
		l.count.OutB += size
		l.note(now - p.due)
	}
	if l.queue.size == 0 {
		return 0, false
	}
	return l.queue.head().due, true
}

func (l *line) note(late time.Duration) {
	if late > lateFrom {
		l.count.Late++
	}
	l.count.LateMax = max(l.count.LateMax, float64(late)/float64(time.Millisecond))
}
