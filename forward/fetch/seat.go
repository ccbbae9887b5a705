package fetch

import (
	"context"
	"io"
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

func (p *pool) Take(s split.Source, n int64) split.Seat {
	if b := p.w.f.spread.part(s.Base, n, p.w.f.now()); b != nil {
		return &seat{p, b, member(p.team, s.Base)}
	}
	return nil
}

// seat is a berth for a part. It implements [split.Seat].
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

func (s *seat) Leave() { s.berth.leave() }

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

// Left is in what time all of it will have come, if the bodies on its connection take turns.
func (t *tolled) Left() time.Duration {
	b := t.berth
	b.spread.mu.Lock()
	defer b.spread.mu.Unlock()
	n := min(b.owed*int64(max(b.flow.load, 1)), b.flow.owed)
	return seconds(b.flow.within(n, b.fan.usualTrip(), t.now()))
}

func seconds(s float64) time.Duration { return time.Duration(min(s, 1e6) * float64(time.Second)) }
