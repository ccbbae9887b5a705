package warm

import (
	"context"
	"sync"
)

const (
	// smallAtOnce is how many words about packages are asked for at once, in requests: far below the number of streams at
	// which servers begin to refuse.
	smallAtOnce = 32
	// bulkAtOnce is how many packages come at once. Hither itself takes large ones apart, so that more would only share the
	// line.
	bulkAtOnce = 8
	// AtOnce is both.
	AtOnce = smallAtOnce + bulkAtOnce
)

// queue holds what is still to do, in two lanes so that the small does not wait behind the large. Work may add work.
// The zero value is empty.
type queue struct {
	onFresh func([]Want) // is told of what was added, before any of it is worked at; nil: nobody is

	mu    sync.Mutex
	moved sync.Cond // for whoever waits in next; L is set by start
	small []Want
	bulk  []Want
	seen  map[string]bool // by what makes a request another one
	open  int             // taken or waiting
	ended bool
}

// run works through everything in wants and all that do adds, and returns when nothing is left or ctx ends.
func (q *queue) run(ctx context.Context, wants []Want, do func(context.Context, Want)) {
	q.moved.L = &q.mu
	q.seen = map[string]bool{}
	q.add(wants...)
	defer context.AfterFunc(ctx, q.end)()
	var workers sync.WaitGroup
	for n := range AtOnce {
		lane := &q.small
		if n >= smallAtOnce {
			lane = &q.bulk
		}
		workers.Go(func() {
			for {
				w, ok := q.next(lane)
				if !ok {
					return
				}
				do(ctx, w)
				q.done()
			}
		})
	}
	workers.Wait()
}

// add takes each want once, and returns those that were new.
func (q *queue) add(wants ...Want) (fresh []Want) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, w := range wants {
		key := w.URL + " " + w.Claim.String()
		if q.seen[key] {
			continue
		}
		q.seen[key] = true
		fresh = append(fresh, w)
	}
	if q.onFresh != nil {
		q.onFresh(fresh)
	}
	q.small = append(q.small, fresh...)
	q.open += len(fresh)
	q.moved.Broadcast()
	return fresh
}

// later hands a want on to the lane of large things. The caller is not done with it by that.
func (q *queue) later(w Want) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bulk = append(q.bulk, w)
	q.open++
	q.moved.Broadcast()
}

// next waits for work in a lane; false: there is none any more.
func (q *queue) next(lane *[]Want) (Want, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.ended || q.open == 0:
			return Want{}, false
		case len(*lane) > 0:
			w := (*lane)[0]
			*lane = (*lane)[1:]
			return w, true
		}
		q.moved.Wait()
	}
}

func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open--; q.open == 0 {
		q.moved.Broadcast()
	}
}

// end lets every worker leave.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.moved.Broadcast()
}
