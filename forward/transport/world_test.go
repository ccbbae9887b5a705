package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// names is a Resolver that is a map.
type names map[string]string

func (n names) LookupNetIP(_ context.Context, host string) ([]netip.Addr, error) {
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

// internet is a RoundTripper whose hosts are handlers.
type internet struct {
	hosts map[string]http.HandlerFunc // by scheme://host
}

func (i *internet) RoundTrip(req *http.Request) (*http.Response, error) {
	handler := i.hosts[req.URL.Scheme+"://"+req.URL.Host]
	if handler == nil {
		return nil, errors.New("no such host: " + req.URL.Host)
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	handler(w, req)
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

// get fetches a URL and tells the answer as "STATUS body", or the error.
func get(t testing.TB, rt http.RoundTripper, url string, header ...string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return send(rt, req)
}

func send(rt http.RoundTripper, req *http.Request) string {
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

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

func want(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// discardLog keeps the handshakes that fail on purpose out of the test's output.
var discardLog = log.New(io.Discard, "", 0)
