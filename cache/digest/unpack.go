package digest

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"
)

const (
	// copyBuffer is what a file of a zip is hashed by, in bytes.
	copyBuffer = 32 << 10
	// maxPacked and maxPlain are up to which sizes a file is inflated as a whole, in bytes. Few of a module are larger.
	maxPacked, maxPlain = 512 << 10, 1 << 20
	// mostGrowth is more than deflate can make of a byte: who announces more lies, and gets no memory for it.
	mostGrowth = 1100
)

var (
	copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}
	unpackings  = sync.Pool{New: func() any { return new(unpacking) }}
)

// unpacking is one file of a zip that is inflated as a whole.
type unpacking struct {
	unpacker
	packed []byte
	plain  bytes.Reader
}

// unpack is a zip.Decompressor for a file that says to unpack to size bytes. What its unpacker does not take goes to
// compress/flate, from the beginning.
func unpack(r io.Reader, size uint64) io.ReadCloser {
	s, ok := r.(*io.SectionReader)
	if !ok || s.Size() > maxPacked || size > maxPlain || size > mostGrowth*uint64(s.Size()) {
		return flate.NewReader(r)
	}
	u := unpackings.Get().(*unpacking)
	if plain, ok := u.all(s, int(size)); ok {
		u.plain.Reset(plain)
		return u
	}
	_ = u.Close()
	return flate.NewReader(io.NewSectionReader(s, 0, s.Size()))
}

// all is the whole file.
func (u *unpacking) all(s *io.SectionReader, most int) ([]byte, bool) {
	size := int(s.Size())
	if cap(u.packed) < size {
		u.packed = make([]byte, size)
	}
	u.packed = u.packed[:size]
	if n, err := s.ReadAt(u.packed, 0); n < size && err != nil {
		return nil, false
	}
	return u.inflate(u.packed, most)
}

// Read is for one goroutine.
func (u *unpacking) Read(p []byte) (int, error) { return u.plain.Read(p) }

// Close gives the buffers back. It is called once.
func (u *unpacking) Close() error {
	u.in = nil
	u.plain.Reset(nil)
	unpackings.Put(u)
	return nil
}
