// Package wiretest is the other end of what the tests of our ways out drive: hosts that are handlers, names that are a map, a machine
// whose addresses change.
//
//	net := &wiretest.Internet{Hosts: map[string]http.HandlerFunc{"https://reg.example": wiretest.Says("ok")}}
//	got := wiretest.Get(t, net, "https://reg.example/x") // "200 ok"
package wiretest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// Names is a resolver that is a map: from a host to its addresses, with blanks between.
type Names map[string]string

// LookupNetIP is what Dialer asks.
func (n Names) LookupNetIP(_ context.Context, host string) ([]netip.Addr, error) {
	text, ok := n[host]
	if !ok {
		return nil, fmt.Errorf("%s: no such host", host)
	}
	var addrs []netip.Addr
	for _, a := range strings.Fields(text) {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, nil
}

// RoundTrip is a function as an http.RoundTripper.
type RoundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f RoundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// To answers with a redirect.
func To(url string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, url, http.StatusFound) }
}

// Says answers with a text.
func Says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

// Get fetches a URL, with header fields by name and value, and tells the answer as Send does.
func Get(t testing.TB, rt http.RoundTripper, url string, header ...string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return Send(rt, req)
}

// Send tells the answer to req as "STATUS body", or the error.
func Send(rt http.RoundTripper, req *http.Request) string {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, body))
}

// PipeTo is a connection that the test holds the other end of, until it is over.
func PipeTo(t *testing.T) net.Conn {
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	return near
}
