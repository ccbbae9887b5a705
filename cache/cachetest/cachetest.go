// Package cachetest is what every store promises. A store signs by passing:
//
//	func TestPromises(t *testing.T) {
//		cachetest.Test(t, func(t *testing.T) cache.Store { return &mem.Store{Limit: cachetest.Limit} })
//	}
//
// A store that outlives its process signs TestReopen too.
package cachetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"hither/cache"
	"hither/cache/digest"
)

// Limit is the cap, in bytes of blobs, of the stores that Test opens: large enough for several blobs of several chunks,
// small enough to be filled in no time.
const Limit = 8 << 20

// Test checks the promises of cache.Store. Open returns a new, empty store with a cap of Limit; Test closes it.
func Test(t *testing.T, open func(t *testing.T) cache.Store) {
	for _, promises := range [][]promise{aboutNames, aboutBlobs, aboutWriters, aboutRoom, aboutCrowds, aboutClosing} {
		for _, p := range promises {
			t.Run(p.sentence, func(t *testing.T) {
				w := world{t: t, Store: open(t)}
				defer w.Close()
				p.check(w)
			})
		}
	}
}

// TestReopen checks what a store promises to its next process. Open returns the store that is kept in dir.
func TestReopen(t *testing.T, open func(t *testing.T, dir string) cache.Store) {
	dir := t.TempDir()
	w := world{t: t, Store: open(t, dir)}
	d := w.fill("", content(1, 700_000))
	w.bind("name", cache.Entry{Digest: d, Size: 700_000})
	gone := w.fill("", content(2, 10_000))
	w.must(w.Remove(w.ctx(), gone))
	half := w.create("")
	w.write(half, content(3, 600_000))
	before := w.usage()
	w.must(w.Close())
	half.Close() // too late to tidy up: the next process has to

	w = world{t: t, Store: open(t, dir)}
	defer w.Close()
	w.wantBlob(d, content(1, 700_000))
	w.wantGone(gone)
	w.want("what the name is bound to", w.lookup("name").Digest, d)
	after := w.usage()
	w.want("blobs after opening again", after.Blobs, before.Blobs)
	w.want("bytes after opening again", after.Bytes, before.Bytes)
	w.want("names after opening again", after.Names, before.Names)
	w.wantBlob(w.fill("", content(3, 600_000)), content(3, 600_000))
}

// promise is one thing that a store promises, and how to see whether it does.
type promise struct {
	sentence string
	check    func(world)
}

// world is a store under test, with what every check needs. Its methods fail the test at once.
type world struct {
	t *testing.T
	cache.Store
}

func (w world) ctx() context.Context { return w.t.Context() }

func (w world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w world) want(what string, got, want any) {
	w.t.Helper()
	if got != want {
		w.t.Fatalf("%s\n got %v\nwant %v", what, got, want)
	}
}

func (w world) wantErr(what string, got, want error) {
	w.t.Helper()
	if !errors.Is(got, want) {
		w.t.Fatalf("%s\n got %v\nwant %v", what, got, want)
	}
}

func (w world) wantBytes(what string, got, want []byte) {
	w.t.Helper()
	if !bytes.Equal(got, want) {
		w.t.Fatalf("%s\n got %d bytes, sha256 %x\nwant %d bytes, sha256 %x", what, len(got), sha256.Sum256(got), len(want), sha256.Sum256(want))
	}
}

func (w world) lookup(name cache.Name) cache.Entry {
	w.t.Helper()
	e, err := w.Lookup(w.ctx(), name)
	w.must(err)
	return e
}

func (w world) bind(name cache.Name, e cache.Entry) {
	w.t.Helper()
	w.must(w.Bind(w.ctx(), name, e))
}

func (w world) create(want digest.Digest) cache.Writer {
	w.t.Helper()
	writer, err := w.Create(w.ctx(), want)
	w.must(err)
	w.t.Cleanup(func() { writer.Close() })
	return writer
}

func (w world) write(writer cache.Writer, body []byte) {
	w.t.Helper()
	n, err := writer.Write(body)
	w.must(err)
	w.want("bytes taken", n, len(body))
}

// fill commits body and returns the name it is kept under.
func (w world) fill(want digest.Digest, body []byte) digest.Digest {
	w.t.Helper()
	writer := w.create(want)
	w.write(writer, body)
	w.must(writer.Commit())
	w.must(writer.Close())
	return writer.Digest()
}

func (w world) open(d digest.Digest) cache.Blob {
	w.t.Helper()
	b, err := w.Open(w.ctx(), d)
	w.must(err)
	w.t.Cleanup(func() { b.Close() })
	return b
}

func (w world) wantBlob(d digest.Digest, want []byte) {
	w.t.Helper()
	b := w.open(d)
	defer b.Close()
	w.want("size", b.Size(), int64(len(want)))
	got, err := io.ReadAll(b)
	w.must(err)
	w.wantBytes("blob "+d.String(), got, want)
}

func (w world) wantGone(d digest.Digest) {
	w.t.Helper()
	b, err := w.Open(w.ctx(), d)
	if err == nil {
		b.Close()
	}
	w.wantErr("opening "+d.String(), err, cache.ErrNotFound)
}

func (w world) usage() cache.Usage {
	w.t.Helper()
	u, err := w.Usage(w.ctx())
	w.must(err)
	return u
}

// content is n bytes that do not compress, the same for the same seed.
func content(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func sha(body []byte) digest.Digest {
	sum := sha256.Sum256(body)
	return digest.Of(digest.SHA256, sum[:])
}

// noon is a time as entries carry it.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)
