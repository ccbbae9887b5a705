package digest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"strings"
	"testing"
)

func sumOf(a Algorithm, text string) Digest {
	switch a {
	case SHA1:
		sum := sha1.Sum([]byte(text))
		return Of(a, sum[:])
	case SHA512:
		sum := sha512.Sum512([]byte(text))
		return Of(a, sum[:])
	}
	sum := sha256.Sum256([]byte(text))
	return Of(a, sum[:])
}

func sri(a Algorithm, text string) string {
	sum := sha512.Sum512([]byte(text))
	b := sum[:]
	switch a {
	case SHA256:
		s := sha256.Sum256([]byte(text))
		b = s[:]
	case SHA1:
		s := sha1.Sum([]byte(text))
		b = s[:]
	}
	return string(a) + "-" + base64.StdEncoding.EncodeToString(b)
}

func TestParse(t *testing.T) {
	hello := sumOf(SHA256, "hello")
	for _, c := range []struct {
		name, in string
		want     Digest
		bad      bool
	}{
		{"a canonical digest is itself", hello.String(), hello, false},
		{"hex may be in capitals", "sha256:" + strings.ToUpper(hello.Sum()), hello, false},
		{"h1 is base64", sumOf(H1, "x").String(), sumOf(H1, "x"), false},
		{"h1-mod is another thing than h1", sumOf(H1Mod, "x").String(), sumOf(H1Mod, "x"), false},
		{"a short sum is none", "sha256:abcd", "", true},
		{"a long sum is none", hello.String() + "00", "", true},
		{"an unknown algorithm is none", "md5:d41d8cd98f00b204e9800998ecf8427e", "", true},
		{"no colon is none", hello.Sum(), "", true},
		{"nothing is none", "", "", true},
		{"base64 with bits left over is none", "h1:" + strings.Repeat("A", 42) + "B=", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(c.in)
			if got != c.want || (err != nil) != c.bad {
				t.Errorf("Parse(%q)\n got %q, %v\nwant %q, bad %v", c.in, got, err, c.want, c.bad)
			}
		})
	}
}

func TestParseSRI(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     Digest
		bad      bool
	}{
		{"one digest", sri(SHA512, "x"), sumOf(SHA512, "x"), false},
		{"the strongest wins, wherever it stands", sri(SHA1, "x") + " " + sri(SHA512, "x") + " " + sri(SHA256, "x"), sumOf(SHA512, "x"), false},
		{"options are not part of the sum", sri(SHA512, "x") + "?ct=application/gzip", sumOf(SHA512, "x"), false},
		{"unknown algorithms are passed over", "sha384-AAAA " + sri(SHA256, "x"), sumOf(SHA256, "x"), false},
		{"only unknown algorithms is none", "sha384-AAAA", "", true},
		{"a damaged sum is an error, not passed over", "sha512-AAAA " + sri(SHA1, "x"), "", true},
		{"h1 is not of this family", "h1-" + base64.StdEncoding.EncodeToString(make([]byte, 32)), "", true},
		{"nothing is none", " ", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseSRI(c.in)
			if got != c.want || (err != nil) != c.bad {
				t.Errorf("ParseSRI(%q)\n got %q, %v\nwant %q, bad %v", c.in, got, err, c.want, c.bad)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", ":", "sha256:", "h1:====", "sha1:zz", sumOf(SHA256, "a").String(), sumOf(H1, "a").String()} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse(s)
		if err != nil {
			if d != "" {
				t.Errorf("Parse(%q) gave %q beside an error", s, d)
			}
			return
		}
		if again, err := Parse(d.String()); again != d || err != nil {
			t.Errorf("Parse(%q) is not canonical\n got %q, %v\nwant %q", s, again, err, d)
		}
	})
}

func FuzzParseSRI(f *testing.F) {
	for _, s := range []string{"", "-", "sha512-", sri(SHA512, "a"), sri(SHA1, "a") + "?x " + sri(SHA256, "b")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseSRI(s)
		if err != nil {
			return
		}
		if again, err := Parse(d.String()); again != d || err != nil {
			t.Errorf("ParseSRI(%q) is not canonical\n got %q, %v\nwant %q", s, again, err, d)
		}
		if !bytes.Contains([]byte(s), []byte("-")) {
			t.Errorf("ParseSRI(%q) found %q without a dash", s, d)
		}
	})
}
