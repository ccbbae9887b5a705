package bearer

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hither/forward/mark"
	"hither/forward/redirect"
	"hither/forward/wiretest"
)

// jwt is a token with these claims, as a realm of distribution-spec gives it.
func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signed"))
}

const pullX = `{"access":[{"type":"repository","name":"library/x","actions":["pull"]}]}`

func TestATokenTellsWhatItOpens(t *testing.T) {
	for name, test := range map[string]struct {
		token string
		want  bool
	}{
		"pull":                    {jwt(pullX), true},
		"pull and more":           {jwt(`{"access":[{"type":"repository","name":"y","actions":["pull"]},{"type":"repository","name":"library/x","actions":["*","pull"]}]}`), true},
		"private, or not there":   {jwt(`{"access":[]}`), false},
		"no claim":                {jwt(`{}`), false},
		"null":                    {jwt(`{"access":null}`), false},
		"another repository":      {jwt(`{"access":[{"type":"repository","name":"library/xx","actions":["pull"]}]}`), false},
		"another action":          {jwt(`{"access":[{"type":"repository","name":"library/x","actions":["push"]}]}`), false},
		"another kind of thing":   {jwt(`{"access":[{"type":"registry","name":"library/x","actions":["pull"]}]}`), false},
		"padded, as some are":     {"e30=." + base64.URLEncoding.EncodeToString([]byte(pullX)) + ".c2ln", true},
		"opaque":                  {"anonymous", false},
		"three parts, but no JWT": {"a.b.c", false},
		"claims that are no JSON": {jwt("access"), false},
	} {
		if got := Opens(test.token, "repository:library/x:pull"); got != test.want {
			t.Errorf("%s\ngot  %t\nwant %t", name, got, test.want)
		}
	}
}

// A name may be told to strangers when it is known that the origin's token opens it: before the origin has answered, but on
// no redirect's way, where another host says what opens what.
func TestWhoWantsToKnowHearsThatARepositoryIsOpen(t *testing.T) {
	for name, test := range map[string]struct {
		claims string
		url    string
		want   int // times
	}{
		"open":                        {pullX, manifest, 1},
		"not open":                    {`{"access":[]}`, manifest, 0},
		"nothing that a token is for": {pullX, "https://reg.example/v2/", 0},
		"the way of a redirect":       {pullX, "https://other.example/", 0},
		"another repository's name":   {pullX, "https://reg.example/v2/moved/manifests/latest", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry()
			r.good = func(string) bool { return true }
			r.grant = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"token":%q}`, jwt(test.claims)) }
			r.Hosts["https://other.example"] = wiretest.To(manifest)
			r.Hosts["https://reg.example"] = func(w http.ResponseWriter, req *http.Request) {
				if strings.HasPrefix(req.URL.Path, "/v2/moved/") {
					wiretest.To(manifest)(w, req)
					return
				}
				r.serve(w, req)
			}
			told := 0
			ctx := mark.Granted(t.Context(), func() { told++ })
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, test.url, nil)
			resp, err := (&redirect.Follow{Next: &Tokens{Next: r, Now: time.Now}}).RoundTrip(req)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatal(resp, err)
			}
			if told != test.want {
				t.Errorf("told\ngot  %d times\nwant %d", told, test.want)
			}
		})
	}
}

func FuzzOpens(f *testing.F) {
	f.Add(jwt(pullX), "repository:library/x:pull")
	f.Add("a.b.c", "repository:library/x:pull")
	f.Add(jwt(`{"access":[{"actions":null}]}`), "::")
	f.Fuzz(func(t *testing.T, token, scope string) {
		if name, _, ok := cutScope(scope); Opens(token, scope) && (!ok || name == "") {
			t.Errorf("%q opens %q", token, scope)
		}
	})
}
