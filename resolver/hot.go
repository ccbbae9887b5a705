package resolver

import (
	"container/heap"
	"context"
	"time"

	"github.com/miekg/dns"
)

const (
	// hotHits within the life of an answer make it one that is asked for anew when it expires. Before that the upstreams
	// would only give back what is left of it.
	hotHits = 3
	// maxHot bounds how many wait for that.
	maxHot = 4096
	// pace is the least time between two such questions: ten a second.
	pace = 100 * time.Millisecond
)

// renewal is an answer to be asked for anew when it expires. It is not held: it may leave the memory before, for others.
type renewal struct {
	key     string
	expires int64 // of the answer, which tells it from a newer one
}

// note counts a hit. The third one tells the refresher; later ones cost a load.
func (s *Server) note(e *entry) {
	if e.hits.Load() >= hotHits || e.hits.Add(1) != hotHits {
		return
	}
	select {
	case s.hot <- renewal{e.key, e.expires}:
	default: // it will be asked for when somebody wants it
	}
}

// refresh asks for hot names at the moment they expire.
func (s *Server) refresh(ctx context.Context) error {
	var due byExpiry
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var next time.Time // not before
	for {
		wait := time.Hour
		if len(due) > 0 {
			at := time.Unix(0, due[0].expires)
			if at.Before(next) {
				at = next
			}
			wait = max(0, at.Sub(s.now()))
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case r := <-s.hot:
			if len(due) < maxHot {
				heap.Push(&due, r)
			}
		case <-timer.C:
			if len(due) > 0 && time.Unix(0, due[0].expires).Compare(s.now()) <= 0 {
				s.renew(ctx, heap.Pop(&due).(renewal))
				next = s.now().Add(pace)
			}
		}
	}
}

// renew asks for r unless it is known no more, or something newer is by now.
func (s *Server) renew(ctx context.Context, r renewal) {
	if e := s.memory.get([]byte(r.key)); e == nil || e.expires != r.expires {
		return
	}
	_ = s.guard(func() error {
		q, err := questionOf([]byte(r.key))
		if err != nil {
			return err
		}
		name, _, err := dns.UnpackDomainName(q.asked, 0)
		if err != nil {
			return err
		}
		s.counts.refreshed.Add(1)
		if _, fly := s.join(ctx, name, q, s.now()); fly != nil {
			s.work.Go(fly)
		}
		return nil
	})
}

// byExpiry is a heap, the first to expire on top.
type byExpiry []renewal

func (b byExpiry) Len() int           { return len(b) }
func (b byExpiry) Less(i, j int) bool { return b[i].expires < b[j].expires }
func (b byExpiry) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }

// Push implements [heap.Interface].
func (b *byExpiry) Push(r any) { *b = append(*b, r.(renewal)) }

// Pop implements [heap.Interface].
func (b *byExpiry) Pop() any {
	last := len(*b) - 1
	r := (*b)[last]
	(*b)[last] = renewal{}
	*b = (*b)[:last]
	return r
}
