package notary

import (
	"errors"
	"strings"
	"testing"

	"hither/cache/digest"
	"hither/rules"
)

func TestPath(t *testing.T) {
	long := strings.Repeat("ab", 64)
	for _, c := range []struct {
		name, in string
		want     digest.Digest
		err      error
	}{
		{"a sha256 is believed", "sha256:" + long[:64], digest.Digest("sha256:" + long[:64]), nil},
		{"a sha512 is believed", "sha512:" + long, digest.Digest("sha512:" + long), nil},
		{"capital hex means the same", "sha256:" + strings.ToUpper(long[:64]), digest.Digest("sha256:" + long[:64]), nil},
		{"a sha1 is too weak", "sha1:" + long[:40], "", ErrUnknown},
		{"an h1 does not pin the bytes", "h1:" + strings.TrimPrefix(h1("x"), "h1:"), "", ErrUnknown},
		{"a short sum is none", "sha256:abab", "", ErrUnknown},
		{"an unknown algorithm is none", "blake3:" + long[:64], "", ErrUnknown},
		{"nothing is none", "", "", ErrUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Path{}.Attest(t.Context(), rules.Match{Vars: map[string]string{"digest": c.in}})
			if got.Digest != c.want || !errors.Is(err, c.err) {
				t.Errorf("digest\ngot  %q, %v\nwant %q, %v", got.Digest, err, c.want, c.err)
			}
		})
	}
}
