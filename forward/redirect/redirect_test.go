package redirect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/dial"
	"hither/forward/mark"
	"hither/forward/wiretest"
)

// TestTheWayToTheBodyIsAskedOverTheCommonConnection: a lane of its own to a host that only redirects would cost the
// handshake of each.
func TestTheWayToTheBodyIsAskedOverTheCommonConnection(t *testing.T) {
	var lanes []int
	next := wiretest.RoundTrip(func(req *http.Request) (*http.Response, error) {
		lanes = append(lanes, mark.LaneOf(req.Context()))
		rec := httptest.NewRecorder()
		if req.URL.Host == "reg.example" {
			wiretest.To("https://cdn.example/")(rec, req)
		}
		return rec.Result(), nil
	})
	for _, c := range []struct {
		name string
		ctx  context.Context
		want []int
	}{
		{"a lane", mark.Lane(t.Context(), 3), []int{3, 3}},
		{"a lane that is not needed for the way there", mark.Outset(mark.Lane(t.Context(), 3)), []int{0, 3}},
		{"no lane", mark.Outset(t.Context()), []int{0, 0}},
	} {
		lanes = nil
		req, _ := http.NewRequestWithContext(c.ctx, http.MethodGet, "https://reg.example/", nil)
		if _, err := (&Follow{Next: next}).RoundTrip(req); err != nil || !slices.Equal(lanes, c.want) {
			t.Errorf("%s\ngot  %v, error %v\nwant %v", c.name, lanes, err, c.want)
		}
	}
}

// TestWhoWasAskedTheWayAndHasTheBodyIsAskedForIt: the bodies of an image would all come over the one connection.
func TestWhoWasAskedTheWayAndHasTheBodyIsAskedForIt(t *testing.T) {
	for _, c := range []struct {
		name  string
		major int
		size  int64
		ctx   context.Context
		want  []int
	}{
		{"a body", 2, wayside + 1, mark.Outset(mark.Lane(t.Context(), 3)), []int{0, 3}},
		{"a small one", 2, wayside, mark.Outset(mark.Lane(t.Context(), 3)), []int{0}},
		{"one on a connection of its own", 1, wayside + 1, mark.Outset(mark.Lane(t.Context(), 3)), []int{0}},
		{"one that has no lane", 2, wayside + 1, mark.Outset(t.Context()), []int{0}},
		{"one that was asked for", 2, wayside + 1, mark.Lane(t.Context(), 3), []int{3}},
	} {
		var lanes []int
		next := wiretest.RoundTrip(func(req *http.Request) (*http.Response, error) {
			lanes = append(lanes, mark.LaneOf(req.Context()))
			return &http.Response{StatusCode: http.StatusPartialContent, ProtoMajor: c.major, ContentLength: c.size, Header: http.Header{}, Body: http.NoBody}, nil
		})
		req, _ := http.NewRequestWithContext(c.ctx, http.MethodGet, "https://reg.example/", nil)
		resp, err := (&Follow{Next: next}).RoundTrip(req)
		if err != nil || !slices.Equal(lanes, c.want) || resp.Request.URL.String() != "https://reg.example/" {
			t.Errorf("%s\ngot  %v, error %v\nwant %v", c.name, lanes, err, c.want)
		}
	}
}

func TestRedirects(t *testing.T) {
	world := map[string]http.HandlerFunc{
		"https://cdn.example":   wiretest.Says("the bytes"),
		"http://cdn.example":    wiretest.Says("the plain bytes"),
		"https://10.0.0.1":      wiretest.Says("inside"),
		"http://127.0.0.1:6000": wiretest.Says("beside"),
	}
	many := func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, req.URL.Path+"x", http.StatusFound)
	}
	status := func(code int, location string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(code)
		}
	}
	tests := []struct {
		what, from string
		home       http.HandlerFunc
		want       string // of the answer, then of each hop behind the first
	}{
		{"to another host", "https://reg.example", wiretest.To("https://cdn.example/b?sig=1"), "200 the bytes\nGET https://cdn.example/b?sig=1 public"},
		{"301", "https://reg.example", status(301, "https://cdn.example/"), "200 the bytes\nGET https://cdn.example/ public"},
		{"303", "https://reg.example", status(303, "https://cdn.example/"), "200 the bytes\nGET https://cdn.example/ public"},
		{"307", "https://reg.example", status(307, "https://cdn.example/"), "200 the bytes\nGET https://cdn.example/ public"},
		{"308", "https://reg.example", status(308, "//cdn.example/"), "200 the bytes\nGET https://cdn.example/ public"},
		{"304 is none", "https://reg.example", status(304, "https://cdn.example/"), "304"},
		{"no Location", "https://reg.example", status(302, ""), "302"},
		{"http to https", "http://reg.example", wiretest.To("https://cdn.example/"), "200 the bytes\nGET https://cdn.example/ public"},
		{"https to http", "https://reg.example", wiretest.To("http://cdn.example/"), "reg.example redirects from https to http at cdn.example; that is not followed"},
		{"to no URL", "https://reg.example", status(302, "https://%zz"), "reg.example redirects to something that is no URL"},
		{"to another scheme", "https://reg.example", status(302, "file:///etc/passwd"), "reg.example redirects to something that is no URL"},
		{"a user in the URL and a fragment are dropped", "https://reg.example", wiretest.To("https://u:p@cdn.example/#x"), "200 the bytes\nGET https://cdn.example/ public"},
		{"in a circle", "https://reg.example", wiretest.To("/"), "reg.example/ redirects in a circle"},
		{"too often", "https://reg.example", many, "reg.example/ redirects more than 10 times"},
		{"a public host into the private network is marked", "https://reg.example", wiretest.To("https://10.0.0.1/"), "200 inside\nGET https://10.0.0.1/ public"},
		{"a loopback registry may name its neighbours", "http://127.0.0.1:5000", wiretest.To("http://127.0.0.1:6000/"), "200 beside\nGET http://127.0.0.1:6000/"},
		{"localhost too", "http://localhost:5000", wiretest.To("http://127.0.0.1:6000/"), "200 beside\nGET http://127.0.0.1:6000/"},
		{"a private literal too", "https://10.0.0.9", wiretest.To("https://10.0.0.1/"), "200 inside\nGET https://10.0.0.1/"},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			net := &wiretest.Internet{Hosts: map[string]http.HandlerFunc{test.from: test.home}}
			for host, handler := range world {
				if net.Hosts[host] == nil {
					net.Hosts[host] = handler
				}
			}
			got := wiretest.Get(t, &Follow{Next: net}, test.from+"/")
			if _, hops, ok := strings.Cut(net.Asked(), "\n"); ok && !strings.HasPrefix(got, "reg.example/") {
				got += "\n" + hops
			}
			want(t, got, test.want)
		})
	}
}

func TestTenRedirectsAreFollowed(t *testing.T) {
	left := maxHops
	net := &wiretest.Internet{Hosts: map[string]http.HandlerFunc{"https://reg.example": func(w http.ResponseWriter, req *http.Request) {
		if left--; left >= 0 {
			http.Redirect(w, req, fmt.Sprint("/", left), http.StatusFound)
		}
	}}}
	want(t, wiretest.Get(t, &Follow{Next: net}, "https://reg.example/x"), "200")
}

// Trap 4: Authorization forwarded to a CDN.
func TestCredentialsStayWhereTheyWereMeantFor(t *testing.T) {
	secrets := []string{"Authorization", "s3cret", "Cookie", "s3cret", "Proxy-Authorization", "s3cret", "Range", "bytes=5-", "Accept", "text/x", "If-None-Match", `"e"`}
	tests := map[string]struct {
		to   string
		kept bool
	}{
		"another host":    {"https://cdn.example/", false},
		"another port":    {"https://reg.example:8443/", false},
		"the same host":   {"https://reg.example/there", true},
		"443 written out": {"https://REG.example:443/there", true},
		"there and back":  {"https://back.example/", false},
		"a sub-domain":    {"https://a.reg.example/", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			net := &wiretest.Internet{Hosts: map[string]http.HandlerFunc{
				"https://cdn.example": wiretest.Says("ok"), "https://reg.example:8443": wiretest.Says("ok"), "https://REG.example:443": wiretest.Says("ok"), "https://a.reg.example": wiretest.Says("ok"),
				"https://back.example": wiretest.To("https://reg.example/there"),
			}}
			net.Hosts["https://reg.example"] = func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path != "/there" {
					http.Redirect(w, req, test.to, http.StatusFound)
				}
			}
			if got := wiretest.Get(t, &Follow{Next: net}, "https://reg.example/here", secrets...); !strings.HasPrefix(got, "200") {
				t.Fatal(got)
			}
			for i := 0; i < 6; i += 2 {
				if kept := net.Last().Header.Get(secrets[i]) != ""; kept != test.kept {
					t.Errorf("%s\ngot  kept %t\nwant kept %t", secrets[i], kept, test.kept)
				}
			}
			for i := 6; i < len(secrets); i += 2 {
				want(t, net.Last().Header.Get(secrets[i]), secrets[i+1])
			}
		})
	}
}

func TestOnlyReadingIsRedirected(t *testing.T) {
	net := &wiretest.Internet{Hosts: map[string]http.HandlerFunc{"https://reg.example": wiretest.To("https://cdn.example/")}}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://reg.example/", strings.NewReader("x"))
	resp, err := (&Follow{Next: net}).RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != "https://cdn.example/" {
		t.Errorf("got  %v, %v\nwant the 302 itself", resp, err)
	}
}

func TestAnswerTellsTheLastURL(t *testing.T) {
	net := &wiretest.Internet{Hosts: map[string]http.HandlerFunc{"https://reg.example": wiretest.To("https://cdn.example/b"), "https://cdn.example": wiretest.Says("ok")}}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodHead, "https://reg.example/", nil)
	resp, err := (&Follow{Next: net}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	want(t, resp.Request.Method+" "+resp.Request.URL.String(), "HEAD https://cdn.example/b")
	want(t, req.URL.String(), "https://reg.example/")
}

// stuck is a body that never ends unless it is closed.
type stuck struct{ closed chan struct{} }

func (s *stuck) Read([]byte) (int, error) { <-s.closed; return 0, errors.New("closed") }
func (s *stuck) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

func TestRedirectsBodyIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &stuck{make(chan struct{})}
		begin := time.Now()
		Discard(&http.Response{Body: body, ContentLength: -1})
		if waited := time.Since(begin); waited != drainPatience {
			t.Errorf("got  %v\nwant %v", waited, drainPatience)
		}
		<-body.closed
		body = &stuck{make(chan struct{})}
		Discard(&http.Response{Body: body, ContentLength: 1 << 30})
		<-body.closed
	})
}

// The connection of a redirect is used again, and a redirect into ourselves ends at the dial.
func TestRedirectsOverRealConnections(t *testing.T) {
	conns := map[net.Conn]bool{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/":
			http.Redirect(w, req, "/there", http.StatusFound)
		case "/us":
			http.Redirect(w, req, "http://127.0.7.90:80/", http.StatusFound)
		}
	}))
	s.Config.ConnState = func(c net.Conn, _ http.ConnState) { conns[c] = true }
	s.Start()
	defer s.Close()
	d := &dial.Dialer{Self: func(a netip.AddrPort) bool { return a.String() == "127.0.7.90:80" }}
	pool := &http.Transport{DialContext: d.DialContext}
	follow := &Follow{Next: pool}
	want(t, wiretest.Get(t, follow, s.URL+"/"), "200")
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/us", nil)
	if _, err := follow.RoundTrip(req); !errors.Is(err, dial.ErrSelf) {
		t.Errorf("got  %v\nwant ErrSelf", err)
	}
	pool.CloseIdleConnections()
	s.Close()
	if len(conns) != 1 {
		t.Errorf("got  %d connections\nwant 1", len(conns))
	}
}
