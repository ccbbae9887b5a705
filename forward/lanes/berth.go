package lanes

import (
	"io"
	"math"
	"time"
)

// Berth is a body's, or a part's, place on a connection. Its methods may be called from several goroutines.
type Berth struct {
	Lane int // which connection, from 1 on; 0 is the one for small answers

	spread *Spread
	fan    *fan
	flow   *flow
	by     any
	owed   int64     // bytes that it is yet to bring, as far as that is known
	since  time.Time // last of its flow before it came
	body   bool      // it is no part of one
	gone   bool
}

// Came counts bytes that it brought.
func (b *Berth) Came(n int, now time.Time) {
	b.spread.mu.Lock()
	defer b.spread.mu.Unlock()
	b.flow.came(n, now)
	b.payLocked(int64(n))
}

func (b *Berth) payLocked(n int64) {
	n = min(n, b.owed)
	b.owed -= n
	b.flow.owed -= n
}

// Owes corrects how many bytes are yet to come.
func (b *Berth) Owes(n int64) {
	b.spread.mu.Lock()
	defer b.spread.mu.Unlock()
	if n = min(n, mostOwed); !b.gone {
		b.flow.owed += n - b.owed
		b.owed = n
	}
}

// Decline gives it back at once: nothing was asked for, so that no connection was opened.
func (b *Berth) Decline() {
	b.spread.mu.Lock()
	if b.flow.owed == b.owed {
		b.flow.last = b.since
	}
	b.spread.mu.Unlock()
	b.Leave()
}

// Leave ends it. Calls after the first do nothing.
func (b *Berth) Leave() {
	b.spread.mu.Lock()
	defer b.spread.mu.Unlock()
	if b.gone {
		return
	}
	b.gone = true
	b.payLocked(b.owed)
	b.flow.load--
	if b.body {
		b.fan.bodies--
	}
	if b.by == nil {
		return
	}
	if b.fan.clients[b.by]--; b.fan.clients[b.by] <= 0 {
		delete(b.fan.clients, b.by)
	}
}

// Within is how many bytes its connection brings in such a time; [math.MaxInt64] as long as that is not known.
func (b *Berth) Within(span time.Duration, now time.Time) int64 {
	b.spread.mu.Lock()
	defer b.spread.mu.Unlock()
	if rate := b.flow.rate(now); rate > 0 && !b.flow.young(b.fan.way(now).trip, now) {
		return int64(rate * span.Seconds())
	}
	return math.MaxInt64
}

// Left is in what time what it owes will have come, if the bodies on its connection take turns.
func (b *Berth) Left(now time.Time) time.Duration {
	b.spread.mu.Lock()
	defer b.spread.mu.Unlock()
	n := min(b.owed*int64(max(b.flow.load, 1)), b.flow.owed)
	return seconds(b.flow.within(n, b.fan.way(now), now))
}

func seconds(s float64) time.Duration { return time.Duration(min(s, 1e6) * float64(time.Second)) }

// Toll counts the bytes of a body as they are read, and leaves when it is closed. What it returns tells what is left, too:
// Left() time.Duration.
func (b *Berth) Toll(body io.ReadCloser, now func() time.Time) io.ReadCloser {
	return &tolled{body, b, now}
}

type tolled struct {
	io.ReadCloser
	berth *Berth
	now   func() time.Time
}

func (t *tolled) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if n > 0 {
		t.berth.Came(n, t.now())
	}
	return n, err
}

func (t *tolled) Close() error {
	t.berth.Leave()
	return t.ReadCloser.Close()
}

// Left is in what time all of it will have come.
func (t *tolled) Left() time.Duration { return t.berth.Left(t.now()) }
