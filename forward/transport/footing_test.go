package transport

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"hither/forward/dial"
	"hither/forward/wiretest"
)

// DHCP gives the machine another address, and the request hangs on a connection that the old one carried.
func TestWhatHangsOnAnAddressThatIsGoneIsAskedAnew(t *testing.T) {
	for _, c := range []struct {
		name, method string
		h2, warm, ok bool
	}{
		{"HTTP/2", http.MethodGet, true, true, true},
		{"HTTP/1.1", http.MethodHead, false, true, true},
		{"the first request of a connection", http.MethodGet, true, false, true},
		{"what may not be asked twice fails", http.MethodPost, true, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := wiretest.MachineAt("192.0.2.7")
			s, _ := upstream(t, c.h2, func(w http.ResponseWriter, req *http.Request) {
				for m.Asked.Load() == 0 {
					<-time.After(time.Millisecond)
				}
				if req.URL.Path == "/lost" && m.Move("192.0.2.8") {
					<-req.Context().Done()
				}
				io.WriteString(w, "here")
			})
			pool := New(Config{RootCAs: rootsOf(s), Dial: placing(m)})
			t.Cleanup(pool.CloseIdleConnections)
			pool.chosen.under.Addrs = m.Addrs
			if c.warm {
				want(t, wiretest.Get(t, pool, s.URL), "200 here")
			}
			began := time.Now()
			req, _ := http.NewRequestWithContext(t.Context(), c.method, s.URL+"/lost", http.NoBody)
			resp, err := pool.RoundTrip(req)
			if err == nil {
				resp.Body.Close()
			}
			if took := time.Since(began); (err == nil) != c.ok || took > 3*time.Second {
				t.Errorf("\n got %v after %s\nwant %t, after a second", err, took, c.ok)
			}
		})
	}
}

// placing dials connections that seem to begin at m's address.
func placing(m *wiretest.Machine) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(dial.Dialer).DialContext(ctx, network, addr)
		return m.Place(conn), err
	}
}
