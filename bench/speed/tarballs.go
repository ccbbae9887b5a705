//go:build linux

package main

import (
	"context"
	"crypto/sha512"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"
)

const (
	// npmName is what this program is called when it is to be the client of tarballs: Hither knows npm by its name.
	npmName = "npm"
	// npmSockets is how many connections npm has to a host, at most.
	npmSockets = 15
)

// tarballs is the network's share of npm ci: the same requests in the same order over as many connections, and every byte
// checked, but nothing unpacked. The client is this program under npm's name.
func (w *world) tarballs(ctx context.Context, name string) (client, error) {
	c, err := w.npmCI(ctx, name)
	if err != nil {
		return client{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return client{}, err
	}
	project := c.prepare
	c.prepare = func(dir string) error {
		if err := project(dir); err != nil {
			return err
		}
		return os.Symlink(self, filepath.Join(dir, npmName))
	}
	c.lesson, c.name, c.argv, c.check = c.name, "tarballs "+name, []string{"./" + npmName, "ci"}, nil
	return c, nil
}

// beNpm is the client in its own process: it fetches what the lock file in the working directory names, by the proxy and
// with the roots that the environment tells.
func beNpm(ctx context.Context, diagnostics io.Writer) int {
	lock, err := os.ReadFile("package-lock.json")
	var all []locked
	if err == nil {
		all, err = asNpmAsks(lock)
	}
	if err == nil {
		err = fetchAll(ctx, &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: npmSockets, MaxIdleConnsPerHost: npmSockets, DisableCompression: true,
			TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, // not nil: npm knows no HTTP/2
		}, all)
	}
	if err != nil {
		fmt.Fprintln(diagnostics, "tarballs:", err)
		return 1
	}
	return 0
}

// locked is an entry of a lock file.
type locked struct {
	Resolved  string   `json:"resolved"`
	Integrity string   `json:"integrity"`
	OS        []string `json:"os"` // nil: all
}

// asNpmAsks is what a lock file names for this system, from the last to the first, as npm 11 asks for it: once, since what
// lies in several places is in npm's cache by then.
func asNpmAsks(lock []byte) (all []locked, err error) {
	var file struct{ Packages map[string]locked }
	if err := json.Unmarshal(lock, &file); err != nil {
		return nil, fmt.Errorf("read the lock file: %w", err)
	}
	asked := make(map[string]bool)
	for _, path := range slices.Backward(slices.Sorted(maps.Keys(file.Packages))) {
		if p := file.Packages[path]; p.Resolved != "" && !asked[p.Resolved] && (p.OS == nil || slices.Contains(p.OS, "linux")) {
			asked[p.Resolved] = true
			all = append(all, p)
		}
	}
	return all, nil
}

// fetchAll gets them in their order, as many at once as npm does.
func fetchAll(ctx context.Context, transport http.RoundTripper, all []locked) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(npmSockets)
	for _, p := range all {
		work.Go(func() error { return p.fetch(ctx, transport) })
	}
	return work.Wait()
}

// fetch gets one, and checks it.
func (p locked) fetch(ctx context.Context, transport http.RoundTripper) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Resolved, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Pacote-Integrity", p.Integrity)
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("get %s: %w", p.Resolved, err)
	}
	defer response.Body.Close()
	hash := sha512.New()
	if _, err := io.Copy(hash, response.Body); err != nil {
		return fmt.Errorf("get %s: %w", p.Resolved, err)
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(hash.Sum(nil)); response.StatusCode != http.StatusOK || got != p.Integrity {
		return fmt.Errorf("get %s: %s, and %s instead of %s", p.Resolved, response.Status, got, p.Integrity)
	}
	return nil
}
