package e2e_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// relay is a CONNECT proxy that sees nothing. In the false world it knows where the public names are, which is how a
// client reaches an origin without Hither; without names it dials the real ones, and cutting it takes the network away.
type relay struct {
	*wire
	names map[string]string // nil: dial what is asked

	mu      sync.Mutex
	tunnels map[net.Conn]bool
	missing map[string]error // what could not be dialled: on machines that see little of the Internet, asking again is slow
}

// relay starts a CONNECT proxy to the servers of the world.
func (w *world) relay() *relay { return w.relayTo(w.names) }

// relayToAll starts a CONNECT proxy to everywhere.
func (w *world) relayToAll() *relay { return w.relayTo(nil) }

func (w *world) relayTo(names map[string]string) *relay {
	r := &relay{names: names, tunnels: map[net.Conn]bool{}, missing: map[string]error{}}
	r.wire = w.serve(http.HandlerFunc(r.connect))
	r.onCut = r.hangUp
	return r
}

func (r *relay) connect(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodConnect {
		(&httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}}).ServeHTTP(w, req)
		return
	}
	addr, known := r.names[req.Host]
	if r.names == nil {
		addr, known = req.Host, true
	}
	if !known {
		http.Error(w, "no such host in the false world: "+req.Host, http.StatusBadGateway)
		return
	}
	upstream, err := r.dial(addr)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = upstream.Close()
		return
	}
	r.keep(client, upstream)
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(upstream, buffered)
		_ = upstream.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, upstream)
	r.end(client, upstream)
}

func (r *relay) dial(addr string) (net.Conn, error) {
	r.mu.Lock()
	err := r.missing[addr]
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	conn, err := net.DialTimeout("tcp", addr, 20*time.Second)
	if err != nil && r.names == nil {
		r.mu.Lock()
		r.missing[addr] = err
		r.mu.Unlock()
	}
	return conn, err
}

func (r *relay) keep(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		r.tunnels[c] = true
	}
}

func (r *relay) end(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(r.tunnels, c)
	}
}

// hangUp ends the tunnels, which http.Server.Close does not know of.
func (r *relay) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.tunnels {
		_ = c.Close()
	}
	clear(r.tunnels)
}
