package cachetest

import (
	"archive/zip"
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"testing/iotest"

	"golang.org/x/mod/sumdb/dirhash"

	"hither/cache/digest"
)

var aboutBlobs = []promise{
	{"a blob that was never filled is not found", func(w world) {
		w.wantGone(sha([]byte("nobody")))
		w.must(w.Remove(w.ctx(), sha([]byte("nobody"))))
	}},
	{"a committed blob is read back, whatever its size", func(w world) {
		for i, size := range []int{0, 1, 1019, 1020, 1021, 1024, 64<<10 - 1, 64 << 10, 256<<10 - 1, 256 << 10, 256<<10 + 1, 512 << 10, 1<<20 + 3} {
			body := content(byte(i), size)
			d := w.fill(sha(body), body)
			w.want("name", d, sha(body))
			w.wantBlob(d, body)
		}
	}},
	{"a blob is read from anywhere, in steps of any size", func(w world) {
		body := content(7, 700_001)
		b := w.open(w.fill("", body))
		w.must(iotest.TestReader(b, body))
	}},
	{"many read one blob at once", func(w world) {
		body := content(8, 900_000)
		b := w.open(w.fill("", body))
		crowd(w, 8, func(i int) error {
			for off := i * 1000; off < len(body); off += 90_001 {
				p := make([]byte, 70_000)
				n, err := b.ReadAt(p, int64(off))
				if err != nil && !errors.Is(err, io.EOF) {
					return err
				}
				if !bytes.Equal(p[:n], body[off:min(off+len(p), len(body))]) {
					return fmt.Errorf("other bytes at %d", off)
				}
			}
			return nil
		})
	}},
	{"what comes without a digest is named by its sha256", func(w world) {
		w.want("name", w.fill("", content(1, 5000)), sha(content(1, 5000)))
	}},
	{"a weak digest is checked, and the blob is named by its sha256", func(w world) {
		body := content(2, 5000)
		sum := sha1.Sum(body)
		weak := digest.Of(digest.SHA1, sum[:])
		w.want("name", w.fill(weak, body), sha(body))
		w.wantBlob(sha(body), body)
		w.wantGone(weak)
		writer := w.create(weak)
		w.write(writer, content(3, 5000))
		w.wantErr("commit of others", writer.Commit(), digest.ErrMismatch)
	}},
	{"a module zip is kept under its h1, packed as it came", func(w world) {
		body, h1 := module(w)
		w.want("name", w.fill(h1, body), h1)
		w.wantBlob(h1, body)
	}},
	{"a removed blob is not found, and who reads it may read on", func(w world) {
		body := content(4, 600_000)
		d := w.fill("", body)
		b := w.open(d)
		w.must(w.Remove(w.ctx(), d))
		w.wantGone(d)
		w.want("bytes kept", w.usage().Bytes, int64(0))
		got, err := io.ReadAll(b)
		w.must(err)
		w.wantBytes("the open blob", got, body)
		w.must(w.Remove(w.ctx(), d))
	}},
	{"a removed blob can be filled again, also while the old one is read", func(w world) {
		body := content(5, 600_000)
		d := w.fill("", body)
		old := w.open(d)
		w.must(w.Remove(w.ctx(), d))
		w.want("name", w.fill("", body), d)
		w.wantBlob(d, body)
		w.must(old.Close())
		w.wantBlob(d, body)
	}},
	{"a closed blob is not read", func(w world) {
		b := w.open(w.fill("", content(6, 100)))
		w.must(b.Close())
		if n, err := b.Read(make([]byte, 10)); n != 0 || err == nil || errors.Is(err, io.EOF) {
			w.t.Errorf("Read after Close\n got %d, %v\nwant an error", n, err)
		}
		b.Close() // twice must not upset the count of readers
		w.wantBlob(sha(content(6, 100)), content(6, 100))
	}},
}

// module is a Go module zip of some 600 KB and its h1.
func module(w world) ([]byte, digest.Digest) {
	var buf bytes.Buffer
	var names []string
	z := zip.NewWriter(&buf)
	for i := range 6 {
		name := fmt.Sprintf("example.com/m@v1.0.0/file%d", 6-i)
		f, err := z.Create(name)
		w.must(err)
		_, err = f.Write(content(byte(6-i), 100_000))
		w.must(err)
		names = append(names, name)
	}
	w.must(z.Close())
	h1, err := dirhash.Hash1(names, func(name string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content(name[len(name)-1]-'0', 100_000))), nil
	})
	w.must(err)
	return buf.Bytes(), digest.Digest(h1)
}
