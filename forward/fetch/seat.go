package fetch

import (
	"context"
	"io"
	"time"

	"hither/forward/lanes"
	"hither/forward/split"
	"hither/rules"
)

// pool is the lanes to the sources of one body, for its parts. It implements [split.Pool].
type pool struct {
	w    *fill
	team []rules.Source
	open func(ctx context.Context, src rules.Source, lane int, from, to int64) (io.ReadCloser, error)
}

func (p *pool) Soon(s split.Source, n int64) time.Duration {
	return p.w.f.spread.Soon(s.Base, n, p.w.f.now())
}

func (p *pool) Take(s split.Source, n int64, must bool) split.Seat {
	if b := p.w.f.spread.Part(s.Base, n, must, p.w.f.now()); b != nil {
		return &seat{p, b, member(p.team, s.Base)}
	}
	return nil
}

func (p *pool) Crowded(s split.Source) bool { return p.w.f.spread.Crowded(s.Base, p.w.f.now()) }

// seat is a berth for a part. It implements [split.Seat] and [split.Forecast].
type seat struct {
	pool  *pool
	berth *lanes.Berth
	src   rules.Source
}

func (s *seat) Open(ctx context.Context, from, to int64) (io.ReadCloser, error) {
	s.berth.Owes(to - from)
	body, err := s.pool.open(ctx, s.src, s.berth.Lane, from, to)
	if err != nil {
		s.berth.Leave()
		return nil, err
	}
	return s.berth.Toll(body, s.pool.w.f.now), nil
}

func (s *seat) Leave() { s.berth.Decline() }

// overhang is for how long one part may be waited for when all else is here.
const overhang = time.Second

// Most is what the connection brings within overhang, as far as is known.
func (s *seat) Most() int64 { return s.berth.Within(overhang, s.pool.w.f.now()) }

// Left is for the part that it was taken for.
func (s *seat) Left() time.Duration { return s.berth.Left(s.pool.w.f.now()) }
