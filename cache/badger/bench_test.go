package badger

import (
	"bytes"
	"io"
	"testing"

	"hither/cache"
)

func openBench(b *testing.B) *Store {
	s, err := Open(Options{Dir: b.TempDir(), Limit: 4 << 30, Floor: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

func BenchmarkFill(b *testing.B) {
	s := openBench(b)
	body, _ := io.ReadAll(noise(1, 64<<20))
	b.SetBytes(int64(len(body)))
	for i := 0; b.Loop(); i++ {
		body[0], body[1] = byte(i), byte(i>>8)
		if _, err := commit(s, "", bytes.NewReader(body), true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFillSmall(b *testing.B) {
	s := openBench(b)
	body, _ := io.ReadAll(noise(1, 5000))
	for i := 0; b.Loop(); i++ {
		body[0], body[1], body[2] = byte(i), byte(i>>8), byte(i>>16)
		d, err := commit(s, "", bytes.NewReader(body), true)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Bind(b.Context(), cache.Name("n/"+d), cache.Entry{Digest: d}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadWhatIsFilled is what a fetch does: it fills, reads what it has for a check of files in it, and again for the
// client.
func BenchmarkReadWhatIsFilled(b *testing.B) {
	s := openBench(b)
	body, _ := io.ReadAll(noise(1, 2<<20))
	b.SetBytes(int64(len(body)))
	for i := 0; b.Loop(); i++ {
		body[0], body[1], body[2] = byte(i), byte(i>>8), byte(i>>16)
		w, err := s.Create(b.Context(), "")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, io.NewSectionReader(w, 0, int64(len(body))))
		if err := w.Commit(); err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, io.NewSectionReader(w, 0, int64(len(body))))
		w.Close()
	}
}

func BenchmarkRead(b *testing.B) {
	s := openBench(b)
	d, err := commit(s, "", noise(1, 64<<20), true)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(64 << 20)
	for b.Loop() {
		blob, err := s.Open(b.Context(), d)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, blob)
		blob.Close()
	}
}

func BenchmarkOpenSmall(b *testing.B) {
	s := openBench(b)
	d, err := commit(s, "", noise(1, 5000), true)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		blob, err := s.Open(b.Context(), d)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, blob)
		blob.Close()
	}
}
