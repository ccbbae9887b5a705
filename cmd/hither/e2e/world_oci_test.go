package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ociHost is Docker Hub's registry, which the world's rule file is for.
const ociHost = "registry-1.docker.io"

// ociOrigin is Debian's docker-registry on a wire, with a token server in front of it as Docker Hub has one: pulling needs
// an anonymous token, pushing one for world:world.
type ociOrigin struct {
	*wire
	tokens *wire
	image  ociImage // library/alpine:latest
}

// ociImage is an image in an OCI layout on the disk.
type ociImage struct {
	dir    string
	layers []string // digests
}

// Media types of the OCI image specification.
const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociConfig   = "application/vnd.oci.image.config.v1+json"
	ociLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// ociWorld starts a registry and pushes an image of six layers to it.
func (w *world) ociWorld() *ociOrigin {
	w.t.Helper()
	signer := newLeaf(w.t, w.root, "tokens.world.test")
	o := &ociOrigin{}
	server := &tokenServer{w, signer.Certificate[0], signer.PrivateKey.(*ecdsa.PrivateKey)}
	o.tokens = w.serveTLS("auth.docker.io", http.HandlerFunc(server.answer))
	inner := w.dockerRegistry(o.tokens.URL + "/token")
	o.wire = w.serveTLS(ociHost, registryAt(inner))
	o.image = w.ociImage("image", 6)
	w.shell(w.dir, w.clientEnv("push"), "skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false",
		"--dest-creds", "world:world", "oci:"+o.image.dir+":latest", "docker://"+o.addr+"/library/alpine:latest")
	return o
}

// ociRule writes the world's docker.toml.
func (w *world) ociRule(o *ociOrigin, mirrors ...*wire) {
	w.t.Helper()
	w.rule("docker", []map[string]any{{"name": ociHost, "origin": []string{o.URL}}}, mirrors...)
}

// dockerRegistry starts Debian's docker-registry (distribution 2.8) and returns its socket. A port that was free may be
// somebody else's when it comes to open it.
func (w *world) dockerRegistry(realm string) string {
	w.t.Helper()
	dir, err := os.MkdirTemp("", "hither") // the name of a socket is short
	w.must(err)
	w.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "registry")
	config := w.write("registry/config.yml", fmt.Appendf(nil, `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}}
http: {net: unix, addr: %q, relativeurls: true, secret: world}
auth: {token: {realm: %q, service: world, issuer: world, rootcertbundle: %s}}
`, w.mkdir("registry/data"), socket, realm, w.roots))
	cmd := exec.Command("docker-registry", "serve", config)
	log, err := os.Create(filepath.Join(w.dir, "registry", "log"))
	w.must(err)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		w.t.Fatalf("docker-registry does not start (%v): install what the tests need with .ci/deps", err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
	})
	w.await("docker-registry at "+socket, func() bool {
		conn, err := net.DialTimeout("unix", socket, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return socket
}

// registryAt passes everything to the registry under the name that the client used.
func registryAt(socket string) http.Handler {
	target := &url.URL{Scheme: "http", Host: "registry"}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &httputil.ReverseProxy{Transport: &http.Transport{DialContext: dial}, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		r.SetXForwarded()
	}}
}

// freeAddr is at an address of this machine that is nobody's: of 127.0.0.1 another program may have the port a moment later.
func freeAddr(w *world) string {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.77.1:0")
	if err != nil { // only Linux has it by itself
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	w.must(err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// tokenServer gives bearer tokens as the distribution specification asks (docs/spec/auth/token.md).
type tokenServer struct {
	*world
	cert []byte
	key  *ecdsa.PrivateKey
}

type tokenAccess struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

func (s *tokenServer) answer(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	mayPush := user == "world" && password == "world"
	token := s.token(r.FormValue("service"), accessOf(r.URL.Query()["scope"], mayPush))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"token": token, "access_token": token, "expires_in": 300, "issued_at": time.Now().UTC().Format(time.RFC3339),
	})
}

// accessOf grants what is asked, but only pulling to strangers.
func accessOf(scopes []string, mayPush bool) []tokenAccess {
	granted := []tokenAccess{}
	for _, scope := range scopes {
		part := strings.Split(scope, ":")
		if len(part) != 3 {
			continue
		}
		actions := []string{"pull"}
		if mayPush {
			actions = strings.Split(part[2], ",")
		}
		granted = append(granted, tokenAccess{part[0], part[1], actions})
	}
	return granted
}

// token is a JSON Web Token signed with ES256 (RFC 7518 section 3.4); x5c names the key.
func (s *tokenServer) token(service string, access []tokenAccess) string {
	now := time.Now()
	header := map[string]any{"typ": "JWT", "alg": "ES256", "x5c": []string{base64.StdEncoding.EncodeToString(s.cert)}}
	claims := map[string]any{
		"iss": "world", "sub": "", "aud": service, "jti": fmt.Sprint(now.UnixNano()), "access": access,
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	text := base64.RawURLEncoding.EncodeToString(asJSON(header)) + "." + base64.RawURLEncoding.EncodeToString(asJSON(claims))
	sum := sha256.Sum256([]byte(text))
	x, y, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		s.t.Error(err)
		return ""
	}
	signature := make([]byte, 64)
	x.FillBytes(signature[:32])
	y.FillBytes(signature[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// ociImage writes an image of n layers as an OCI layout, tagged latest. One layer is of 4 MiB, so that it can break in
// the middle.
func (w *world) ociImage(name string, n int) ociImage {
	w.t.Helper()
	image := ociImage{dir: w.mkdir(name)}
	layers, diffs := []map[string]any{}, []string{}
	for i := range n {
		size := 1 << 10
		if i == 1 {
			size = 4 << 20
		}
		layer := tarball(map[string][]byte{fmt.Sprintf("layer%d", i): noise(uint64(2000+i), size)})
		part := w.ociBlob(image.dir, ociLayer, layer)
		layers, diffs = append(layers, part), append(diffs, sha256Of(gunzip(w.t, layer)))
		image.layers = append(image.layers, part["digest"].(string))
	}
	config := w.ociBlob(image.dir, ociConfig, asJSON(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
	}))
	manifest := w.ociBlob(image.dir, ociManifest, asJSON(map[string]any{
		"schemaVersion": 2, "mediaType": ociManifest, "config": config, "layers": layers,
	}))
	manifest["annotations"] = map[string]string{"org.opencontainers.image.ref.name": "latest"}
	index := map[string]any{"schemaVersion": 2, "manifests": []any{manifest}}
	w.write(filepath.Join(name, "index.json"), asJSON(index))
	w.write(filepath.Join(name, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return image
}

// ociBlob puts bytes into a layout and returns their descriptor.
func (w *world) ociBlob(dir, kind string, data []byte) map[string]any {
	w.t.Helper()
	d := sha256Of(data)
	file := filepath.Join(dir, "blobs", strings.ReplaceAll(d, ":", "/"))
	w.must(os.MkdirAll(filepath.Dir(file), 0o700))
	w.must(os.WriteFile(file, data, 0o600))
	return map[string]any{"mediaType": kind, "digest": d, "size": len(data)}
}

func sha256Of(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
