package bearer

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/redirect"
	"hither/forward/wiretest"
)

// registry is a small one with a token server beside it. Tokens are numbered: t1, t2 …
type registry struct {
	wiretest.Internet
	service string
	realm   string                // default https://auth.example/token
	grant   http.HandlerFunc      // default: gives the next token
	good    func(tok string) bool // which tokens open the door; default: the newest
	error   string                // of its challenge; empty: it says none
	given   atomic.Int32
	bodies  []string
}

func newRegistry() *registry {
	r := &registry{service: "reg.example", realm: "https://auth.example/token"}
	r.Hosts = map[string]http.HandlerFunc{"https://reg.example": r.serve, "https://auth.example": func(w http.ResponseWriter, req *http.Request) { r.grant(w, req) }}
	r.grant = func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"token":"t%d","expires_in":300}`, r.given.Add(1))
	}
	r.good = func(tok string) bool { return tok == fmt.Sprint("t", r.given.Load()) }
	return r
}

func (r *registry) serve(w http.ResponseWriter, req *http.Request) {
	if req.Body != nil {
		body, _ := io.ReadAll(req.Body)
		r.bodies = append(r.bodies, string(body))
	}
	if tok, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer "); ok && r.good(tok) {
		io.WriteString(w, "yours")
		return
	}
	name := strings.Split(strings.TrimPrefix(req.URL.Path, "/v2/"), "/manifests/")[0]
	challenge := fmt.Sprintf(`Bearer realm=%q,service=%q,scope="repository:%s:pull"`, r.realm, r.service, name)
	if r.error != "" {
		challenge += fmt.Sprintf(",error=%q", r.error)
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(http.StatusUnauthorized)
	io.WriteString(w, "no token")
}

const (
	manifest = "https://reg.example/v2/library/x/manifests/latest"
	question = "GET https://auth.example/token?scope=repository%3Alibrary%2Fx%3Apull&service=reg.example public"
)

func TestTokenIsFetchedOnceAndShownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		b := &Tokens{Next: r}
		want(t, wiretest.Get(t, b, manifest), "200 yours")
		want(t, r.Asked(), "GET "+manifest+"\n"+question+"\nGET "+manifest)
		r.Forget()
		want(t, wiretest.Get(t, b, "https://reg.example/v2/library/x/blobs/sha256:00"), "200 yours")
		want(t, wiretest.Get(t, b, "https://reg.example/v2/library/x/tags/list?n=5"), "200 yours")
		want(t, r.Asked(), "GET https://reg.example/v2/library/x/blobs/sha256:00\nGET https://reg.example/v2/library/x/tags/list?n=5")
		// Another repository is another scope, but the same realm.
		r.Forget()
		want(t, wiretest.Get(t, b, "https://reg.example/v2/library/y/manifests/1"), "200 yours")
		want(t, r.Asked(), strings.Replace(question, "2Fx", "2Fy", 1)+"\nGET https://reg.example/v2/library/y/manifests/1")
	})
}

func TestTokenLives(t *testing.T) {
	tests := map[string]struct {
		answer string
		life   time.Duration // shown at once for that long
	}{
		"as long as it says":      {`{"token":"t%d","expires_in":300}`, 290 * time.Second},
		"60 s if it does not say": {`{"access_token":"t%d"}`, 50 * time.Second},
		"an hour at most":         {`{"token":"t%d","expires_in":999999999999}`, time.Hour - 10*time.Second},
		"a number in quotes":      {`{"token":"t%d","expires_in":"120"}`, 110 * time.Second},
		"never under 10 s":        {`{"token":"t%d","expires_in":8}`, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegistry()
				r.grant = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, test.answer, r.given.Add(1)) }
				b := &Tokens{Next: r}
				fetch := func(tokens int32) {
					t.Helper()
					if got := wiretest.Get(t, b, manifest); got != "200 yours" || r.given.Load() != tokens {
						t.Errorf("got  %s, %d tokens\nwant 200 yours, %d tokens", got, r.given.Load(), tokens)
					}
				}
				fetch(1)
				if test.life > 0 {
					time.Sleep(test.life - time.Millisecond)
					fetch(1)
					time.Sleep(time.Millisecond)
				}
				fetch(2)
			})
		})
	}
}

func TestRejectedTokenIsRenewedOnce(t *testing.T) {
	r := newRegistry()
	b := &Tokens{Next: r}
	wiretest.Get(t, b, manifest)
	r.good = func(tok string) bool { return tok == "t2" } // t1 was revoked
	want(t, wiretest.Get(t, b, manifest), "200 yours")
	r.good = func(string) bool { return false }
	r.Forget()
	want(t, wiretest.Get(t, b, manifest), "401 no token")
	if n := len(r.Requests()); n != 3 {
		t.Errorf("got  %d requests\nwant 3: asked, renewed, asked again\n%s", n, r.Asked())
	}
}

// A realm gives tokens without rights for what is private. Another would have none either, but by and by it may.
func TestTokenWithoutRightsIsNotRenewedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		r.good = func(string) bool { return false }
		b := &Tokens{Next: r}
		wiretest.Get(t, b, manifest)
		for _, c := range []struct {
			error string
			after time.Duration
			want  int
		}{
			{"insufficient_scope", 0, 1},
			{"invalid_token", 0, 3},
			{"insufficient_scope", 29 * time.Second, 1},
			{"insufficient_scope", time.Second, 3},
		} {
			time.Sleep(c.after)
			r.Forget()
			r.error = c.error
			want(t, wiretest.Get(t, b, manifest), "401 no token")
			if n := len(r.Requests()); n != c.want {
				t.Errorf("%s, after %s\ngot  %d requests: %s\nwant %d", c.error, c.after, n, r.Asked(), c.want)
			}
		}
	})
}

// A client's push may make the repository that a token was asked for in vain.
func TestTokenWithoutRightsIsRenewedAfterAPush(t *testing.T) {
	r := newRegistry()
	r.error = "insufficient_scope"
	r.good = func(tok string) bool { return tok == "t2" || tok == "pusher" }
	b := &Tokens{Next: r}
	want(t, wiretest.Get(t, b, manifest), "401 no token")
	push, err := http.NewRequestWithContext(t.Context(), http.MethodPut, manifest, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"nobody", "pusher"} {
		push.Header.Set("Authorization", "Bearer "+who)
		r.Forget()
		resp, err := b.Overhear(r).RoundTrip(push)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if who == "nobody" {
			want(t, wiretest.Get(t, b, manifest), "401 no token")
		}
	}
	want(t, wiretest.Get(t, b, manifest), "200 yours")
}

func TestRefusalsComeBackAsTheyAre(t *testing.T) {
	challenge := func(lines ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Www-Authenticate"] = lines
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, "no")
		}
	}
	ask := `Bearer realm="https://auth.example/token"`
	tests := map[string]struct {
		home, auth http.HandlerFunc
		want       string
	}{
		"no challenge":                          {challenge(), nil, "401 no"},
		"only Basic":                            {challenge(`Basic realm="x"`), nil, "401 no"},
		"a token server that knows no guest":    {challenge(ask), challenge(), "401 no"},
		"a token server in trouble":             {challenge(ask), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, "reg.example wants a token, and none was got: ask auth.example: the token server answered 503"},
		"a token server that is asked too much": {challenge(ask), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, "429 no"},
		"no token in the answer":                {challenge(ask), wiretest.Says(`{"token":""}`), "reg.example wants a token, and none was got: ask auth.example: the token server's answer has no usable token"},
		"a token that is no header":             {challenge(ask), wiretest.Says(`{"token":"a\r\nb"}`), "reg.example wants a token, and none was got: ask auth.example: the token server's answer has no usable token"},
		"a page":                                {challenge(ask), wiretest.Says(`<html>`), "reg.example wants a token, and none was got: ask auth.example: the token server's answer is not JSON"},
		"an endless answer":                     {challenge(ask), wiretest.Says(`{"token":"` + strings.Repeat("x", 1<<20)), "reg.example wants a token, and none was got: ask auth.example: the token server's answer is too long"},
		"a realm without TLS":                   {challenge(`Bearer realm="http://auth.example/token"`), nil, "reg.example wants a token, and none was got: asking for it at auth.example would be without TLS"},
		"a realm that is no URL":                {challenge(`Bearer realm="registry"`), nil, "reg.example wants a token, and none was got: the address to ask at is no URL"},
		"a realm with a user in it":             {challenge(`Bearer realm="https://u:p@auth.example/"`), nil, "reg.example wants a token, and none was got: the address to ask at is no URL"},
		"a realm that leads to plain http":      {challenge(ask), wiretest.To("http://auth.example/"), "reg.example wants a token, and none was got: ask auth.example: auth.example redirects from https to http at auth.example; that is not followed"},
		"a realm behind a redirect":             {challenge(ask), wiretest.To("https://auth2.example/"), "401 no"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			net := &wiretest.Internet{Hosts: map[string]http.HandlerFunc{"https://reg.example": test.home, "https://auth.example": test.auth, "https://auth2.example": http.NotFound}}
			want(t, wiretest.Get(t, &Tokens{Next: net}, manifest), test.want)
		})
	}
}

func TestPlainRegistryMayHaveAPlainRealm(t *testing.T) {
	r := newRegistry()
	r.realm = "http://127.0.0.1:5001/token?account=x"
	r.Hosts["http://127.0.0.1:5000"] = r.serve
	r.Hosts["http://127.0.0.1:5001"] = r.grant
	want(t, wiretest.Get(t, &Tokens{Next: r}, "http://127.0.0.1:5000/v2/a/manifests/1"), "200 yours")
	want(t, strings.Split(r.Asked(), "\n")[1], "GET http://127.0.0.1:5001/token?account=x&scope=repository%3Aa%3Apull&service=reg.example")
}

// SSRF: a public registry names a realm; the question is marked so that the dial refuses the private network.
func TestRealmOfAPublicRegistryIsMarked(t *testing.T) {
	r := newRegistry()
	r.realm = "https://10.0.0.1/token"
	r.Hosts["https://10.0.0.1"] = r.grant
	wiretest.Get(t, &Tokens{Next: r}, manifest)
	if line := strings.Split(r.Asked(), "\n")[1]; !strings.HasPrefix(line, "GET https://10.0.0.1/token") || !strings.HasSuffix(line, " public") {
		t.Errorf("got  %s\nwant it marked public", line)
	}
	r = newRegistry()
	r.realm = "https://reg.example/token"
	r.Hosts["https://reg.example"] = func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/token" {
			r.grant(w, req)
			return
		}
		r.serve(w, req)
	}
	wiretest.Get(t, &Tokens{Next: r}, manifest)
	if strings.Contains(r.Asked(), " public") {
		t.Errorf("the registry's own realm was marked:\n%s", r.Asked())
	}
}

func TestOwnCredentialsAreLeftAlone(t *testing.T) {
	r := newRegistry()
	want(t, wiretest.Get(t, &Tokens{Next: r}, manifest, "Authorization", "Basic eDp5"), "401 no token")
	want(t, r.Asked(), "GET "+manifest)
	want(t, r.Last().Header.Get("Authorization"), "Basic eDp5")
}

func TestTokensAreNotShownAround(t *testing.T) {
	r := newRegistry()
	b := &Tokens{Next: &redirect.Follow{Next: r}}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, manifest, nil)
	resp, err := b.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	if resp.Request.Header.Get("Authorization") != "" || req.Header.Get("Authorization") != "" {
		t.Error("the token stands in the request that the caller sees")
	}
	want(t, resp.Request.URL.String(), manifest)
}

// Trap 4 again: a token goes to its registry and not to the CDN behind it, in either order of the two wrappers; and the
// CDN's own challenge is not answered with the registry's token.
func TestTokenDoesNotFollowARedirect(t *testing.T) {
	for name, wrap := range map[string]func(http.RoundTripper) http.RoundTripper{
		"Follow over Tokens": func(rt http.RoundTripper) http.RoundTripper { return &redirect.Follow{Next: &Tokens{Next: rt}} },
		"Tokens over Follow": func(rt http.RoundTripper) http.RoundTripper { return &Tokens{Next: &redirect.Follow{Next: rt}} },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry()
			var atCDN []string
			r.Hosts["https://cdn.example"] = func(w http.ResponseWriter, req *http.Request) {
				atCDN = append(atCDN, req.Header.Get("Authorization"))
				w.Header().Set("WWW-Authenticate", `Basic realm="cdn"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
			r.Hosts["https://reg.example"] = func(w http.ResponseWriter, req *http.Request) {
				if req.Header.Get("Authorization") == "Bearer t1" {
					http.Redirect(w, req, "https://cdn.example/blob", http.StatusTemporaryRedirect)
					return
				}
				r.serve(w, req)
			}
			want(t, wiretest.Get(t, wrap(r), manifest), "401")
			want(t, fmt.Sprintf("%q", atCDN), `[""]`)
		})
	}
}

func TestEqualTokenQuestionsAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		grant := r.grant
		r.grant = func(w http.ResponseWriter, req *http.Request) { time.Sleep(time.Second); grant(w, req) }
		r.good = func(tok string) bool { return tok == "t1" }
		b := &Tokens{Next: r}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if got := wiretest.Get(t, b, manifest); got != "200 yours" {
					t.Errorf("got  %s\nwant 200 yours", got)
				}
			})
		}
		all.Wait()
		if n := r.given.Load(); n != 1 {
			t.Errorf("got  %d tokens\nwant 1", n)
		}
	})
}

func TestRequestWithABodyIsRepeatedIfThatCanBeHadAgain(t *testing.T) {
	r := newRegistry()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://reg.example/v2/library/x/blobs/uploads/", strings.NewReader("layer"))
	want(t, wiretest.Send(&Tokens{Next: r}, req), "200 yours")
	want(t, strings.Join(r.bodies, ","), "layer,layer")
	r = newRegistry()
	req, _ = http.NewRequestWithContext(t.Context(), http.MethodPost, "https://reg.example/v2/library/x/blobs/uploads/", io.NopCloser(strings.NewReader("layer")))
	want(t, wiretest.Send(&Tokens{Next: r}, req), "401 no token")
	want(t, strings.Join(r.bodies, ","), "layer")
}

func TestTokensAreBounded(t *testing.T) {
	r := newRegistry()
	r.good = func(string) bool { return true }
	b := &Tokens{Next: r}
	for i := range maxSpaces + 100 {
		if got := wiretest.Get(t, b, fmt.Sprintf("https://reg.example/v2/r%d/manifests/1", i)); got != "200 yours" {
			t.Fatal(got)
		}
	}
	if len(b.tokens) != maxTokens || len(b.spaces) > maxSpaces {
		t.Errorf("got  %d tokens, %d spaces\nwant %d, at most %d", len(b.tokens), len(b.spaces), maxTokens, maxSpaces)
	}
}

// endless is a body that never ends; it counts what was taken of it.
type endless struct{ taken int }

func (e *endless) Read(p []byte) (int, error) { e.taken += len(p); return len(p), nil }
func (e *endless) Close() error               { return nil }

func TestEndlessTokenAnswerIsCutOff(t *testing.T) {
	body := &endless{}
	resp := &http.Response{StatusCode: http.StatusOK, Body: struct {
		io.Reader
		io.Closer
	}{io.LimitReader(body, 64<<20), body}}
	if _, err := readToken(resp); err == nil || body.taken > 2*maxTokenAnswer {
		t.Errorf("got  %v after %d bytes\nwant an error after about %d", err, body.taken, maxTokenAnswer)
	}
}
