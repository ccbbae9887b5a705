package e2e_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// npmHost is the name of the public registry, which the world's certificate and rule file are for.
const npmHost = "registry.npmjs.org"

// npmOrigin is a registry with generated packages.
type npmOrigin struct {
	*wire
	*npmShelf
}

// npmShelf is what a registry has to give. All worlds share one, because nothing in it changes.
type npmShelf struct {
	packages []npmPackage
	full     map[string][]byte // by path: packuments with everything
	short    map[string][]byte // by path: what an installer needs
	tarballs map[string][]byte
}

type npmPackage struct{ name, version string }

// The two documents under one URL (npm/registry docs/responses/package-metadata.md).
const (
	npmFull  = "application/json"
	npmShort = "application/vnd.npm.install-v1+json"
)

// npmGoods is 220 packages, every fifth scoped. Each depends on a few of those behind it.
var npmGoods = sync.OnceValue(func() *npmShelf {
	s := &npmShelf{full: map[string][]byte{}, short: map[string][]byte{}, tarballs: map[string][]byte{}}
	for i := range 220 {
		s.add(i)
	}
	return s
})

// npmWorld starts a registry.
func (w *world) npmWorld() *npmOrigin {
	w.t.Helper()
	o := &npmOrigin{npmShelf: npmGoods()}
	o.wire = w.serveTLS(npmHost, http.HandlerFunc(o.answer))
	return o
}

// npmRule writes the world's npm.toml.
func (w *world) npmRule(o *npmOrigin, mirrors ...*wire) {
	w.t.Helper()
	w.rule("npm", []map[string]any{{"name": npmHost, "origin": []string{o.URL}}}, mirrors...)
}

// yarnRule writes the world's yarn.toml.
func (w *world) yarnRule(o *npmOrigin) {
	w.t.Helper()
	w.rule("yarn", []map[string]any{{"name": "registry.yarnpkg.com", "origin": []string{o.URL}}})
}

// npmProject makes a project that wants every package, and has no lock file yet.
func (w *world) npmProject(o *npmOrigin, name string) string {
	w.t.Helper()
	wants := map[string]string{}
	for _, p := range o.packages {
		wants[p.name] = "^1.0.0"
	}
	file := map[string]any{"name": "project", "version": "1.0.0", "private": true, "dependencies": wants}
	return filepath.Dir(w.write(filepath.Join(name, "package.json"), asJSON(file)))
}

func npmName(i int) string {
	if i%5 == 0 {
		return fmt.Sprintf("@world/pkg-%03d", i)
	}
	return fmt.Sprintf("pkg-%03d", i)
}

// add makes package i with two versions; the newer is the one that is wanted.
func (s *npmShelf) add(i int) {
	name := npmName(i)
	full := map[string]any{
		"_id": name, "name": name, "description": "package of the false world", "readme": strings.Repeat("Read me. ", 200),
		"dist-tags": map[string]string{"latest": "1.1.0"},
		"time":      map[string]string{"created": "2024-01-01T00:00:00.000Z", "1.0.0": "2024-01-01T00:00:00.000Z", "1.1.0": "2024-02-01T00:00:00.000Z"},
	}
	versions := map[string]any{"1.0.0": s.version(i, "1.0.0"), "1.1.0": s.version(i, "1.1.0")}
	full["versions"] = versions
	short := map[string]any{"name": name, "modified": "2024-02-01T00:00:00.000Z", "dist-tags": full["dist-tags"], "versions": versions}
	s.full["/"+name], s.short["/"+name] = asJSON(full), asJSON(short)
	s.packages = append(s.packages, npmPackage{name, "1.1.0"})
}

// version makes one tarball and what the packument says of it.
func (s *npmShelf) version(i int, version string) map[string]any {
	name := npmName(i)
	needs := map[string]string{}
	for _, j := range []int{i + 1, 2*i + 1} {
		if j < 220 {
			needs[npmName(j)] = "^1.0.0"
		}
	}
	manifest := map[string]any{"name": name, "version": version, "main": "index.js", "dependencies": needs}
	files := map[string][]byte{
		"package/package.json": asJSON(manifest),
		"package/index.js":     fmt.Appendf(nil, "module.exports = %d\n", i),
	}
	if i%50 == 7 {
		files["package/data.bin"] = noise(uint64(1000+i), 1<<20)
	}
	data := tarball(files)
	path := npmTarball(npmPackage{name, version})
	s.tarballs[path] = data
	manifest["_id"] = name + "@" + version
	manifest["dist"] = npmDist(path, data)
	return manifest
}

// npmTarball is the path of a package's bytes; a scope is not in the file's name.
func npmTarball(p npmPackage) string {
	return fmt.Sprintf("/%s/-/%s-%s.tgz", p.name, p.name[strings.LastIndex(p.name, "/")+1:], p.version)
}

func npmDist(path string, data []byte) map[string]any {
	strong, weak := sha512.Sum512(data), sha1.Sum(data)
	return map[string]any{
		"tarball":   "https://" + npmHost + path,
		"integrity": "sha512-" + base64.StdEncoding.EncodeToString(strong[:]),
		"shasum":    hex.EncodeToString(weak[:]),
	}
}

// answer serves packuments in both forms and tarballs, with the validators and lifetimes of the real registry.
func (o *npmOrigin) answer(w http.ResponseWriter, r *http.Request) {
	if data, ok := o.tarballs[r.URL.Path]; ok {
		w.Header().Set("Cache-Control", "public, immutable, max-age=31557600")
		w.Header().Set("Content-Type", "application/octet-stream")
		sendNPM(w, r, data)
		return
	}
	documents, kind := o.full, npmFull
	if strings.Contains(strings.Join(r.Header.Values("Accept"), ","), npmShort) {
		documents, kind = o.short, npmShort
	}
	data, ok := documents[r.URL.Path]
	if !ok {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"error":"Not found"}`))
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Vary", "Accept, Accept-Encoding")
	sendNPM(w, r, data)
}

func sendNPM(w http.ResponseWriter, r *http.Request, data []byte) {
	w.Header().Set("ETag", etagOf(data))
	http.ServeContent(w, r, "", time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC), bytes.NewReader(data))
}

// tarball packs files as npm does; the same files give the same bytes.
func tarball(files map[string][]byte) []byte {
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	packed := tar.NewWriter(zipped)
	for _, name := range sortedKeys(files) {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Format: tar.FormatUSTAR}
		made(packed.WriteHeader(header))
		_, err := packed.Write(files[name])
		made(err)
	}
	made(packed.Close())
	made(zipped.Close())
	return out.Bytes()
}

func asJSON(v any) []byte {
	data, err := json.MarshalIndent(v, "", "  ")
	made(err)
	return data
}

// made is for what is made in memory of things we know, where an error is a mistake in the world itself.
func made(err error) {
	if err != nil {
		panic(err)
	}
}
