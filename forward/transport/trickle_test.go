package transport

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A server may send all that it has in one frame, if we let it. Of that nothing would be handed on before all of it is here:
// on a slow line a body would seem to stand still, and be given up for that.
func TestABodyIsHandedOnAsItComes(t *testing.T) {
	const here = 96 << 10
	s, _ := upstream(t, true, func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 512<<10)) })
	pool := New(Config{RootCAs: rootsOf(s), Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &severed{conn, here, t.Context().Done()}, err
	}})
	t.Cleanup(pool.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, http.NoBody)
	resp, err := pool.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	// What TLS adds, and the last record and frame, of which a part is here.
	if n, err := io.ReadFull(resp.Body, make([]byte, here-48<<10)); err != nil {
		t.Errorf("got  %d bytes, then %v\nwant nearly all of the %d that came", n, err, here)
	}
}

// severed is a connection over which no more bytes come.
type severed struct {
	net.Conn
	left int
	over <-chan struct{}
}

func (c *severed) Read(p []byte) (int, error) {
	if c.left == 0 {
		<-c.over
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
