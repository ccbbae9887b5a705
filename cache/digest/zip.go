package digest

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/dirhash"
)

const (
	// maxZip is the largest module zip in bytes: cmd/go refuses more (golang.org/x/mod/zip MaxZipFile).
	maxZip = 500 << 20
	// maxDirectory bounds what may be read to find a zip's files, in bytes. Each entry of 47 bytes costs us some 300 in
	// memory, and nothing else limits how many a stranger writes. 100 000 files with long names take 16 MiB.
	maxDirectory = 32 << 20
	// maxUnpacked bounds what the files of a zip may unpack to, in bytes. cmd/go refuses more than 500 MiB, but a toolchain
	// or a future limit may be larger; without a bound, a mirror's zip bomb of 500 MiB keeps a core busy for 500 GiB.
	maxUnpacked = 2 << 30
)

// zipVerifier is for h1. The central directory at the end of a zip decides what is in it, so nothing is hashed before.
type zipVerifier struct{ want Digest }

func (v *zipVerifier) Write(p []byte) (int, error) { return len(p), nil }

func (v *zipVerifier) Verify(body io.ReaderAt, size int64) error {
	if size > maxZip {
		return fmt.Errorf("%w: a module zip of %d bytes, and cmd/go takes no more than %d; want %s", ErrMismatch, size, maxZip, v.want)
	}
	source := &zipSource{ReaderAt: body}
	got, err := hashZip(source, size)
	if source.err != nil {
		return source.err
	}
	if err != nil {
		return fmt.Errorf("%w: %w; want %s", ErrMismatch, err, v.want)
	}
	return compare(Digest(got), v.want)
}

// hashZip is dirhash.HashZip over a ReaderAt, with bounds.
func hashZip(source *zipSource, size int64) (string, error) {
	source.left = maxDirectory
	archive, err := zip.NewReader(source, size)
	if err != nil {
		return "", fmt.Errorf("not a module zip: %w", err)
	}
	source.left = maxUnpacked // also packed: many entries may point to the same bytes, which may unpack to nothing
	var plain uint64          // how large the file is that is opened
	archive.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return unpack(r, plain) })
	var names []string
	files := make(map[string]*zip.File, len(archive.File))
	for _, f := range archive.File {
		names = append(names, f.Name)
		files[f.Name] = f // of two with one name the last counts, as in dirhash.HashZip
	}
	left := int64(maxUnpacked)
	return dirhash.Hash1(names, func(name string) (io.ReadCloser, error) {
		plain = files[name].UncompressedSize64
		r, err := files[name].Open()
		return &boundedFile{ReadCloser: r, left: &left}, err
	})
}

var errZipTooLarge = errors.New("the zip is too large inside")

// zipSource tells trouble with the disk from trouble with the zip, and bounds what is read.
type zipSource struct {
	io.ReaderAt
	left int64 // bytes that may still be read
	err  error // of the ReaderAt
}

func (s *zipSource) ReadAt(p []byte, off int64) (int, error) {
	if s.left -= int64(len(p)); s.left < 0 {
		return 0, errZipTooLarge
	}
	if off < 0 { // archive/zip asks so when a directory lies about where it begins; the disk is not to blame
		return 0, errors.New("an offset below zero")
	}
	n, err := s.ReaderAt.ReadAt(p, off)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// boundedFile is one file of a zip, whose bytes count against a bound for the whole.
type boundedFile struct {
	io.ReadCloser
	left *int64
}

// WriteTo is for io.Copy, which would allocate a buffer for each of a thousand files: half of all that Hither allocated while a
// cold `go mod download` ran.
func (f *boundedFile) WriteTo(w io.Writer) (int64, error) {
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(w, struct{ io.Reader }{f}, buf[:])
}

func (f *boundedFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if *f.left -= int64(n); *f.left < 0 {
		return 0, errZipTooLarge
	}
	return n, err
}
