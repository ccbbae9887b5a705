// Package digest names bytes by what they are, and checks that they are it.
//
// A [Digest] is the answer of an authority to the question "which bytes?". Registries answer in different words: OCI
// writes sha256:HEX, npm writes sha512-BASE64 (Subresource Integrity), Go writes h1:BASE64, which covers the files of a
// zip but not its encoding. All of them are one type here, so that the cache and the fetcher need not know the registry.
//
//	want, err := digest.Parse("sha256:2c26b46b…")
//	v := want.Verifier()
//	io.Copy(v, body)
//	err = v.Verify(spool, size) // ErrMismatch if the bytes are others
package digest

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Algorithm is a way to make a digest, spelled as in front of the colon.
type Algorithm string

const (
	SHA256 Algorithm = "sha256" // FIPS 180-4; OCI image-spec descriptor.md
	SHA512 Algorithm = "sha512" // FIPS 180-4; npm dist.integrity
	SHA1   Algorithm = "sha1"   // old npm dist.shasum. Weak: never a reason to trust a mirror.
	H1     Algorithm = "h1"     // a Go module zip: golang.org/x/mod/sumdb/dirhash Hash1 over the files in it
	H1Mod  Algorithm = "h1-mod" // a go.mod file: Hash1 over that one file under the name go.mod
)

// ErrMismatch reports bytes that are not the ones the digest names.
var ErrMismatch = errors.New("the bytes do not match the digest")

// Digest is ALGORITHM:SUM in its one canonical spelling: lower-case hex for the sha family, padded base64 for h1.
// The zero value is no digest: nobody has said which bytes. Digests are comparable and safe as map keys.
type Digest string

// sizes tells how many bytes the sum of an algorithm has.
func (a Algorithm) size() int {
	switch a {
	case SHA1:
		return 20
	case SHA256, H1, H1Mod:
		return 32
	case SHA512:
		return 64
	}
	return 0
}

func (a Algorithm) isHex() bool { return a == SHA1 || a == SHA256 || a == SHA512 }

// Of builds the digest of a finished sum. It panics if sum has not the algorithm's length, which is a bug of the caller.
func Of(a Algorithm, sum []byte) Digest {
	if len(sum) != a.size() || len(sum) == 0 {
		panic(fmt.Sprintf("digest: a %s sum of %d bytes", a, len(sum)))
	}
	if a.isHex() {
		return Digest(string(a) + ":" + hex.EncodeToString(sum))
	}
	return Digest(string(a) + ":" + base64.StdEncoding.EncodeToString(sum))
}

// Parse reads ALGORITHM:SUM. Hex may be of either case.
func Parse(s string) (Digest, error) {
	name, text, ok := strings.Cut(s, ":")
	a := Algorithm(name)
	if !ok || a.size() == 0 {
		return "", fmt.Errorf("digest %q: want sha256:HEX, sha512:HEX, sha1:HEX, h1:BASE64 or h1-mod:BASE64", s)
	}
	decode := base64.StdEncoding.Strict().DecodeString
	if a.isHex() {
		decode = hex.DecodeString
	}
	sum, err := decode(text)
	if err != nil || len(sum) != a.size() {
		return "", fmt.Errorf("digest %q: the sum is not %d bytes of %s", s, a.size(), a)
	}
	return Of(a, sum), nil
}

// ParseSRI reads Subresource Integrity metadata (W3C SRI 2, section 3.5: blank-separated ALG-BASE64?OPTIONS) and returns
// its strongest digest. Unknown algorithms are passed over, as the specification asks.
func ParseSRI(s string) (Digest, error) {
	best := Digest("")
	for _, field := range strings.Fields(s) {
		field, _, _ = strings.Cut(field, "?")
		name, text, ok := strings.Cut(field, "-")
		a := Algorithm(name)
		if !ok || !a.isHex() {
			continue
		}
		sum, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(sum) != a.size() {
			return "", fmt.Errorf("integrity %q: the sum is not %d bytes of base64", field, a.size())
		}
		if d := Of(a, sum); best == "" || a.size() > best.Algorithm().size() {
			best = d
		}
	}
	if best == "" {
		return "", fmt.Errorf("integrity %q: no digest that is known here (sha512, sha256, sha1)", s)
	}
	return best, nil
}

// Algorithm is what stands in front of the colon; empty for the zero digest.
func (d Digest) Algorithm() Algorithm {
	name, _, _ := strings.Cut(string(d), ":")
	return Algorithm(name)
}

// Weak reports a digest that an attacker can collide. It may find damage, it must not vouch for a stranger's bytes,
// and nothing is stored under it.
func (d Digest) Weak() bool { return d.Algorithm() == SHA1 }

// Pins reports that the digest fixes every byte, so that ranges of several senders may be joined and a strong ETag made
// of it. The h1 family fixes only what is in a zip, not how it is packed.
func (d Digest) Pins() bool { a := d.Algorithm(); return a == SHA256 || a == SHA512 }

// Sum is the text behind the colon; empty for the zero digest.
func (d Digest) Sum() string {
	_, text, _ := strings.Cut(string(d), ":")
	return text
}

// String is the canonical spelling.
func (d Digest) String() string { return string(d) }
