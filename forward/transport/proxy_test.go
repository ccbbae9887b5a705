package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hither/forward/dial"
	"hither/forward/mark"
	"hither/forward/redirect"
	"hither/forward/wiretest"
)

func TestPlainHTTPGoesToAnHTTPProxyAsItIs(t *testing.T) {
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked = append(asked, fmt.Sprintf("%s %s %s", req.Method, req.RequestURI, req.Header.Get("Proxy-Authorization")))
		io.WriteString(w, "by the proxy: "+req.URL.Path)
	}))
	defer s.Close()
	d := &dial.Dialer{Proxy: &url.URL{Scheme: "http", User: url.UserPassword("me", "s3cret"), Host: s.Listener.Addr().String()}}
	pool := New(Config{Dial: d.DialContext, Proxy: d.PlainProxy})
	defer pool.CloseIdleConnections()
	want(t, wiretest.Get(t, pool, "http://deb.example/x"), "200 by the proxy: /x")
	want(t, strings.Join(asked, ", "), "GET http://deb.example/x Basic bWU6czNjcmV0")
	follow := &redirect.Follow{Next: pool}
	if got := wiretest.Get(t, follow, "http://deb.example/x"); got != "200 by the proxy: /x" {
		t.Error(got)
	}
	// The proxy stands on loopback, but a stranger may name neither it nor anything else there.
	for _, u := range []string{s.URL, "http://10.0.0.1/"} {
		req, _ := http.NewRequestWithContext(mark.Public(t.Context()), http.MethodGet, u, nil)
		if _, err := pool.RoundTrip(req); !errors.Is(err, dial.ErrPrivate) {
			t.Errorf("%s\ngot  %v\nwant ErrPrivate", u, err)
		}
	}
	req, _ := http.NewRequestWithContext(mark.Public(t.Context()), http.MethodGet, "http://deb.example/y", nil)
	want(t, wiretest.Send(pool, req), "200 by the proxy: /y")
}

// A client cannot answer it: what it would say is for us, and goes no further.
func TestAPlainProxysWishForAPasswordIsNoAnswer(t *testing.T) {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) })
	s := httptest.NewServer(refuse)
	defer s.Close()
	for _, row := range []struct {
		user *url.Userinfo
		want string
	}{
		{nil, "it wants a user and a password"},
		{url.UserPassword("me", "s3cret"), "it does not take the user and password"},
	} {
		d := &dial.Dialer{Proxy: &url.URL{Scheme: "http", User: row.user, Host: s.Listener.Addr().String()}}
		pool := New(Config{Dial: d.DialContext, Proxy: d.PlainProxy})
		for _, u := range []string{"http://deb.example/x", "https://deb.example/x"} {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
			_, err := pool.RoundTrip(req)
			if err == nil || !strings.Contains(err.Error(), "upstream proxy "+s.URL+": "+row.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s\ngot  %v\nwant %s", u, err, row.want)
			}
		}
		want(t, wiretest.Get(t, pool, s.URL), "407")
		pool.Close()
	}
}
