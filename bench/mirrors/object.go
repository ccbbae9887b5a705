//go:build linux

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"hither/bench/lab"
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

// open returns its bytes.
func (o object) open() *lab.Content { return lab.NewContent(o.name, o.size) }
