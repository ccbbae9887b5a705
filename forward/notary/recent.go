package notary

import (
	"container/list"
	"sync"
)

// recent keeps what was used lately, up to a weight. The zero value is empty. Its methods may be called from many goroutines.
type recent[K comparable, V any] struct {
	mu     sync.Mutex
	items  map[K]*list.Element // of order
	order  list.List           // of *item[K, V], the last used first
	weight int
}

type item[K comparable, V any] struct {
	key    K
	value  V
	weight int
}

func (r *recent[K, V]) get(key K) (value V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.items[key]
	if e == nil {
		return value, false
	}
	r.order.MoveToFront(e)
	return e.Value.(*item[K, V]).value, true
}

// getOrPut returns what is there, or else puts value and returns that.
func (r *recent[K, V]) getOrPut(key K, value V, weight, limit int) V {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.items[key]; e != nil {
		r.order.MoveToFront(e)
		return e.Value.(*item[K, V]).value
	}
	r.putLocked(key, value, weight, limit)
	return value
}

// put keeps value, and drops the longest unused while all together weigh more than limit. What alone weighs more is not kept.
func (r *recent[K, V]) put(key K, value V, weight, limit int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.putLocked(key, value, weight, limit)
}

func (r *recent[K, V]) putLocked(key K, value V, weight, limit int) {
	if e := r.items[key]; e != nil {
		r.removeLocked(e)
	}
	if weight > limit {
		return
	}
	if r.items == nil {
		r.items = make(map[K]*list.Element)
	}
	r.items[key] = r.order.PushFront(&item[K, V]{key, value, weight})
	r.weight += weight
	for r.weight > limit {
		r.removeLocked(r.order.Back())
	}
}

func (r *recent[K, V]) removeLocked(e *list.Element) {
	i := r.order.Remove(e).(*item[K, V])
	delete(r.items, i.key)
	r.weight -= i.weight
}
