package spool

import (
	"cmp"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"hither/cache"
	"hither/cache/digest"
)

// Overflow goes on in memory when the disk has no room left for the rest of a body that clients are reading already, or none
// for a small one from its first byte on. What went over is served, not kept.
type Overflow struct {
	cache.Writer               // nil: all goes over
	Want         digest.Digest // what Writer checks; zero: nothing
	Room         *Room         // for what goes over
	Most         int64         // so many bytes may go over here; 0: two thirds of Room

	mu   sync.Mutex
	disk int64  // bytes that Writer took
	over []byte // the rest
	full bool
}

// Room bounds the bytes that all fills together hold in memory without a disk. One fill has two thirds of it at most. More fails
// the fill; the client's next try is passed on. The zero value works.
type Room struct {
	Limit int64 // bytes; 0: 96 MiB

	held atomic.Int64
}

// ownRoom is for two large bodies at a time, when a disk is found full in the midst of them.
const ownRoom = 96 << 20

func (r *Room) limit() int64 { return cmp.Or(r.Limit, ownRoom) }

// Held is how many bytes are held now.
func (r *Room) Held() int64 { return r.held.Load() }

// Write goes on in memory where the disk ends. It returns [cache.ErrFull] when the bounds are reached.
func (o *Overflow) Write(p []byte) (int, error) {
	n := 0
	if !o.isFull() {
		var err error
		n, err = o.Writer.Write(p)
		o.mu.Lock()
		o.disk += int64(n)
		o.full = err != nil
		o.mu.Unlock()
		if err == nil {
			return n, nil
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	more := int64(len(p) - n)
	if int64(len(o.over))+more > cmp.Or(o.Most, o.Room.limit()*2/3) || o.Room.Held()+more > o.Room.limit() {
		return n, cache.ErrFull
	}
	o.Room.held.Add(more)
	o.over = append(o.over, p[n:]...)
	return len(p), nil
}

// Close gives back the memory too.
func (o *Overflow) Close() error {
	o.mu.Lock()
	o.Room.held.Add(-int64(len(o.over)))
	o.over = nil
	o.mu.Unlock()
	if o.Writer == nil {
		return nil
	}
	return o.Writer.Close()
}

// ReadAt reads what was written, as [io.ReaderAt] does; also while more comes.
func (o *Overflow) ReadAt(p []byte, off int64) (int, error) {
	o.mu.Lock()
	disk, over := o.disk, o.over
	o.mu.Unlock()
	n := 0
	if off < disk {
		var err error
		n, err = o.Writer.ReadAt(p[:min(int64(len(p)), disk-off)], off)
		if err != nil && !errors.Is(err, io.EOF) || n == len(p) || off+int64(n) < disk {
			return n, err
		}
	}
	if at := off + int64(n) - disk; at < int64(len(over)) {
		n += copy(p[n:], over[at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// isFull says that it is not whole on the disk.
func (o *Overflow) isFull() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.full || o.Writer == nil
}

// Commit checks the bytes and publishes them if they may be. It returns the name they are kept under; zero if they are
// not kept, because there is no room or publish is false.
func (s *Spool) Commit(want digest.Digest, publish bool) (digest.Digest, error) {
	w, checked := s.w, false
	keep := publish && !w.isFull()
	if want != w.Want || !keep { // an authority spoke late, or named no digest of the bytes as they are
		if err := check(w, want, s.Length()); err != nil {
			return "", err
		}
		checked = true
	}
	if !keep {
		return "", nil
	}
	err := w.Commit()
	switch {
	case err == nil:
		return w.Digest(), nil
	case errors.Is(err, digest.ErrMismatch):
		return "", err
	case checked:
		return "", nil // the disk failed us, the bytes are right
	}
	return "", check(w, want, s.Length())
}

// check compares what was spooled with want; nothing is wanted if nobody vouches.
func check(body io.ReaderAt, want digest.Digest, size int64) error {
	if want == "" {
		return nil
	}
	return want.Check(body, size)
}
