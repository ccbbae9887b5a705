package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"
	modzip "golang.org/x/mod/zip"
)

// sumName is what the checksum database is called, as in the shipped rule file. Its key is the world's own.
const sumName = "sum.golang.org"

// goOrigin is a module proxy with generated modules and the checksum database that knows them all.
type goOrigin struct {
	*wire       // the module proxy; https, as proxy.golang.org
	sum   *wire // the checksum database; plain http, which its signatures do not mind
	*goShelf
}

// goShelf is what a module proxy has to give. All worlds share one, because nothing in it changes.
type goShelf struct {
	modules []goModule // each requires some of those behind it
	files   map[string][]byte
	sumKey  string // verifies the checksum database: GOSUMDB
	sumdb   http.Handler
}

type goModule struct {
	module.Version
	mod, zip []byte
	sums     []byte // its lines in go.sum
}

// goGoods is 125 modules and the checksum database that knows them all.
var goGoods = sync.OnceValue(func() *goShelf {
	s := &goShelf{files: map[string][]byte{}}
	for i := 124; i >= 0; i-- {
		s.add(newGoModule(i))
	}
	s.sign(s.modules...)
	return s
})

// goWorld starts a module proxy and its checksum database. Mirrors are made with w.serve(origin.handler).
func (w *world) goWorld() *goOrigin {
	w.t.Helper()
	return w.goWorldOf(goGoods())
}

// youngGoWorld is goWorld with a checksum database that knows nothing yet: like the real one, it grows while it is asked.
func (w *world) youngGoWorld() *goOrigin {
	w.t.Helper()
	shelf := *goGoods()
	shelf.sign()
	return w.goWorldOf(&shelf)
}

func (w *world) goWorldOf(shelf *goShelf) *goOrigin {
	w.t.Helper()
	o := &goOrigin{goShelf: shelf}
	o.sum = w.serve(o.sumdb)
	mux := http.NewServeMux()
	mux.HandleFunc("/sumdb/"+sumName+"/supported", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/sumdb/"+sumName+"/", http.StripPrefix("/sumdb/"+sumName, o.sumdb))
	mux.HandleFunc("/", o.answer)
	o.wire = w.serveTLS("proxy.golang.org", mux)
	return o
}

// goRule writes the world's go.toml.
func (w *world) goRule(o *goOrigin, mirrors ...*wire) {
	w.t.Helper()
	w.rule("go", []map[string]any{
		{"name": "proxy.golang.org", "origin": []string{o.URL}},
		{"name": sumName, "prefix": "/sumdb/" + sumName, "origin": []string{o.sum.URL}, "key": o.sumKey},
	}, mirrors...)
}

// goProject makes a module that requires all others, as go.mod files of today do, and has no go.sum yet.
func (w *world) goProject(o *goOrigin, name string) string {
	w.t.Helper()
	var mod, source strings.Builder
	mod.WriteString("module example.com/project\n\ngo 1.22\n\nrequire (\n")
	source.WriteString("package main\n\nimport (\n")
	for _, m := range o.modules {
		fmt.Fprintf(&mod, "\t%s %s\n", m.Path, m.Version.Version)
		fmt.Fprintf(&source, "\t_ %q\n", m.Path)
	}
	mod.WriteString(")\n")
	source.WriteString(")\n\nfunc main() {}\n")
	w.write(filepath.Join(name, "main.go"), []byte(source.String()))
	return filepath.Dir(w.write(filepath.Join(name, "go.mod"), []byte(mod.String())))
}

// newGoModule makes module i. Some are there for their names: capitals, a pseudo-version, a major version without go.mod.
func newGoModule(i int) goModule {
	m := goModule{Version: goVersion(i)}
	m.mod = goMod(i)
	files := []modzip.File{
		memFile{name: "lib.go", data: fmt.Appendf(nil, "// Package lib is module %d.\npackage lib\n\nconst N = %d\n", i, i)},
	}
	if !strings.HasSuffix(m.Version.Version, "+incompatible") {
		files = append(files, memFile{name: "go.mod", data: m.mod})
	}
	if i%25 == 5 {
		files = append(files, memFile{name: "data.bin", data: noise(uint64(i), 1<<20)})
	}
	var zip bytes.Buffer
	made(modzip.Create(&zip, m.Version, files))
	m.zip = zip.Bytes()
	m.sums = goSums(m, files)
	return m
}

func goVersion(i int) module.Version {
	m := module.Version{Path: fmt.Sprintf("world.test/m%03d", i), Version: "v1.2.3"}
	switch i % 10 {
	case 3:
		m.Path = fmt.Sprintf("world.test/BurntSushi/m%03d", i)
	case 6:
		m.Version = "v0.0.0-20240102030405-0123456789ab"
	case 9:
		m.Version = "v2.0.0+incompatible"
	}
	return m
}

// goMod requires up to three modules behind this one; what has no go.mod of its own requires nothing.
func goMod(i int) []byte {
	mod := fmt.Sprintf("module %s\n", goVersion(i).Path)
	if i%10 == 9 {
		return []byte(mod)
	}
	mod += "\ngo 1.22\n"
	for _, j := range []int{i + 1, 2*i + 1, 3*i + 7} {
		if j < 125 {
			v := goVersion(j)
			mod += fmt.Sprintf("\nrequire %s %s\n", v.Path, v.Version)
		}
	}
	return []byte(mod)
}

// goSums is what the checksum database says of a module.
func goSums(m goModule, files []modzip.File) []byte {
	names, open := []string{}, map[string][]byte{}
	for _, f := range files {
		name := m.String() + "/" + f.Path()
		names, open[name] = append(names, name), f.(memFile).data
	}
	zip := h1(names, open)
	mod := h1([]string{"go.mod"}, map[string][]byte{"go.mod": m.mod})
	v := m.Version
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", v.Path, v.Version, zip, v.Path, v.Version, mod)
}

func h1(names []string, data map[string][]byte) string {
	sum, err := dirhash.Hash1(names, func(name string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data[name])), nil
	})
	made(err)
	return sum
}

func (s *goShelf) add(m goModule) {
	path, err := module.EscapePath(m.Path)
	made(err)
	version, err := module.EscapeVersion(m.Version.Version)
	made(err)
	info := fmt.Appendf(nil, `{"Version":%q,"Time":"2024-01-02T03:04:05Z"}`, m.Version.Version)
	base := "/" + path + "/@v/"
	s.files[base+version+".info"], s.files["/"+path+"/@latest"] = info, info
	s.files[base+version+".mod"] = m.mod
	s.files[base+version+".zip"] = m.zip
	s.files[base+"list"] = []byte(m.Version.Version + "\n")
	s.modules = append(s.modules, m)
}

// answer serves a module proxy's paths with the headers of the real one.
func (o *goOrigin) answer(w http.ResponseWriter, r *http.Request) {
	data, ok := o.files[r.URL.Path]
	if !ok {
		w.Header().Set("Cache-Control", "public, max-age=60")
		http.Error(w, "not found: no such module in the false world", http.StatusNotFound)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=10800")
	if strings.HasSuffix(r.URL.Path, "/list") || strings.HasSuffix(r.URL.Path, "/@latest") {
		w.Header().Set("Cache-Control", "public, max-age=60")
	}
	w.Header().Set("Content-Type", goType(r.URL.Path))
	w.Header().Set("ETag", etagOf(data))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func goType(path string) string {
	switch {
	case strings.HasSuffix(path, ".zip"):
		return "application/zip"
	case strings.HasSuffix(path, ".info"), strings.HasSuffix(path, "/@latest"):
		return "application/json"
	}
	return "text/plain; charset=UTF-8"
}

// sign makes a checksum database that knows some modules from the start and learns the others when it is asked for them.
func (s *goShelf) sign(known ...goModule) {
	signer, verifier, err := note.GenerateKey(nil, sumName)
	made(err)
	ops := sumdb.NewTestServer(signer, s.sums)
	for _, m := range known {
		_, err := ops.Lookup(context.Background(), m.Version)
		made(err)
	}
	s.sumKey, s.sumdb = verifier, sumdb.NewServer(ops)
}

func (s *goShelf) sums(path, version string) ([]byte, error) {
	for _, m := range s.modules {
		if m.Path == path && m.Version.Version == version {
			return m.sums, nil
		}
	}
	return nil, fs.ErrNotExist
}

// memFile is a file of a module that was never on a disk.
type memFile struct {
	name string
	data []byte
}

func (f memFile) Path() string                 { return f.name }
func (f memFile) Lstat() (fs.FileInfo, error)  { return memInfo{f}, nil }
func (f memFile) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.data)), nil }

type memInfo struct{ memFile }

func (i memInfo) Name() string     { return filepath.Base(i.name) }
func (i memInfo) Size() int64      { return int64(len(i.data)) }
func (memInfo) Mode() fs.FileMode  { return 0o644 }
func (memInfo) ModTime() time.Time { return time.Time{} }
func (memInfo) IsDir() bool        { return false }
func (memInfo) Sys() any           { return nil }

// noise is n bytes that no coding makes shorter, the same for the same seed.
func noise(seed uint64, n int) []byte {
	data := make([]byte, n)
	_, err := newNoise(seed).Read(data)
	if err != nil {
		panic(err) // ChaCha8 has no errors
	}
	return data
}

func newNoise(seed uint64) *rand.ChaCha8 {
	return rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, seed)))
}

// etagOf is a strong validator.
func etagOf(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// goDirect is the environment of a go command without Hither.
func (w *world) goDirect(o *goOrigin, name string) []string {
	w.t.Helper()
	return w.clientEnv(name, append(proxied(w.relay().addr, w.roots), "GOPROXY=https://proxy.golang.org", "GOSUMDB="+o.sumKey)...)
}
