package badger

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync"

	"github.com/dgraph-io/badger/v4"
)

// The first 64 MiB of a blob are in chunks of 256 KiB, which come early and are cheap for ranges; what follows is in
// chunks of 1 MiB, of which there are fewer. The length of a blob is not known when its first chunk is written, so that
// it cannot choose. Other sizes were measured: smaller ones write slower, larger ones read no faster.
const (
	smallChunk  = 256 << 10
	smallChunks = 256
	largeChunk  = 1 << 20
)

// sealSize is what a chunk carries beside its bytes: a CRC-32C over its key and them. Badger checks what it wrote; this
// finds a pointer that leads to the wrong value.
const sealSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli) //nolint:gochecknoglobals // a constant that Go cannot write as one

// errDamaged reports a chunk that is not there, or not what was written.
var errDamaged = errors.New("a chunk was damaged on the disk")

// locate finds the chunk that holds the byte at off, and where that chunk begins.
func locate(off int64) (n uint32, start int64) {
	if off < smallChunks*smallChunk {
		return uint32(off / smallChunk), off / smallChunk * smallChunk
	}
	k := (off - smallChunks*smallChunk) / largeChunk
	return smallChunks + uint32(k), smallChunks*smallChunk + k*largeChunk
}

// chunkSize is how many bytes chunk n holds when it is full.
func chunkSize(n uint32) int {
	if n < smallChunks {
		return smallChunk
	}
	return largeChunk
}

// seal appends the checksum to the bytes of a chunk.
func seal(key, b []byte) []byte {
	return binary.BigEndian.AppendUint32(b, checksum(key, b))
}

func checksum(key, b []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, b)
}

// load reads the size bytes of a chunk into buf, which has room for them and the seal.
func (s *Store) load(id uint64, n uint32, size int, buf []byte) ([]byte, error) {
	key := chunkKey(id, n)
	var got []byte
	err := s.view(key, func(value []byte) {
		if len(value) == size+sealSize {
			got = append(buf[:0], value...) //nolint:gocritic // buf is the memory, got is what stands in it
		}
	})
	if errors.Is(err, badger.ErrKeyNotFound) || err == nil && got == nil {
		return nil, errDamaged // Badger logs what it cannot read, and calls it empty
	}
	if err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint32(got[size:]) != checksum(key, got[:size]) {
		return nil, errDamaged
	}
	return got[:size], nil
}

// loadInto is load for who wants a whole chunk: its bytes are copied once, from the page cache to p.
func (s *Store) loadInto(p []byte, id uint64, n uint32) error {
	key := chunkKey(id, n)
	whole := false
	var sum uint32
	err := s.view(key, func(value []byte) {
		if len(value) == len(p)+sealSize {
			copy(p, value)
			whole, sum = true, binary.BigEndian.Uint32(value[len(p):])
		}
	})
	if errors.Is(err, badger.ErrKeyNotFound) || err == nil && !whole {
		return errDamaged
	}
	if err != nil || s.seals.knows(id, n, sum) {
		return err
	}
	if sum != checksum(key, p) {
		return errDamaged
	}
	s.seals.learn(id, n, sum)
	return nil
}

// seals remembers the checksums of chunks that this process has found right. Badger checks each time that a value is what
// was written, with its seal; a seal that was right before says that it is the value of the same chunk, and the bytes need
// not be gone through a second time. The zero value is empty.
type seals struct {
	mu    sync.Mutex
	right map[chunkID]uint32
}

type chunkID struct {
	id uint64
	n  uint32
}

// maxSeals is how many are remembered: 2 MB of memory, for some 16 GiB of blobs.
const maxSeals = 32 << 10

func (s *seals) knows(id uint64, n, sum uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	right, ok := s.right[chunkID{id, n}]
	return ok && right == sum
}

func (s *seals) learn(id uint64, n, sum uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.right == nil || len(s.right) >= maxSeals {
		s.right = make(map[chunkID]uint32)
	}
	s.right[chunkID{id, n}] = sum
}

// view shows f a value and lets go of its pages. F must only copy: while it runs, its log file is locked, and a writer
// that wants the next one stands still, with everybody behind it.
func (s *Store) view(key []byte, f func(value []byte)) error {
	return s.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(key)
		if err != nil {
			return err
		}
		return item.Value(func(value []byte) error {
			f(value)
			// A value in the tree was copied to the heap, which must not be let go. One in the log is larger than its
			// key and itself.
			if len(value) >= valueThreshold && item.EstimatedSize() > int64(len(key)+len(value)) {
				letGo(value)
			}
			return nil
		})
	})
}

// buffers keeps buffers of full chunks, with room for the seal.
type buffers struct{ small, large sync.Pool }

// get returns an empty buffer for a chunk of size bytes.
func (p *buffers) get(size int) []byte {
	var pooled any
	switch size {
	case smallChunk:
		pooled = p.small.Get()
	case largeChunk:
		pooled = p.large.Get()
	}
	if b, ok := pooled.(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, size+sealSize)
}

func (p *buffers) put(b []byte) {
	switch cap(b) {
	case smallChunk + sealSize:
		p.small.Put(&b)
	case largeChunk + sealSize:
		p.large.Put(&b)
	}
}

// chunks reads a fill, one chunk at a time. It keeps the last chunk, because readers come in small steps and a chunk is
// checked as a whole. It may be used from many goroutines.
type chunks struct {
	store *Store
	id    uint64

	mu   sync.Mutex
	last []byte // nil: none
	n    uint32 // of last
}

// readAt reads what the chunk at off has for p, of a fill of size bytes; io.EOF at its end.
func (c *chunks) readAt(p []byte, off, size int64) (int, error) {
	if off >= size {
		return 0, io.EOF
	}
	n, start := locate(off)
	c.mu.Lock()
	defer c.mu.Unlock()
	if full := int(min(int64(chunkSize(n)), size-start)); off == start && len(p) >= full && (c.last == nil || c.n != n) {
		if err := c.store.loadInto(p[:full], c.id, n); err != nil {
			return 0, err
		}
		return full, nil
	}
	if c.last == nil || c.n != n {
		length := int(min(int64(chunkSize(n)), size-start))
		buf := c.last
		if cap(buf) < length+sealSize {
			c.freeLocked()
			buf = c.store.buffers.get(length)
		}
		c.last = nil
		got, err := c.store.load(c.id, n, length, buf)
		if err != nil {
			c.store.buffers.put(buf)
			return 0, err
		}
		c.last, c.n = got, n
	}
	return copy(p, c.last[off-start:]), nil
}

// free gives the buffer back.
func (c *chunks) free() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.freeLocked()
}

func (c *chunks) freeLocked() {
	c.store.buffers.put(c.last)
	c.last = nil
}
