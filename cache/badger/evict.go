package badger

import (
	"container/heap"
	"errors"
	"math"
	"time"
)

// setBack is by how much, in nanoseconds, a record may have been used later than now before it says that the clock was set back. It
// is more than clocks are set for being a little wrong, and than an eviction takes, during which others are used.
const setBack = int64(time.Hour)

// evictBlobs unlinks the blobs used longest ago, until they hold need bytes together. The caller holds s.evict.
//
// No order is kept in memory: with a million blobs it would be a hundred megabytes. Instead the headers are read through,
// which takes some tenths of a second for that many, once for each twentieth of the cache that is filled.
func (s *Store) evictBlobs(need int64) error {
	if err := s.spare(reserve); err != nil {
		return err
	}
	s.writeUsed()
	_, counted := s.tallies()
	victims, there, err := s.oldest(headerPrefix, need, func(_ string, value []byte) (int64, bool) {
		h, err := decodeHeader(value)
		return h.size, err == nil
	})
	for _, group := range s.byStripe(victims) {
		err = errors.Join(err, s.unlink(group, func(header) bool { return true }))
	}
	if err == nil && there < counted.Bytes {
		err = s.recount()
	}
	return err
}

// victim is a record that may have to go.
type victim struct {
	key  string
	size int64
	used int64
}

// victims is a heap with the last used on top.
type victims []victim

func (v victims) Len() int           { return len(v) }
func (v victims) Less(i, j int) bool { return v[i].used > v[j].used }
func (v victims) Swap(i, j int)      { v[i], v[j] = v[j], v[i] }
func (v *victims) Push(x any)        { *v = append(*v, x.(victim)) }

func (v *victims) Pop() any {
	last := len(*v) - 1
	x := (*v)[last]
	*v = (*v)[:last]
	return x
}

// oldest returns the keys of the records used longest ago, as many as hold need bytes together, and what all there are hold: less
// than was counted if a damaged table lost some. Weigh tells what a record holds, and whether it may go. Only those that are
// returned are in memory at a time. Those used while the clock was ahead go first, in their order: they would else stay until it is
// as late again, and what is new would go in their place.
func (s *Store) oldest(prefix string, need int64, weigh func(key string, value []byte) (int64, bool)) (keys []string, there int64, err error) {
	var all victims
	sum, soon := int64(0), s.opt.Now().UnixNano()+setBack
	err = s.scan(prefix, func(key string, value []byte) {
		size, may := weigh(key, value)
		there += size
		_, used, _ := readStamp(value)
		if used > soon {
			used -= math.MaxInt64
		}
		if !may || sum >= need && used >= all[0].used {
			return
		}
		heap.Push(&all, victim{key, size, used})
		for sum += size; len(all) > 0 && sum-all[0].size >= need; {
			sum -= heap.Pop(&all).(victim).size
		}
	})
	for _, v := range all {
		keys = append(keys, v.key)
	}
	return keys, there, err
}
