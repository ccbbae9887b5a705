//go:build linux

package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// object is a blob of the registry. Its bytes follow from its name alone, so that every mirror has it without any disk.
type object struct {
	name   string
	size   int64
	digest string // sha256 in hex
}

// newObject reads the whole object once, for its digest.
func newObject(name string, size int64) (object, error) {
	o := object{name: name, size: size}
	h := sha256.New()
	if _, err := io.Copy(h, o.open()); err != nil {
		return o, fmt.Errorf("make the object %s: %w", name, err)
	}
	o.digest = hex.EncodeToString(h.Sum(nil))
	return o, nil
}

// path is where the registry has it.
func (o object) path() string { return "/v2/lab/blobs/sha256:" + o.digest }

// open returns its bytes. They are AES in counter mode over zeros: as random as anything, and any place is reached at once.
func (o object) open() *content {
	return &content{key: sha256.Sum256([]byte("hither lab " + o.name)), size: o.size}
}

// content is an io.ReadSeeker over the bytes of an object.
type content struct {
	key    [sha256.Size]byte
	size   int64
	at     int64
	stream cipher.Stream // at at; nil: to be made
}

// Read fills p as far as there is something.
func (c *content) Read(p []byte) (int, error) {
	if c.at >= c.size {
		return 0, io.EOF
	}
	if c.stream == nil {
		if err := c.begin(); err != nil {
			return 0, err
		}
	}
	p = p[:min(int64(len(p)), c.size-c.at)]
	clear(p)
	c.stream.XORKeyStream(p, p)
	c.at += int64(len(p))
	return len(p), nil
}

// begin sets the counter to the block that holds at, and passes over what stands before it there.
func (c *content) begin() error {
	block, err := aes.NewCipher(c.key[:])
	if err != nil {
		return err
	}
	var counter, skip [aes.BlockSize]byte
	binary.BigEndian.PutUint64(counter[8:], uint64(c.at/aes.BlockSize))
	c.stream = cipher.NewCTR(block, counter[:])
	before := skip[:c.at%aes.BlockSize]
	c.stream.XORKeyStream(before, before)
	return nil
}

// Seek implements io.Seeker.
func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.at
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, errors.New("a seek before the beginning")
	}
	c.at, c.stream = offset, nil
	return offset, nil
}
