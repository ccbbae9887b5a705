//go:build linux

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"hither/bench/lab"
)

// shortPackument is the type by which the short document of a package is asked for.
const shortPackument = "application/vnd.npm.install-v1+json"

// server is the registries at the far end of one link.
type server struct {
	world   *world
	name    string
	http    *http.Server
	clients *gatherer
	work    sync.WaitGroup

	mu    sync.Mutex
	tally tally
	log   io.WriteCloser // nil: nobody reads it
	began time.Time      // of the log
	quic  *quicOffer     // nil: none
}

// tally is what a server did.
type tally struct {
	Requests int64            // all that were answered
	Bytes    int64            // of bodies, as far as they were handed to the socket
	Conns    int64            // over TCP
	Recorded int64            // requests that had to ask the real registry, also in vain: the run was disturbed
	Proto    map[string]int64 // requests by protocol
	Names    map[string]int64 // bytes by host and path
}

// startServer listens in the namespace of its link. Close ends it.
func startServer(ctx context.Context, w *world, name, addr string, hosts []string) (*server, error) {
	cert, err := w.CA.Issue(hosts...)
	if err != nil {
		return nil, err
	}
	s := &server{world: w, name: name}
	s.reset(nil)
	s.http = &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0), // clients leave as they like
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12},
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				s.note(func(t *tally) { t.Conns++ })
			}
		},
	}
	listener, err := lab.Listen(ctx, name, net.JoinHostPort(addr, "443"))
	if err != nil {
		return nil, fmt.Errorf("start the server %s: %w", name, err)
	}
	s.clients = &gatherer{Listener: listener}
	s.work.Go(func() { _ = s.http.ServeTLS(s.clients, "", "") }) // it ends with close
	return s, nil
}

func (s *server) close() {
	s.withdrawQUIC()
	s.clients.cut()
	s.http.Close()
	s.work.Wait()
}

// reset begins a new tally and a new log, and returns the tally before. nil: no log.
func (s *server) reset(log io.WriteCloser) tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log != nil {
		s.log.Close()
	}
	before := s.tally
	s.tally = tally{Proto: map[string]int64{}, Names: map[string]int64{}}
	s.log, s.began = log, time.Now()
	return before
}

// openLog makes a log in the directory of -log; nil: there is none, or it cannot be written any more.
func (o options) openLog(name string) io.WriteCloser {
	if o.logs == "" {
		return nil
	}
	file, err := os.Create(filepath.Join(o.logs, name+".log"))
	if err != nil {
		return nil
	}
	return file
}

func (s *server) note(f func(*tally)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.tally)
}

// ServeHTTP answers by the host that was asked for.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	counted := &countedWriter{ResponseWriter: w}
	s.tellQUIC(counted, r)
	switch r.Host {
	case goHost, sumHost, npmHost, yarnHost:
		s.replay(counted, r)
	default:
		s.world.shelf.serve(counted, r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally.Requests++
	s.tally.Bytes += counted.sent
	s.tally.Proto[r.Proto]++
	s.tally.Names[r.Host+r.URL.Path] += counted.sent
	if s.log != nil {
		fmt.Fprintf(s.log, "%7.3f %7.3f %d %9d %s %s %s%s from %s\n", began.Sub(s.began).Seconds(), time.Since(s.began).Seconds(),
			counted.status, counted.sent, r.Proto, r.Method, r.Host, r.URL.RequestURI(), r.RemoteAddr)
	}
}

// replay answers as the real registry did. Redirects were followed when it was recorded.
func (s *server) replay(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		_, _ = io.Copy(io.Discard, r.Body) // an audit, which nobody waits for
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
		return
	}
	short := (r.Host == npmHost || r.Host == yarnHost) && strings.HasPrefix(r.Header.Get("Accept"), shortPackument)
	host, target := r.Host, r.URL.RequestURI()
	if host == goHost { // one place for the database, however it was asked
		if rest, ok := strings.CutPrefix(target, "/sumdb/"+sumHost+"/"); ok && rest != "supported" {
			host, target = sumHost, "/"+rest
		}
	}
	a, recorded, err := s.world.store.get(r.Context(), wish{host, target, short})
	if recorded || err != nil {
		s.note(func(t *tally) { t.Recorded++ })
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	a.serve(w, r)
}

// serve sends the answer; whole, in part, or not at all if the client has it.
func (a *answer) serve(w http.ResponseWriter, r *http.Request) {
	body := a.body
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	if a.Header["Content-Encoding"] == "gzip" && !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Del("Content-Encoding")
		var err error
		if body, err = gunzip(body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	if a.Status != http.StatusOK {
		w.WriteHeader(a.Status)
		_, _ = w.Write(body) // the client may have left
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("unpack a recording: %w", err)
	}
	return io.ReadAll(r)
}

// countedWriter hides the ResponseWriter's ReadFrom, which would pass it by.
type countedWriter struct {
	http.ResponseWriter
	status int
	sent   int64
}

// WriteHeader implements http.ResponseWriter.
func (c *countedWriter) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (c *countedWriter) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(p)
	c.sent += int64(n)
	return n, err
}
