package e2e_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"
)

// bigBlob is bytes that nobody ever holds: they are made where they are read. It is a blob of the image library/big.
type bigBlob struct {
	size   int64
	digest string
	half   chan struct{} // closed: the second half is sent too
}

// newBigBlob takes some seconds to learn its own name.
func newBigBlob(size int64) (*bigBlob, error) {
	b := &bigBlob{size: size, half: make(chan struct{})}
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(b, 0, size)); err != nil {
		return nil, err
	}
	b.digest = "sha256:" + hex.EncodeToString(hash.Sum(nil))
	return b, nil
}

// ReadAt is AES in counter mode over nothing, which can begin anywhere.
func (b *bigBlob) ReadAt(p []byte, offset int64) (int, error) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		return 0, err
	}
	iv := make([]byte, aes.BlockSize)
	binary.BigEndian.PutUint64(iv[8:], uint64(offset)/aes.BlockSize)
	stream := cipher.NewCTR(block, iv)
	skip := make([]byte, offset%aes.BlockSize)
	stream.XORKeyStream(skip, skip)
	clear(p)
	stream.XORKeyStream(p, p)
	return len(p), nil
}

// ServeHTTP serves the one blob, with ranges, and holds the second half back until the test lets go of it.
func (b *bigBlob) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v2/" {
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/blobs/"+b.digest) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Docker-Content-Digest", b.digest)
	body := &heldBack{io.NewSectionReader(b, 0, b.size), r.Context(), b}
	http.ServeContent(w, r, "", time.Time{}, body)
}

// heldBack reads the first half at once and the second half when the blob's gate is open.
type heldBack struct {
	*io.SectionReader
	ctx  context.Context
	blob *bigBlob
}

func (h *heldBack) Read(p []byte) (int, error) {
	at, err := h.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	if at >= h.blob.size/2 {
		select {
		case <-h.blob.half:
		case <-h.ctx.Done():
			return 0, h.ctx.Err()
		}
	}
	return h.SectionReader.Read(p)
}
