package digest

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// sources is a module zip of Go's own net/http, or of another directory of its sources.
func sources(t testing.TB, dir string) []byte {
	t.Helper()
	root := os.DirFS(filepath.Join(runtime.GOROOT(), "src", dir)) //nolint:staticcheck // the tests run where Go is
	var files []string
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, path)
		files = append(files, "m@v1/"+path, string(data))
		return err
	})
	if err != nil || len(files) == 0 {
		t.Skip("no sources of Go here:", err)
	}
	return module(t, zip.Deflate, files...)
}

func BenchmarkZip(b *testing.B) {
	for _, dir := range []string{"net", "syscall"} {
		body := sources(b, dir)
		want, err := h1(b, body)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(dir, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := want.Check(bytes.NewReader(body), int64(len(body))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
