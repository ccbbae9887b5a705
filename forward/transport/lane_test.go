package transport

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"hither/forward/mark"
	"hither/forward/redirect"
	"hither/forward/wiretest"
)

// lined fetches url in lane n and tells what was answered.
func lined(t *testing.T, rt http.RoundTripper, url string, n int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(mark.Lane(t.Context(), n), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(wiretest.Send(rt, req), "200 ")
}

// remote answers with the client's address: one for each connection.
func remote(w http.ResponseWriter, req *http.Request) { io.WriteString(w, req.RemoteAddr) }

func TestEachLaneHasAConnectionOfItsOwn(t *testing.T) {
	s, pool := upstream(t, true, remote)
	first := map[int]string{}
	for n := range 3 {
		first[n] = lined(t, pool, s.URL, n)
	}
	if first[0] == first[1] || first[1] == first[2] || first[0] == first[2] {
		t.Errorf("connections of the lanes\ngot  %v\nwant three different ones", first)
	}
	for _, again := range []struct {
		name    string
		n, same int
	}{
		{"no lane", 0, 0},
		{"a lane below 1 is none", -7, 0},
		{"lane 1", 1, 1},
		{"lane 2", 2, 2},
		{"lanes are counted modulo 16", 17, 1},
	} {
		if got := lined(t, pool, s.URL, again.n); got != first[again.same] {
			t.Errorf("%s\ngot  %s\nwant %s, which is warm", again.name, got, first[again.same])
		}
	}
	want(t, strings.TrimPrefix(wiretest.Get(t, pool, s.URL), "200 "), first[0])
	if got := lined(t, pool, s.URL, 16); got == first[0] || got == first[1] || got == first[2] {
		t.Errorf("lane 16\ngot  %s\nwant one of its own", got)
	}
}

func TestARedirectKeepsTheLane(t *testing.T) {
	s, pool := upstream(t, true, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/far" {
			http.Redirect(w, req, "/near", http.StatusFound)
			return
		}
		remote(w, req)
	})
	follow := &redirect.Follow{Next: pool}
	want(t, lined(t, follow, s.URL+"/far", 3), lined(t, follow, s.URL+"/near", 3))
	if a, b := lined(t, follow, s.URL+"/far", 3), lined(t, follow, s.URL+"/far", 4); a == b {
		t.Errorf("behind a redirect\ngot  %s for lane 3 and %s for lane 4\nwant two connections", a, b)
	}
}

// What a stranger chose shares no connection with what the user chose, in no lane.
func TestLanesOfStrangersAreTheirOwn(t *testing.T) {
	pool := New(Config{})
	chosen, public := pool.way(mark.Lane(t.Context(), 1)), pool.way(mark.Public(mark.Lane(t.Context(), 1)))
	if chosen == public {
		t.Error("lane 1\ngot  one transport for the user's and a stranger's choice\nwant two")
	}
	if pool.way(mark.Patient(mark.Lane(t.Context(), 1))) != pool.patient.take(0) {
		t.Error("a patient request in lane 1\ngot  a lane\nwant the transport without deadlines")
	}
}

// After a change of the network, a connection that still carries something may be dead.
func TestABusyConnectionGetsNoNewRequestsOnceTheIdleAreClosed(t *testing.T) {
	for _, c := range []struct {
		name string
		h2   bool
		lane int
	}{
		{"HTTP/2 in no lane", true, 0},
		{"HTTP/2 in a lane", true, 1},
		{"HTTP/1.1", false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			hang := make(chan struct{})
			s, pool := upstream(t, c.h2, func(w http.ResponseWriter, req *http.Request) {
				io.WriteString(w, req.RemoteAddr)
				if req.URL.Path == "/slow" {
					w.(http.Flusher).Flush()
					<-hang
					io.WriteString(w, "the end")
				}
			})
			req, _ := http.NewRequestWithContext(mark.Lane(t.Context(), c.lane), http.MethodGet, s.URL+"/slow", nil)
			resp, err := pool.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			busy := make([]byte, 99)
			n, _ := resp.Body.Read(busy)
			pool.CloseIdleConnections()
			if again := lined(t, pool, s.URL, c.lane); again == string(busy[:n]) {
				t.Errorf("the next request\ngot  %s, the connection that was there before\nwant a new one", again)
			}
			close(hang)
			rest, err := io.ReadAll(resp.Body)
			if want(t, string(rest), "the end"); err != nil {
				t.Errorf("what was under way\ngot  %v\nwant it whole", err)
			}
		})
	}
}

func TestALaneHasFewConnectionsToAHost(t *testing.T) {
	var busy, most peak
	s, pool := upstream(t, false, func(w http.ResponseWriter, _ *http.Request) {
		most.atLeast(busy.add(1)) // those that are closed meanwhile are of no use to anybody
		time.Sleep(2 * time.Millisecond)
		busy.add(-1)
		io.WriteString(w, "ok")
	})
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if got := lined(t, pool, s.URL, 3); got != "ok" {
				t.Errorf("got  %s\nwant ok", got)
			}
		})
	}
	all.Wait()
	if got := most.add(0); got > lanePerHost {
		t.Errorf("connections at once\ngot  %d\nwant at most %d", got, lanePerHost)
	}
}

func TestIdleConnectionsOfLanesAreClosedToo(t *testing.T) {
	closed := make(chan struct{}, 9)
	s := httptest.NewUnstartedServer(http.HandlerFunc(remote))
	s.EnableHTTP2 = true
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	s.StartTLS()
	defer s.Close()
	pool := New(Config{RootCAs: rootsOf(s)})
	for n := range 3 {
		lined(t, pool, s.URL, n)
	}
	pool.CloseIdleConnections()
	for range 3 {
		<-closed
	}
}
