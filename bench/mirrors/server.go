//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"

	"hither/bench/lab"
)

// registry is what all servers have: the origin and its mirrors differ by their links alone.
type registry struct {
	probe object

	mu      sync.Mutex
	objects map[string]object // by path
}

func newRegistry() *registry {
	r := &registry{objects: map[string]object{}}
	r.probe = r.mustAdd("probe", 512)
	return r
}

// add makes a new object known everywhere. It is asked for by nobody before, so no cache has it.
func (r *registry) add(name string, size int64) (object, error) {
	o, err := newObject(name, size)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.objects[o.path()] = o
	}
	return o, err
}

// mustAdd is for what is small and fixed, so that it cannot fail.
func (r *registry) mustAdd(name string, size int64) object {
	o, err := r.add(name, size)
	if err != nil {
		panic(err)
	}
	return o
}

func (r *registry) find(path string) (object, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o, ok := r.objects[path]
	return o, ok
}

// server is the registry at the far end of one link.
type server struct {
	name     string
	registry *registry
	http     *http.Server
	work     sync.WaitGroup

	mu   sync.Mutex
	sent map[string]int64 // bytes of bodies, by path
}

// startServer listens in the server's namespace. Close ends it.
func startServer(ctx context.Context, name, addr string, r *registry, ca *lab.Authority) (*server, error) {
	cert, err := ca.Issue(hostName(name))
	if err != nil {
		return nil, err
	}
	s := &server{name: name, registry: r, sent: map[string]int64{}}
	s.http = &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0), // connections are cut on purpose
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12},
	}
	listener, err := lab.Listen(ctx, name, net.JoinHostPort(addr, "443"))
	if err != nil {
		return nil, fmt.Errorf("start the server %s: %w", name, err)
	}
	s.work.Go(func() { _ = s.http.ServeTLS(listener, "", "") }) // it ends with close
	return s, nil
}

func (s *server) close() {
	s.http.Close()
	s.work.Wait()
}

// ServeHTTP serves blobs by their digests, with ranges, and one list that changes every second.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	counted := &countedWriter{w, func(n int) { s.count(r.URL.Path, int64(n)) }}
	if r.URL.Path == listPath {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(counted, `{"name":"lab","tags":["t%d"]}`, time.Now().Unix())
		return
	}
	o, ok := s.registry.find(r.URL.Path)
	if !ok {
		http.NotFound(counted, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"sha256:`+o.digest+`"`)
	http.ServeContent(counted, r, "", time.Time{}, o.open())
}

func (s *server) count(path string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[path] += n
}

// bytes are what the server has sent of each path so far.
func (s *server) bytes() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.sent)
}

// countedWriter hides the ResponseWriter's ReadFrom, which would pass it by.
type countedWriter struct {
	http.ResponseWriter
	count func(int)
}

// Write implements io.Writer.
func (c *countedWriter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.count(n)
	return n, err
}
