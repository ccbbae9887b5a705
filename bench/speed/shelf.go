//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"hither/bench/lab"
)

// Media types of the made images.
const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// token is what the token server gives to everybody: a JWT whose claims name what may be read, as Docker Hub's do. Who shows
// it takes it as it is; only the registry reads it.
func token(scopes []string) string {
	access := []map[string]any{}
	for _, scope := range scopes {
		if name, ok := strings.CutPrefix(strings.TrimSuffix(scope, ":pull"), "repository:"); ok {
			access = append(access, map[string]any{"type": "repository", "name": name, "actions": []string{"pull"}})
		}
	}
	claims, _ := json.Marshal(map[string]any{"access": access, "aud": "registry.docker.io", "iss": tokenHost, "sub": ""})
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims) + "." + encode([]byte("signed for the bench"))
}

// admitted says that a request shows the token of the repository that it reads.
func admitted(r *http.Request) bool {
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	repo, _, manifest := strings.Cut(path, "/manifests/")
	if !manifest {
		repo, _, _ = strings.Cut(path, "/blobs/")
	}
	return r.Header.Get("Authorization") == "Bearer "+token([]string{"repository:" + repo + ":pull"})
}

// ownImage is the one whose blobs the registry sends itself, as those do that people run themselves.
const ownImage = "own"

// shelf is the made images and blobs, as Docker Hub serves them: by a token, and the blobs from another host, to which it
// redirects, but for those of [ownImage]. Methods may be used at once.
type shelf struct {
	mu        sync.Mutex
	blobs     map[string]func() io.ReadSeeker // by digest
	manifests map[string]document             // by digest, and by REPO:TAG
}

type document struct {
	kind   string
	digest string
	body   []byte
}

// descriptor is how manifests name a blob.
type descriptor struct {
	MediaType string            `json:"mediaType"`
	Digest    string            `json:"digest"`
	Size      int64             `json:"size"`
	Platform  map[string]string `json:"platform,omitempty"`
}

func newShelf() *shelf {
	return &shelf{blobs: map[string]func() io.ReadSeeker{}, manifests: map[string]document{}}
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// addBlob makes bytes that follow from a name, and returns their digest.
func (s *shelf) addBlob(name string, size int64) (digest string, err error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, lab.NewContent(name, size)); err != nil {
		return "", fmt.Errorf("make the blob %s: %w", name, err)
	}
	digest = "sha256:" + hex.EncodeToString(hash.Sum(nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[digest] = func() io.ReadSeeker { return lab.NewContent(name, size) }
	return digest, nil
}

func (s *shelf) keep(kind string, data []byte) descriptor {
	digest := digestOf(data)
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind == indexType || kind == manifestType {
		s.manifests[digest] = document{kind, digest, data}
	} else {
		s.blobs[digest] = func() io.ReadSeeker { return bytes.NewReader(data) }
	}
	return descriptor{MediaType: kind, Digest: digest, Size: int64(len(data))}
}

// addImage makes an image under a tag, "library/NAME:latest", and returns its id, which is the digest of its configuration.
// Its layers cannot be compressed.
func (s *shelf) addImage(name string, layers int, size int64) (id string, err error) {
	manifest := struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}{SchemaVersion: 2, MediaType: manifestType}
	var ids []string
	for i := range layers {
		packed, id, err := makeLayer(fmt.Sprint(name, " layer ", i), size/int64(layers))
		if err != nil {
			return "", err
		}
		ids = append(ids, id)
		manifest.Layers = append(manifest.Layers, s.keep(layerType, packed))
	}
	manifest.Config = s.keep(configType, asJSON(map[string]any{
		"architecture": "amd64", "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	}))
	ours := s.keep(manifestType, asJSON(manifest))
	ours.Platform = map[string]string{"architecture": "amd64", "os": "linux"}
	other := descriptor{manifestType, digestOf([]byte(name + " for arm64")), 1234, map[string]string{"architecture": "arm64", "os": "linux", "variant": "v8"}}
	proof := descriptor{manifestType, digestOf([]byte(name + " attestation")), 566, map[string]string{"architecture": "unknown", "os": "unknown"}}
	index := s.keep(indexType, asJSON(map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": []descriptor{ours, other, proof}}))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manifests["library/"+name+":latest"] = s.manifests[index.Digest]
	return manifest.Config.Digest, nil
}

// makeLayer packs one file. id is the digest of what was packed.
func makeLayer(name string, size int64) (packed []byte, id string, err error) {
	var plain, out bytes.Buffer
	t := tar.NewWriter(&plain)
	if err := t.WriteHeader(&tar.Header{Name: "data", Mode: 0o644, Size: size}); err != nil {
		return nil, "", err
	}
	if _, err := io.Copy(t, lab.NewContent(name, size)); err != nil {
		return nil, "", err
	}
	if err := t.Close(); err != nil {
		return nil, "", err
	}
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, "", err
	}
	if _, err := z.Write(plain.Bytes()); err != nil {
		return nil, "", err
	}
	err = z.Close() // only now is out complete
	return out.Bytes(), digestOf(plain.Bytes()), err
}

// asJSON is for values that always marshal.
func asJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// serve is the registry, its token server, the host that has the blobs, and any mirror of them.
func (s *shelf) serve(w http.ResponseWriter, r *http.Request) {
	registry := r.Host == ociHost
	switch {
	case r.Host == tokenHost:
		w.Header().Set("Content-Type", "application/json")
		t := token(r.URL.Query()["scope"])
		fmt.Fprintf(w, `{"token":%q,"access_token":%q,"expires_in":300,"issued_at":%q}`, t, t, time.Now().UTC().Format(time.RFC3339))
	case registry && !admitted(r):
		s.challenge(w, r)
	case r.URL.Path == "/v2/":
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	case strings.Contains(r.URL.Path, "/manifests/"):
		s.manifest(w, r)
	case strings.Contains(r.URL.Path, "/blobs/") && registry && !strings.HasPrefix(r.URL.Path, "/v2/library/"+ownImage+"/"):
		w.Header().Set("Location", "https://"+cdnHost+r.URL.Path+"?verify=1234567890-signed%3D")
		w.WriteHeader(http.StatusTemporaryRedirect)
	case strings.Contains(r.URL.Path, "/blobs/"):
		s.blob(w, r)
	default:
		http.NotFound(w, r)
	}
}

// challenge tells where a token is to be had, for what was asked.
func (s *shelf) challenge(w http.ResponseWriter, r *http.Request) {
	text := fmt.Sprintf(`Bearer realm="https://%s/token",service="registry.docker.io"`, tokenHost)
	if repo, _, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/"); ok {
		text += fmt.Sprintf(`,scope="repository:%s:pull"`, repo)
	} else if repo, _, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/blobs/"); ok {
		text += fmt.Sprintf(`,scope="repository:%s:pull"`, repo)
	}
	w.Header().Set("Www-Authenticate", text)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}`)
}

func (s *shelf) manifest(w http.ResponseWriter, r *http.Request) {
	repo, reference, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/")
	s.mu.Lock()
	d, ok := s.manifests[reference]
	if !ok {
		d, ok = s.manifests[repo+":"+reference]
	}
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", d.kind)
	w.Header().Set("Docker-Content-Digest", d.digest)
	w.Header().Set("Etag", `"`+d.digest+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.body))
}

func (s *shelf) blob(w http.ResponseWriter, r *http.Request) {
	digest := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	s.mu.Lock()
	open, ok := s.blobs[digest]
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Etag", `"`+digest+`"`)
	http.ServeContent(w, r, "", time.Time{}, open())
}
