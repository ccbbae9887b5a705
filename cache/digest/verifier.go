package digest

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Verifier checks bytes against one digest: Write them all, in order, then ask Verify once. It is for one goroutine.
type Verifier interface {
	// Write takes the next bytes. It never fails.
	io.Writer
	// Verify says whether the bytes are the ones: nil, an error wrapping ErrMismatch with got and want, or body's own
	// read error, which says nothing about the bytes. Size is how many bytes there are. Body is read only for h1, whose
	// zip cannot be checked in one pass; it may be nil for the others.
	Verify(body io.ReaderAt, size int64) error
}

// Verifier begins a check against d. The zero digest, and one that Parse would refuse, match nothing.
func (d Digest) Verifier() Verifier {
	switch d.Algorithm() {
	case SHA256:
		return &sumVerifier{want: d, sum: sha256.New()}
	case SHA512:
		return &sumVerifier{want: d, sum: sha512.New()}
	case SHA1:
		return &sumVerifier{want: d, sum: sha1.New()}
	case H1Mod:
		return &sumVerifier{want: d, sum: sha256.New(), finish: goModSum}
	case H1:
		return &zipVerifier{want: d}
	}
	return noVerifier{}
}

// Check reads size bytes of body once and says whether they are d's, as Verify does.
func (d Digest) Check(body io.ReaderAt, size int64) error {
	v := d.Verifier()
	if d.Algorithm() != H1 {
		if _, err := io.Copy(v, io.NewSectionReader(body, 0, size)); err != nil {
			return err
		}
	}
	return v.Verify(body, size)
}

// sumVerifier is for digests that are a sum over the bytes as they come.
type sumVerifier struct {
	want   Digest
	sum    hash.Hash
	finish func(sum []byte) []byte // nil: the sum as it is
	n      int64
}

func (v *sumVerifier) Write(p []byte) (int, error) {
	v.n += int64(len(p))
	return v.sum.Write(p)
}

func (v *sumVerifier) Verify(_ io.ReaderAt, size int64) error {
	if v.n != size {
		return fmt.Errorf("%w: %d bytes were hashed, and there are %d", ErrMismatch, v.n, size)
	}
	sum := v.sum.Sum(nil)
	if v.finish != nil {
		sum = v.finish(sum)
	}
	return compare(Of(v.want.Algorithm(), sum), v.want)
}

func compare(got, want Digest) error {
	if got != want {
		return fmt.Errorf("%w: got %s, want %s", ErrMismatch, got, want)
	}
	return nil
}

// goModSum is what dirhash.Hash1 makes of one file named go.mod, from the sha256 of that file.
func goModSum(file []byte) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%x  go.mod\n", file))
	return sum[:]
}

// noVerifier is the check against no digest. To accept anything here would let a forgotten digest pass for a good one.
type noVerifier struct{}

func (noVerifier) Write(p []byte) (int, error) { return len(p), nil }

func (noVerifier) Verify(io.ReaderAt, int64) error {
	return errors.New("no digest to check the bytes against")
}
