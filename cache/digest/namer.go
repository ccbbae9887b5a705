package digest

import (
	"crypto/sha256"
	"hash"
	"io"
)

// Namer finds the digest under which bytes are kept while it checks the one they were asked for by: Write them all, in
// order, then ask Name once. It is for one goroutine. Make it with [NewNamer].
type Namer struct {
	want  Digest
	check Verifier  // nil: nobody has said which bytes
	sum   hash.Hash // nil: want itself is the name
}

// NewNamer begins with the digest that the bytes must have. Bytes asked for by the zero digest, or by a weak one, are
// named by their sha256.
func NewNamer(want Digest) *Namer {
	n := &Namer{want: want}
	if want != "" {
		n.check = want.Verifier()
	}
	if want == "" || want.Weak() {
		n.sum = sha256.New()
	}
	return n
}

// Write takes the next bytes. It never fails.
func (n *Namer) Write(p []byte) (int, error) {
	if n.check != nil {
		_, _ = n.check.Write(p) // hashes do not fail
	}
	if n.sum != nil {
		n.sum.Write(p)
	}
	return len(p), nil
}

// Name returns the digest the bytes are kept under, or an error of Verifier.Verify. Body and size are as there.
func (n *Namer) Name(body io.ReaderAt, size int64) (Digest, error) {
	if n.check != nil {
		if err := n.check.Verify(body, size); err != nil {
			return "", err
		}
	}
	if n.sum != nil {
		return Of(SHA256, n.sum.Sum(nil)), nil
	}
	return n.want, nil
}
