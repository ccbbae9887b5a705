package fetch

import (
	"context"
	"io"
	"math"
	"time"

	"hither/forward/split"
	"hither/rules"
)

// pool is the connections of spread, for the parts of one body. It implements [split.Pool].
type pool struct {
	w    *fill
	team []rules.Source
	open func(ctx context.Context, src rules.Source, lane int, from, to int64) (io.ReadCloser, error)
}

func (p *pool) Soon(s split.Source, n int64) time.Duration {
	return p.w.f.spread.soon(s.Base, n, p.w.f.now())
}

func (p *pool) Take(s split.Source, n int64, must bool) split.Seat {
	if b := p.w.f.spread.part(s.Base, n, must, p.w.f.now()); b != nil {
		return &seat{p, b, member(p.team, s.Base)}
	}
	return nil
}

func (p *pool) Crowded(s split.Source) bool { return p.w.f.spread.crowded(s.Base, p.w.f.now()) }

// seat is a berth for a part. It implements [split.Seat] and [split.Forecast].
type seat struct {
	pool  *pool
	berth *berth
	src   rules.Source
}

func (s *seat) Open(ctx context.Context, from, to int64) (io.ReadCloser, error) {
	s.berth.owes(to - from)
	body, err := s.pool.open(ctx, s.src, s.berth.lane, from, to)
	if err != nil {
		s.berth.leave()
		return nil, err
	}
	return &tolled{body, s.berth, s.pool.w.f.now}, nil
}

func (s *seat) Leave() { s.berth.decline() }

// Most is what the connection brings within overhang, as far as is known.
func (s *seat) Most() int64 {
	b, now := s.berth, s.pool.w.f.now()
	b.spread.mu.Lock()
	defer b.spread.mu.Unlock()
	if rate := b.flow.rate(now); rate > 0 && !b.flow.young(b.fan.way(now).trip, now) {
		return int64(rate * overhang.Seconds())
	}
	return math.MaxInt64
}

// overhang is for how long one part may be waited for when all else is here.
const overhang = time.Second

// Left is for the part that it was taken for.
func (s *seat) Left() time.Duration { return s.berth.left(s.pool.w.f.now()) }

// tolled is a body whose bytes are counted, and whose berth is left when it is closed. It implements [split.Forecast].
type tolled struct {
	io.ReadCloser
	berth *berth
	now   func() time.Time
}

func (t *tolled) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if n > 0 {
		t.berth.came(n, t.now())
	}
	return n, err
}

func (t *tolled) Close() error {
	t.berth.leave()
	return t.ReadCloser.Close()
}

// Left is in what time all of it will have come.
func (t *tolled) Left() time.Duration { return t.berth.left(t.now()) }

// left is in what time what it owes will have come, if the bodies on its connection take turns.
func (b *berth) left(now time.Time) time.Duration {
	b.spread.mu.Lock()
	defer b.spread.mu.Unlock()
	n := min(b.owed*int64(max(b.flow.load, 1)), b.flow.owed)
	return seconds(b.flow.within(n, b.fan.way(now), now))
}

func seconds(s float64) time.Duration { return time.Duration(min(s, 1e6) * float64(time.Second)) }
