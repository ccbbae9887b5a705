//go:build linux

package lab

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
)

// Content is an io.ReadSeeker over bytes that follow from a name alone, so that they need no disk. They are AES in counter
// mode over zeros: as random as anything, and any place is reached at once.
type Content struct {
	key    [sha256.Size]byte
	size   int64
	at     int64
	stream cipher.Stream // at at; nil: to be made
}

// NewContent begins at the first byte.
func NewContent(name string, size int64) *Content {
	return &Content{key: sha256.Sum256([]byte("hither lab " + name)), size: size}
}

// Read fills p as far as there is something.
func (c *Content) Read(p []byte) (int, error) {
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
func (c *Content) begin() error {
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
func (c *Content) Seek(offset int64, whence int) (int64, error) {
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
