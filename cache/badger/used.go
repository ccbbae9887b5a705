package badger

import (
	"encoding/binary"
	"sync"

	"github.com/dgraph-io/badger/v4"
)

// manyUsed is how many records may be waiting for their last-used time to be written; then they are written early. Some
// hundred bytes each.
const manyUsed = 8 << 10

// used is when records were used last, so far as that is not written yet.
type used struct {
	mu   sync.Mutex
	when map[string]int64 // by key, Unix nanoseconds
}

// touch notes that a record was used now.
func (s *Store) touch(key string) {
	now := s.opt.Now().UnixNano()
	s.used.mu.Lock()
	defer s.used.mu.Unlock()
	if s.used.when == nil {
		s.used.when = make(map[string]int64)
	}
	if len(s.used.when) < manyUsed {
		s.used.when[key] = now
	} else {
		s.wake() // what is used until then is not noted
	}
}

// writeUsed puts last-used times into their records. One that cannot be written is lost, which only makes a record look
// older than it is.
func (s *Store) writeUsed() {
	s.used.mu.Lock()
	when := s.used.when
	s.used.when = nil
	s.used.mu.Unlock()
	if len(when) == 0 || s.spare(reserve) != nil {
		return
	}
	keys := make([]string, 0, len(when))
	for key := range when {
		keys = append(keys, key)
	}
	for _, group := range s.byStripe(keys) {
		err := s.editAll(group, func(txn *badger.Txn, key string, old []byte) error {
			_, before, err := readStamp(old)
			if err != nil || before >= when[key] && before <= when[key]+setBack {
				return nil
			}
			binary.BigEndian.PutUint64(old[2:], uint64(when[key]))
			return txn.Set([]byte(key), old)
		})
		if err != nil {
			s.opt.Log.Warn("the cache could not note what was used", "dir", s.opt.Dir, "err", err)
			return
		}
	}
}
