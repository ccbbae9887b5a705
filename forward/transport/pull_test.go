package transport

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"hither/forward/bearer"
	"hither/forward/dial"
	"hither/forward/mark"
	"hither/forward/redirect"
	"hither/forward/wiretest"
)

// The whole way over real connections: redirect, token, blob from another host.
func TestPullOverRealConnections(t *testing.T) {
	cdn := httptest.NewServer(wiretest.Says("layer"))
	defer cdn.Close()
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	defer s.Close()
	mux.HandleFunc("/token", wiretest.Says(`{"token":"t1"}`))
	mux.HandleFunc("/v2/", func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer t1" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.URL+`/token",service="s",scope="repository:a:pull"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.Redirect(w, req, cdn.URL, http.StatusTemporaryRedirect)
	})
	pool := New(Config{})
	defer pool.CloseIdleConnections()
	rt := &redirect.Follow{Next: &bearer.Tokens{Next: pool}}
	want(t, wiretest.Get(t, rt, s.URL+"/v2/a/blobs/sha256:00"), "200 layer")
	req, _ := http.NewRequestWithContext(mark.Public(t.Context()), http.MethodGet, s.URL+"/v2/a/blobs/sha256:00", nil)
	if _, err := rt.RoundTrip(req); !errors.Is(err, dial.ErrPrivate) {
		t.Errorf("got  %v\nwant ErrPrivate", err)
	}
}
