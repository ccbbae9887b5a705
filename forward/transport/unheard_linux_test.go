package transport

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hither/forward/wiretest"

	"golang.org/x/sys/unix"
)

// Something on the way forgets the connections that are, and nobody says so. The packets get lost in the server's kernel.
func TestWhatHangsOnADeadConnectionIsAskedAnew(t *testing.T) {
	for _, c := range []struct {
		name, method string
		h2, ok       bool
	}{
		{"HTTP/2", http.MethodGet, true, true},
		{"HTTP/1.1", http.MethodHead, false, true},
		{"what may not be asked twice fails", http.MethodPost, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			heard := &forgetful{}
			s, m := deafServer(t, c.h2, heard, func(w http.ResponseWriter, _ *http.Request) { asked.Add(1); io.WriteString(w, "here") })
			pool := poolOf(t, s, m)
			want(t, wiretest.Get(t, pool, s.URL), "200 here")
			heard.forget(t)
			began := time.Now()
			req, _ := http.NewRequestWithContext(t.Context(), c.method, s.URL, http.NoBody)
			resp, err := pool.RoundTrip(req)
			if err == nil {
				resp.Body.Close()
			}
			if took := time.Since(began); (err == nil) != c.ok || took > 6*time.Second {
				t.Errorf("\n got %v after %s\nwant %t, after two seconds or so", err, took, c.ok)
			}
			if n := asked.Load(); c.ok && n != 2 {
				t.Errorf("\n got %d requests\nwant 2: the dead connection brought none", n)
			}
		})
	}
}

// The request was acknowledged before the network changed.
func TestWhatADeadServerThoughtAboutIsAskedAnewAfterAChange(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/2": true, "HTTP/1.1": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			thinks, heard := make(chan struct{}, 2), &forgetful{}
			var asked atomic.Int64
			s, m := deafServer(t, h2, heard, func(w http.ResponseWriter, req *http.Request) {
				if asked.Add(1) == 1 {
					thinks <- struct{}{}
					<-req.Context().Done()
				}
				io.WriteString(w, "here")
			})
			t.Cleanup(s.CloseClientConnections)
			pool := poolOf(t, s, m)
			t.Cleanup(func() { pool.Close() })
			go func() {
				<-thinks
				<-time.After(100 * time.Millisecond) // for the acknowledgement
				heard.forget(t)
				pool.CloseIdleConnections()
			}()
			began := time.Now()
			want(t, wiretest.Get(t, pool, s.URL), "200 here")
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("\n got %s\nwant four seconds or so", took)
			}
		})
	}
}

// Of many connections that the way has forgotten, one is found by what was asked over it.
func TestTheOtherConnectionsThatDiedAreNotTriedInTurn(t *testing.T) {
	t.Parallel()
	const conns = 4
	var together, all sync.WaitGroup
	together.Add(conns)
	heard := &forgetful{}
	s, m := deafServer(t, false, heard, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/together" {
			together.Done()
			together.Wait()
		}
		io.WriteString(w, "here")
	})
	pool := poolOf(t, s, m)
	for range conns {
		all.Go(func() { want(t, wiretest.Get(t, pool, s.URL+"/together"), "200 here") })
	}
	all.Wait()
	heard.forget(t)
	began := time.Now()
	want(t, wiretest.Get(t, pool, s.URL), "200 here")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("\n got %s\nwant two seconds or so, not that for each connection", took)
	}
}

// Nobody said that the network changed, but another request found out.
func TestWhatADeadServerThoughtAboutIsAskedAnewAfterAnotherDeath(t *testing.T) {
	t.Parallel()
	thinks, heard := make(chan struct{}, 1), &forgetful{}
	var asked atomic.Int64
	s, m := deafServer(t, false, heard, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/think" && asked.Add(1) == 1 {
			thinks <- struct{}{}
			<-req.Context().Done()
		}
		io.WriteString(w, "here")
	})
	t.Cleanup(s.CloseClientConnections)
	pool := poolOf(t, s, m)
	var all sync.WaitGroup
	all.Go(func() {
		began := time.Now()
		want(t, wiretest.Get(t, pool, s.URL+"/think"), "200 here")
		if took := time.Since(began); took > 12*time.Second {
			t.Errorf("\n got %s\nwant seven seconds or so", took)
		}
	})
	<-thinks
	want(t, wiretest.Get(t, pool, s.URL), "200 here") // over another connection
	heard.forget(t)
	want(t, wiretest.Get(t, pool, s.URL), "200 here")
	all.Wait()
}

// A server that takes its time has acknowledged the request.
func TestWhatAServerThinksAboutIsAskedOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s, m := deafServer(t, true, &forgetful{}, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 2 {
			<-time.After(4 * time.Second)
		}
		io.WriteString(w, "here")
	})
	pool := poolOf(t, s, m)
	want(t, wiretest.Get(t, pool, s.URL), "200 here")
	want(t, wiretest.Get(t, pool, s.URL), "200 here")
	if n := asked.Load(); n != 2 {
		t.Errorf("\n got %d requests\nwant 2", n)
	}
}

func deafServer(t *testing.T, h2 bool, heard *forgetful, handle http.HandlerFunc) (*httptest.Server, *wiretest.Machine) {
	s := httptest.NewUnstartedServer(handle)
	s.Config.ErrorLog = discardLog
	heard.Listener = s.Listener
	s.Listener, s.EnableHTTP2 = heard, h2
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, wiretest.MachineAt("192.0.2.7")
}

// poolOf takes its connections for ones that leave the machine.
func poolOf(t *testing.T, s *httptest.Server, m *wiretest.Machine) *Pool {
	pool := New(Config{RootCAs: rootsOf(s), Dial: placing(m)})
	t.Cleanup(pool.CloseIdleConnections)
	under := pool.chosen.under
	under.Addrs = m.Addrs
	under.Dial = func(network, _ string, patience time.Duration) (net.Conn, error) {
		return net.DialTimeout(network, s.Listener.Addr().String(), patience)
	}
	return pool
}

// forgetful is a listener behind something that forgets connections.
type forgetful struct {
	net.Listener
	mu  sync.Mutex
	all []*net.TCPConn
}

func (f *forgetful) Accept() (net.Conn, error) {
	conn, err := f.Listener.Accept()
	if err == nil {
		f.mu.Lock()
		f.all = append(f.all, conn.(*net.TCPConn))
		f.mu.Unlock()
	}
	return conn, err
}

// forget lets no packet through to those that are.
func (f *forgetful) forget(t *testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	for _, conn := range f.all {
		raw, err := conn.SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) {
				if err := unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing}); err != nil {
					t.Error(err)
				}
			})
		}
		if err != nil {
			t.Error(err)
		}
	}
}
