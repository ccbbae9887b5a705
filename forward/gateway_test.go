package forward_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hither/forward"
)

// named is a carrier that has a name for the origin where it has none of the client's.
type named struct{ http.RoundTripper }

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, own := r.Header["Authorization"]; !own {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer everybody")
	}
	return n.RoundTripper.RoundTrip(r)
}

// The gateway of a registry tells its clients that they need no token, so what it does not keep is asked for with one of ours.
func TestWhoReadsByTheGatewayNeedsNoToken(t *testing.T) {
	w := newWorld(t, func(s *forward.Server) { s.Anonymous = named{s.Pass} })
	tags := "/v2/library/alpine/tags/list"
	for _, c := range []struct{ what, method, url, shown, want string }{
		{"reading", "GET", "http://" + w.addr + tags, "", "Bearer everybody"},
		{"asking", "HEAD", "http://" + w.addr + tags, "", "Bearer everybody"},
		{"reading with a token", "GET", "http://" + w.addr + tags, "Bearer mine", "Bearer mine"},
		{"reading with a password", "GET", "http://" + w.addr + tags, "Basic bWU6bWU=", "Basic bWU6bWU="},
		{"pushing", "POST", "http://" + w.addr + "/v2/library/alpine/blobs/uploads/", "", ""},
		{"another kind of registry", "GET", "http://" + w.addr + "/reg/never/a", "", ""},
		{"the registry itself", "GET", "https://" + oci + tags, "", ""},
	} {
		client, header := w.client(false), []string{}
		if strings.HasPrefix(c.url, "http:") {
			client = w.direct()
		}
		if c.shown != "" {
			header = []string{"Authorization", c.shown}
		}
		do(t, client, c.method, c.url, "", header...)
		if got := w.lastSeen().Header.Get("Authorization"); got != c.want {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, c.want)
		}
	}
}

// Who pushes by the gateway was told that no login is needed. The refusal says what to do, and keeps the challenge.
func TestARefusalByTheGatewayTellsWhereToLogIn(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("WWW-Authenticate", `Bearer realm="https://auth.test/token"`)
		http.Error(rw, "who are you?", http.StatusUnauthorized)
	})
	advice := `401 {"errors":[{"code":"UNAUTHORIZED","message":"oci.world.test wants a login for this`
	for _, c := range []struct{ what, method, url, shown, want string }{
		{"a push", "POST", "http://" + w.addr + "/v2/library/alpine/blobs/uploads/", "", advice},
		{"a pull", "GET", "http://" + w.addr + "/v2/library/alpine/tags/list", "", advice},
		{"with a token that is not enough", "POST", "http://" + w.addr + "/v2/library/alpine/blobs/uploads/", "Bearer mine", "401 who are you?"},
		{"by the proxy", "POST", "https://" + oci + "/v2/library/alpine/blobs/uploads/", "", "401 who are you?"},
	} {
		client := w.client(false)
		if strings.HasPrefix(c.url, "http:") {
			client = w.direct()
		}
		var header []string
		if c.shown != "" {
			header = []string{"Authorization", c.shown}
		}
		res, body := do(t, client, c.method, c.url, "", header...)
		if got := fmt.Sprint(res.StatusCode, " ", body); !strings.HasPrefix(got, c.want) || res.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s\ngot:  %s (%s)\nwant: %s", c.what, got, res.Header.Get("WWW-Authenticate"), c.want)
		}
	}
}
