package badger

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/dgraph-io/badger/v4"

	"hither/cache"
	"hither/cache/digest"
)

// What a key is about is told by its first letter.
const (
	stateKey      = "s" // state
	sentinelKey   = "z" // exists only to be dropped, see giveBack
	headerPrefix  = "h" // h DIGEST: a blob
	namePrefix    = "n" // n NAME: what it is bound to
	chunkPrefix   = "c" // c ID N: a chunk of a fill; numbers are big-endian
	journalPrefix = "j" // j ID: a fill that is under way, or garbage
)

// recordVersion is the first byte of headers and names.
const recordVersion = 1

// maxBatch is how many records one transaction changes, and maxBatchKeys from how many bytes of keys on it is full: Badger takes
// no more than 1.2 MB of keys and small values at once.
const (
	maxBatch     = 256
	maxBatchKeys = 512 << 10
)

var errRecord = errors.New("the record is damaged")

// Headers and names begin alike, so that they age alike:
//
//	version 1 byte | flags 1 byte | last used 8 bytes, Unix nanoseconds
const (
	flagPinned = 1
	stampSize  = 10
)

func stamp(flags byte, used time.Time) []byte {
	b := []byte{recordVersion, flags}
	return binary.BigEndian.AppendUint64(b, uint64(used.UnixNano()))
}

// readStamp returns when the record was used last, in Unix nanoseconds.
func readStamp(b []byte) (flags byte, used int64, err error) {
	if len(b) < stampSize || b[0] != recordVersion {
		return 0, 0, errRecord
	}
	return b[1], int64(binary.BigEndian.Uint64(b[2:])), nil
}

// header is what makes a fill a blob.
type header struct {
	id        uint64 // of the fill: the run in its upper half, so that no id ever comes again
	size      int64
	committed time.Time
	used      time.Time
	proved    uint32 // the last run in which the digest was checked
}

func (h header) encode() []byte {
	b := stamp(0, h.used)
	b = binary.BigEndian.AppendUint64(b, h.id)
	b = binary.BigEndian.AppendUint64(b, uint64(h.size))
	b = binary.BigEndian.AppendUint64(b, uint64(h.committed.UnixNano()))
	return binary.BigEndian.AppendUint32(b, h.proved)
}

func decodeHeader(b []byte) (header, error) {
	_, used, err := readStamp(b)
	if err != nil || len(b) != stampSize+28 {
		return header{}, errRecord
	}
	b = b[stampSize:]
	h := header{
		id:        binary.BigEndian.Uint64(b),
		size:      int64(binary.BigEndian.Uint64(b[8:])),
		committed: time.Unix(0, int64(binary.BigEndian.Uint64(b[16:]))),
		used:      time.Unix(0, used),
		proved:    binary.BigEndian.Uint32(b[24:]),
	}
	if h.size < 0 {
		return header{}, errRecord
	}
	return h, nil
}

func encodeEntry(e cache.Entry, used time.Time) ([]byte, error) {
	flags := byte(0)
	if e.Pinned {
		flags = flagPinned
	}
	e.Stored, e.Checked = e.Stored.UTC(), e.Checked.UTC()
	text, err := json.Marshal(e)
	return append(stamp(flags, used), text...), err
}

func decodeEntry(b []byte) (cache.Entry, error) {
	var e cache.Entry
	if _, _, err := readStamp(b); err != nil {
		return e, err
	}
	err := json.Unmarshal(b[stampSize:], &e)
	return e, err
}

func headerKey(d digest.Digest) string { return headerPrefix + string(d) }

func nameKey(name cache.Name) string { return namePrefix + string(name) }

func journalKey(id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(journalPrefix), id)
}

func fillPrefix(id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(chunkPrefix), id)
}

func chunkKey(id uint64, n uint32) []byte {
	return binary.BigEndian.AppendUint32(fillPrefix(id), n)
}

// get returns a copy of a small value, or an error wrapping cache.ErrNotFound.
func (s *Store) get(key string) ([]byte, error) {
	var value []byte
	err := s.db.View(func(txn *badger.Txn) (err error) {
		value, err = read(txn, key)
		return err
	})
	if err == nil && value == nil {
		err = cache.ErrNotFound
	}
	return value, err
}

// read returns a copy of a value; nil if there is none, or none that can be read.
func read(txn *badger.Txn, key string) ([]byte, error) {
	item, err := txn.Get([]byte(key))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}

// update writes in one transaction, if the reserve is free. It does not wait for the disk, only for Badger.
func (s *Store) update(f func(*badger.Txn) error) error {
	if err := s.spare(reserve); err != nil {
		return err
	}
	defer nudge(s.wrote) // also of what is refused: the tables may want merging
	if err := s.behind(); err != nil {
		return err
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	return s.db.Update(f)
}

// edit changes one record. F gets the old value, nil if there is none, and nobody changes it meanwhile.
func (s *Store) edit(key string, f func(txn *badger.Txn, old []byte) error) error {
	return s.editAll([]string{key}, func(txn *badger.Txn, _ string, old []byte) error { return f(txn, old) })
}

// editAll changes records of one stripe in one transaction.
func (s *Store) editAll(keys []string, f func(txn *badger.Txn, key string, old []byte) error) error {
	stripe := &s.stripes[s.stripe(keys[0])]
	stripe.Lock()
	defer stripe.Unlock()
	return s.update(func(txn *badger.Txn) error {
		for _, key := range keys {
			old, err := read(txn, key)
			if err == nil {
				err = f(txn, key, old)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) stripe(key string) int {
	return int(maphash.String(s.seed, key) % uint64(len(s.stripes)))
}

// byStripe sorts keys into groups that editAll takes.
func (s *Store) byStripe(keys []string) [][]string {
	var full [][]string
	var groups [len(s.stripes)][]string
	var sizes [len(s.stripes)]int
	for _, key := range keys {
		i := s.stripe(key)
		groups[i] = append(groups[i], key)
		if sizes[i] += len(key); len(groups[i]) == maxBatch || sizes[i] >= maxBatchKeys {
			full, groups[i], sizes[i] = append(full, groups[i]), nil, 0
		}
	}
	for _, group := range groups {
		if len(group) > 0 {
			full = append(full, group)
		}
	}
	return full
}

// snapshot lets f iterate over what there is now. F must not ask for another: a Rest may wait between the two.
func (s *Store) snapshot(f func(*badger.Txn) error) error {
	s.walks.RLock()
	defer s.walks.RUnlock()
	return s.db.View(f)
}

// walk is a snapshot for one iterator, over what is under prefix.
func (s *Store) walk(prefix []byte, f func(*badger.Iterator) error) error {
	return s.snapshot(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
		defer it.Close()
		return f(it)
	})
}

// scan calls f for every record under prefix. The value is good only inside f, which must be quick.
func (s *Store) scan(prefix string, f func(key string, value []byte)) error {
	return s.snapshot(func(txn *badger.Txn) error { return records(txn, prefix, f) })
}

// records is scan in a snapshot.
func records(txn *badger.Txn, prefix string, f func(key string, value []byte)) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte(prefix)})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		item := it.Item()
		err := item.Value(func(value []byte) error {
			f(string(item.Key()), value)
			return nil
		})
		if err != nil {
			return fmt.Errorf("record %q: %w", item.Key(), err)
		}
	}
	return nil
}

// fills calls f with the fill of each key of chunks or of the journal, in order, from one on, until f returns false.
func fills(txn *badger.Txn, prefix string, from uint64, f func(id uint64) bool) {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte(prefix)})
	defer it.Close()
	for it.Seek(binary.BigEndian.AppendUint64([]byte(prefix), from)); it.Valid(); it.Next() {
		if key := it.Item().Key(); len(key) >= len(prefix)+8 && !f(binary.BigEndian.Uint64(key[len(prefix):])) {
			return
		}
	}
}

// keys returns the keys under prefix, from the key from on, of some bytes together.
func (s *Store) keys(prefix, from string, bytes int) (keys []string, err error) {
	err = s.walk([]byte(prefix), func(it *badger.Iterator) error {
		for it.Seek([]byte(from)); it.Valid() && bytes > 0; it.Next() {
			keys = append(keys, string(it.Item().Key()))
			bytes -= len(it.Item().Key())
		}
		return nil
	})
	return keys, err
}

// page returns copies of up to maxBatch records under prefix, from the key from on. Who works long on each record takes
// pages: an open iterator keeps files from being deleted.
func (s *Store) page(prefix, from string) (keys []string, values [][]byte, err error) {
	err = s.walk([]byte(prefix), func(it *badger.Iterator) error {
		for it.Seek([]byte(from)); it.Valid() && len(keys) < maxBatch; it.Next() {
			value, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			keys = append(keys, string(it.Item().Key()))
			values = append(values, value)
		}
		return nil
	})
	return keys, values, err
}
