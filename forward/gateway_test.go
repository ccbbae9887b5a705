package forward_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hither/forward"
	"hither/forward/fetch"
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

// Some clients of registries follow no link to another host than the one they asked, and that is the gateway.
func TestARegistrysOwnPlacesAreByTheGateway(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ what, method, path, name, said, want string }{
		{"the next tags", "GET", "/v2/a/tags/list", "Link", `<ORIGIN/v2/a/tags/list?last=b>; rel="next"`, `</v2/a/tags/list?last=b>; rel="next"`},
		{"as most say it", "GET", "/v2/a/tags/list", "Link", `</v2/a/tags/list?last=b>; rel="next"`, `</v2/a/tags/list?last=b>; rel="next"`},
		{"from here", "GET", "/v2/a/tags/list", "Link", `<?last=b>; rel="next"`, `</v2/a/tags/list?last=b>; rel="next"`},
		{"several links", "GET", "/v2/a/tags/list", "Link", `<https://b.test/>; rel="x", <ORIGIN/v2/b>; rel="next"`, `<https://b.test/>; rel="x", </v2/b>; rel="next"`},
		{"without a scheme", "GET", "/v2/a/tags/list", "Link", `<//b.test/v2/a>; rel="next"`, `<//b.test/v2/a>; rel="next"`},
		{"a host that begins alike", "GET", "/v2/a/tags/list", "Link", `<ORIGIN9/v2/a>; rel="next"`, `<ORIGIN9/v2/a>; rel="next"`},
		{"no place of the gateway", "GET", "/v2/a/tags/list", "Link", `<ORIGIN/storage/a>; rel="next"`, `<ORIGIN/storage/a>; rel="next"`},
		{"nor this one, said in short", "POST", "/v2/a/blobs/uploads/", "Location", "/storage/a", "ORIGIN/storage/a"},
		{"to whom the registry was named", "GET", "/v2/a/tags/list?ns=docker.io&n=1", "Link", `</v2/a/tags/list?n=1&last=b>; rel="next"`, `</v2/a/tags/list?n=1&last=b&ns=docker.io>; rel="next"`},
		{"and by its whole address", "POST", "/v2/a/blobs/uploads/?ns=docker.io", "Location", "ORIGIN/v2/a/blobs/uploads/1", "/v2/a/blobs/uploads/1?ns=docker.io"},
		{"an upload", "POST", "/v2/a/blobs/uploads/", "Location", "ORIGIN/v2/a/blobs/uploads/1?s=<2>", "/v2/a/blobs/uploads/1?s=<2>"},
		{"elsewhere", "POST", "/v2/a/blobs/uploads/", "Location", "https://b.test/1", "https://b.test/1"},
		{"behind a gateway of another name", "POST", "/reg/never/a", "Location", "/never/b", "/reg/never/b"},
		{"and its host", "POST", "/reg/never/a", "Location", "ORIGIN/never/b", "/reg/never/b"},
	} {
		here := func(s string) string { return strings.ReplaceAll(s, "ORIGIN", w.origin.URL) }
		w.setOrigin(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set(c.name, here(c.said))
			rw.WriteHeader(http.StatusAccepted)
		})
		res, _ := do(t, w.direct(), c.method, "http://"+w.addr+c.path, "")
		if got := res.Header.Get(c.name); got != here(c.want) {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, here(c.want))
		}
		if strings.HasPrefix(c.path, "/reg") {
			continue
		}
		res, _ = do(t, w.client(false), c.method, "https://"+oci+c.path, "")
		if got := res.Header.Get(c.name); got != here(c.said) {
			t.Errorf("%s, by the proxy\ngot:  %s\nwant: %s", c.what, got, here(c.said))
		}
	}
}

// The go command shows 648 bytes of an error, and of the line that does not fit into that nothing.
func TestWhatToDoIsToldBeforeManyReasons(t *testing.T) {
	w := newWorld(t)
	away := fetch.Try{Base: "https://mirror.test", Err: strings.Repeat("it cannot be reached; ", 40)}
	refused := fetch.Try{Base: "https://" + host, Err: "answered 400: it is not for you", Status: 400, Origin: true}
	w.setFetch(fails(&fetch.Failure{Name: "zip", Tries: []fetch.Try{away, refused}}))
	_, body := get(t, w.client(false), "https://"+host+"/forever/a")
	if want := "nobody gave us zip" + fetch.Advice + "\n" + refused.Base + " " + refused.Err + "\nhttps://mirror.test it cannot be reached\n"; !strings.HasPrefix(body, want) {
		t.Errorf("got:  %s\nwant: %s…", body, want)
	}
	w.setFetch(fails(&fetch.Failure{Name: "zip", Tries: []fetch.Try{refused}}))
	_, body = get(t, w.client(false), "https://"+host+"/forever/a")
	if want := "nobody gave us zip: " + refused.Base + " " + refused.Err + fetch.Advice + "\n"; body != want {
		t.Errorf("got:  %s\nwant: %s", body, want)
	}
}
