package wiretest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"hither/forward/mark"
)

// Internet is an http.RoundTripper whose hosts are handlers. It notes what it was asked, and whether that was marked as public.
type Internet struct {
	Hosts map[string]http.HandlerFunc // by scheme://host

	mu   sync.Mutex
	log  []string
	last *http.Request
}

// RoundTrip implements [http.RoundTripper].
func (i *Internet) RoundTrip(req *http.Request) (*http.Response, error) {
	line := req.Method + " " + req.URL.String()
	if mark.IsPublic(req.Context()) {
		line += " public"
	}
	i.mu.Lock()
	i.log, i.last = append(i.log, line), req
	i.mu.Unlock()
	handler := i.Hosts[req.URL.Scheme+"://"+req.URL.Host]
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

// Requests are what it was asked, as "GET https://host/path", with " public" behind.
func (i *Internet) Requests() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.log)
}

// Asked is the same, a line each.
func (i *Internet) Asked() string { return strings.Join(i.Requests(), "\n") }

// Forget begins the notes anew.
func (i *Internet) Forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.log = nil
}

// Last is the last request; nil: there was none.
func (i *Internet) Last() *http.Request {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.last
}
