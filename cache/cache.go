// Package cache is the vocabulary of what Hither keeps: names, which may change, and blobs, which never do.
//
// A name ("npm/registry.npmjs.org/express") is bound to an [Entry]: which blob it means now, when the origin last said
// so, and the few headers a client needs. A blob is bytes under their digest; it is shared by every name, mirror and
// registry that means the same bytes, and it becomes visible only through [Writer.Commit], which checks the digest.
//
// The stores behind this vocabulary are siblings: badger (on disk), mem (tests, --cache=off, or a disk that does not do), and
// hot, which keeps in memory what another is asked for often. Each signs the promises in cachetest.
package cache

import (
	"context"
	"errors"
	"io"
	"time"

	"hither/cache/digest"
)

var (
	// ErrNotFound reports a name that is not bound, or a blob that is not here (any more).
	ErrNotFound = errors.New("not in the cache")
	// ErrConflict reports a Swap whose old entry is no longer the bound one.
	ErrConflict = errors.New("the cache entry was changed by somebody else")
	// ErrFull reports that there is no room on the disk: pass the bytes through, keep nothing, tell the client nothing.
	ErrFull = errors.New("no room left for the cache")
	// ErrClosed reports a store after Close.
	ErrClosed = errors.New("the cache is closed")
)

// Name is what a changing thing is called: the rule, the host and the normalised path, and behind "#" the variant if one
// path has several (npm's two packument forms). It is at most 8 KiB long.
type Name string

// Entry is what a name means at a time. Entries are values: a store returns copies.
type Entry struct {
	Digest  digest.Digest     `json:"digest,omitempty"`  // the blob; zero if the entry is only a Value
	Size    int64             `json:"size,omitempty"`    // of the blob, in bytes
	Header  map[string]string `json:"header,omitempty"`  // response headers to repeat, canonical keys: Content-Type, Etag, Last-Modified, Docker-Content-Digest …
	Source  string            `json:"source,omitempty"`  // base URL that sent the bytes
	Vouched string            `json:"vouched,omitempty"` // who said which bytes: "gosum", "path", "npm", "client" …; empty: only the origin's TLS
	Stored  time.Time         `json:"stored"`            // when the bytes came
	Checked time.Time         `json:"checked"`           // when the origin last said that they are still the ones; freshness counts from here
	Took    time.Duration     `json:"took,omitempty"`    // what the transfer took, which is what a hit saves
	Value   []byte            `json:"value,omitempty"`   // a few bytes that belong to the name itself, ≤ 4 KiB (a signed tree head)
	Pinned  bool              `json:"pinned,omitempty"`  // never evicted: losing it would lower what we can prove
}

// Store keeps names and blobs. All methods may be called at the same time from many goroutines. An error other than the
// sentinels above means trouble with the disk; the caller then serves without the cache.
type Store interface {
	// Lookup returns what name is bound to, or ErrNotFound. The blob it speaks of may be gone: Open tells.
	Lookup(ctx context.Context, name Name) (Entry, error)
	// Bind makes name mean entry, whatever it meant before.
	Bind(ctx context.Context, name Name, entry Entry) error
	// Swap binds only if the bound entry has old's Digest and Value, else ErrConflict. The zero old means: not bound.
	Swap(ctx context.Context, name Name, old, new Entry) error
	// Forget unbinds name; unbinding what is not bound is no error. The blob stays until it is evicted.
	Forget(ctx context.Context, name Name) error

	// Open reads a committed blob, or returns ErrNotFound. The reader stays good while the blob is evicted under it.
	Open(ctx context.Context, d digest.Digest) (Blob, error)
	// Create begins a blob. With a digest, Commit succeeds only for those bytes; the zero digest asks for whatever
	// comes, named by its sha256. A weak digest is checked too, but the blob is named by its sha256. ErrFull if there
	// is no room. The caller must Close the writer.
	Create(ctx context.Context, want digest.Digest) (Writer, error)
	// Remove drops a blob, as after damage; dropping what is not here is no error.
	Remove(ctx context.Context, d digest.Digest) error

	// Clear unbinds all names but pinned ones, and drops all blobs. Who has one open may read on. What comes meanwhile may stay,
	// and so may the rest when ctx ends.
	Clear(ctx context.Context) error

	// Names calls yield for each bound name until it returns false.
	Names(ctx context.Context, yield func(Name, Entry) bool) error
	// Usage tells what is kept.
	Usage(ctx context.Context) (Usage, error)
	// Close lets running reads end and writes the rest to the disk. Methods return ErrClosed afterwards.
	Close() error
}

// Blob reads bytes that never change. ReadAt may be called from several goroutines, Read and Seek from one. A chunk that
// was damaged on the disk is an error here, never wrong bytes.
type Blob interface {
	io.ReadSeekCloser
	io.ReaderAt
	Size() int64
}

// Writer takes the bytes of one blob. Write, Commit and Close are called from one goroutine; ReadAt from any, also while
// others write: it reads what Write has taken (fewer bytes and io.EOF at the end of that), before and after Commit, until
// Close. Nothing is visible to Open before Commit.
type Writer interface {
	io.Writer
	io.ReaderAt
	// Commit checks the digest and makes the blob visible, at once and wholly; digest.ErrMismatch if the bytes are
	// others. Committing what is already there is no error.
	Commit() error
	// Digest names the committed blob; zero before Commit.
	Digest() digest.Digest
	// Close frees what the writer holds, and all it wrote if Commit did not succeed. It may be called twice.
	Close() error
}

// Usage is what a store keeps, in numbers.
type Usage struct {
	Names  int64 `json:"names"`
	Blobs  int64 `json:"blobs"`
	Bytes  int64 `json:"bytes"`      // of blobs, as a client counts them
	OnDisk int64 `json:"on_disk"`    // what the file system gave, with overhead not yet returned
	Limit  int64 `json:"limit"`      // cap on Bytes; 0: none
	Free   int64 `json:"free"`       // left on the file system; 0: not known
	Floor  int64 `json:"free_floor"` // Free below which nothing new is kept
}
