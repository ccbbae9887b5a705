package digest

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/dirhash"
)

// module makes a zip of files, name and content by turns, packed by method.
func module(t testing.TB, method uint16, files ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := 0; i < len(files); i += 2 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: files[i], Method: method})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, files[i+1])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// h1 asks the library whose semantics we promise.
func h1(t testing.TB, body []byte) (Digest, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "m.zip")
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := dirhash.HashZip(name, dirhash.Hash1)
	return Digest(text), err
}

func goMod(t testing.TB, text string) Digest {
	t.Helper()
	sum, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return Digest("h1-mod:" + Digest(sum).Sum())
}

func TestVerify(t *testing.T) {
	packed := module(t, zip.Deflate, "m@v1/a.go", "package a", "m@v1/go.mod", "module m")
	stored := module(t, zip.Store, "m@v1/go.mod", "module m", "m@v1/a.go", "package a")
	other := module(t, zip.Deflate, "m@v1/a.go", "package b", "m@v1/go.mod", "module m")
	twice := module(t, zip.Deflate, "m@v1/a.go", "package a", "m@v1/a.go", "package z")
	h1packed, _ := h1(t, packed)
	h1twice, _ := h1(t, twice)
	for _, c := range []struct {
		name  string
		want  Digest
		body  string
		match bool
	}{
		{"sha256 of the bytes", sumOf(SHA256, "hello"), "hello", true},
		{"sha512 of the bytes", sumOf(SHA512, "hello"), "hello", true},
		{"sha1 of the bytes", sumOf(SHA1, "hello"), "hello", true},
		{"sha256 of nothing", sumOf(SHA256, ""), "", true},
		{"sha256 of others", sumOf(SHA256, "hello"), "hallo", false},
		{"a go.mod", goMod(t, "module m\n"), "module m\n", true},
		{"a go.mod that is not the one", goMod(t, "module m\n"), "module n\n", false},
		{"a module zip", h1packed, string(packed), true},
		{"the same files packed otherwise", h1packed, string(stored), true},
		{"a file that differs", h1packed, string(other), false},
		{"a name that comes twice, as cmd/go sees it", h1twice, string(twice), true},
		{"a truncated zip", h1packed, string(packed[:len(packed)-9]), false},
		{"HTML instead of a zip", h1packed, "<html>please log in</html>", false},
		{"nothing instead of a zip", h1packed, "", false},
		{"the h1 of a zip is not the one of a go.mod", Digest("h1:" + goMod(t, "x").Sum()), "x", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := c.want.Verifier()
			for i := range c.body { // byte by byte: the result must not depend on how they come
				v.Write([]byte{c.body[i]})
			}
			err := v.Verify(strings.NewReader(c.body), int64(len(c.body)))
			if c.match != (err == nil) || !c.match && !errors.Is(err, ErrMismatch) {
				t.Errorf("\n got %v\nwant match %v", err, c.match)
			}
			if !c.match && !strings.Contains(err.Error(), c.want.String()) {
				t.Errorf("the error does not tell what was wanted: %v", err)
			}
			if err := c.want.Check(strings.NewReader(c.body), int64(len(c.body))); c.match != (err == nil) {
				t.Errorf("Check\n got %v\nwant match %v", err, c.match)
			}
		})
	}
}

func TestNoDigestMatchesNothing(t *testing.T) {
	for _, d := range []Digest{"", "md5:00", "sha256"} {
		if err := d.Check(strings.NewReader("x"), 1); err == nil {
			t.Errorf("%q let any bytes pass", d)
		}
	}
}

func TestAForgottenWriteIsAMismatch(t *testing.T) {
	v := sumOf(SHA256, "").Verifier()
	if err := v.Verify(nil, 5); !errors.Is(err, ErrMismatch) {
		t.Errorf("\n got %v\nwant %v", err, ErrMismatch)
	}
}

// sickDisk fails where it is damaged.
type sickDisk struct{ io.ReaderAt }

var errSick = errors.New("input/output error")

func (d sickDisk) ReadAt(p []byte, off int64) (int, error) {
	if off < 40 {
		return 0, errSick
	}
	return d.ReaderAt.ReadAt(p, off)
}

func TestTroubleWithTheDiskIsNotAMismatch(t *testing.T) {
	body := module(t, zip.Deflate, "m@v1/a.go", strings.Repeat("package a\n", 1000))
	want, _ := h1(t, body)
	err := want.Check(sickDisk{bytes.NewReader(body)}, int64(len(body)))
	if !errors.Is(err, errSick) || errors.Is(err, ErrMismatch) {
		t.Errorf("\n got %v\nwant %v", err, errSick)
	}
}

// zeros is a huge sparse file.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

func TestAZipIsBounded(t *testing.T) {
	want := sumOf(H1, "x")
	if err := want.Check(zeros{}, maxZip+1); !errors.Is(err, ErrMismatch) {
		t.Errorf("a zip above cmd/go's limit\n got %v\nwant %v", err, ErrMismatch)
	}
	t.Run("in its directory", func(t *testing.T) {
		body := module(t, zip.Store, "a", "1", "b", "2")
		source := &zipSource{ReaderAt: bytes.NewReader(body)}
		_, err := hashZip(source, int64(len(body)))
		if err != nil {
			t.Fatal(err)
		}
		name := strings.Repeat("n", 60_000)
		var files []string
		for i := range maxDirectory / len(name) {
			files = append(files, fmt.Sprint(name, i), "")
		}
		body = module(t, zip.Store, files...)
		if _, err := hashZip(&zipSource{ReaderAt: bytes.NewReader(body)}, int64(len(body))); !errors.Is(err, errZipTooLarge) {
			t.Errorf("\n got %v\nwant %v", err, errZipTooLarge)
		}
	})
	t.Run("in what it unpacks to", func(t *testing.T) {
		left := int64(10)
		f := &boundedFile{ReadCloser: io.NopCloser(zeroReader{}), left: &left}
		n, err := io.Copy(io.Discard, f)
		if !errors.Is(err, errZipTooLarge) || n > 10 {
			t.Errorf("\n got %d bytes, %v\nwant at most 10, %v", n, err, errZipTooLarge)
		}
	})
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p[:1]); return 1, nil }

func FuzzVerifyZip(f *testing.F) {
	good := module(f, zip.Deflate, "m@v1/a.go", "package a", "m@v1/go.mod", "module m")
	f.Add(good)
	f.Add(module(f, zip.Store, "m@v1/a.go", "", "m@v1/a.go", "package z"))
	f.Add(module(f, zip.Store, "dir/", "", "x\ny", "z"))
	f.Add(good[:len(good)-1])
	f.Add(append([]byte("preamble"), good...))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\xff", 18)))
	f.Fuzz(func(t *testing.T, body []byte) {
		want, err := h1(t, body)
		if err != nil {
			want = sumOf(H1, "nothing has this hash")
		}
		got := want.Check(bytes.NewReader(body), int64(len(body)))
		if (got == nil) != (err == nil) {
			t.Errorf("\n got %v\nwant what dirhash says: %v", got, err)
		}
		if got != nil && !errors.Is(got, ErrMismatch) {
			t.Errorf("\n got %v\nwant %v", got, ErrMismatch)
		}
	})
}

func TestNamer(t *testing.T) {
	for _, c := range []struct {
		name       string
		want, kept Digest
		match      bool
	}{
		{"what comes is named by its sha256", "", sumOf(SHA256, "hello"), true},
		{"a weak digest is checked, and not a name", sumOf(SHA1, "hello"), sumOf(SHA256, "hello"), true},
		{"a weak digest of others", sumOf(SHA1, "hallo"), "", false},
		{"a strong digest is the name", sumOf(SHA512, "hello"), sumOf(SHA512, "hello"), true},
		{"a strong digest of others", sumOf(SHA256, "hallo"), "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := NewNamer(c.want)
			io.WriteString(n, "hello")
			got, err := n.Name(strings.NewReader("hello"), 5)
			if got != c.kept || (err == nil) != c.match {
				t.Errorf("\n got %q, %v\nwant %q, match %v", got, err, c.kept, c.match)
			}
		})
	}
}
