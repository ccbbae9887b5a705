package forward_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"hither/cache/digest"
	"hither/forward"
	"hither/forward/fetch"
	"hither/forward/notary"
	"hither/forward/redirect"
	"hither/rules"
)

const blob = "/v2/library/alpine/blobs/sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

// What the origin and what the cache is asked is the whole promise about credentials, uploads and rules.
func TestWhoAnswers(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("cache", nil))
	bearer, basic, cookie := []string{"Authorization", "Bearer t"}, []string{"Authorization", "Basic dTpw"}, []string{"Cookie", "s=1"}
	for _, c := range []struct {
		what, method, host, path string
		header                   []string
		want                     string
	}{
		{"what the rule keeps", "GET", host, "/forever/a", nil, "cache"},
		{"its head", "HEAD", host, "/forever/a", nil, "cache"},
		{"an upload", "PUT", host, "/forever/a", nil, "origin"},
		{"a deletion", "DELETE", host, "/forever/a", nil, "origin"},
		{"what the rule never keeps", "GET", host, "/never/a", nil, "origin"},
		{"what no path of the rule speaks of", "GET", host, "/unknown", nil, "origin"},
		{"a query that no path speaks of", "GET", host, "/forever/a?write=true", nil, "origin"},
		{"an upgrade", "GET", host, "/forever/a", []string{"Upgrade", "websocket", "Connection", "Upgrade"}, "origin"},
		{"a password", "GET", host, "/forever/a", basic, "origin"},
		{"a cookie", "GET", host, "/forever/a", cookie, "origin"},
		{"a token where the rule knows no tokens", "GET", host, "/forever/a", bearer, "origin"},
		{"a token where strangers get some too", "GET", oci, blob, bearer, "cache, doubtful"},
		{"the same in capitals", "GET", oci, blob, []string{"Authorization", "BEARER t"}, "cache, doubtful"},
		{"a token and a cookie", "GET", oci, blob, append(cookie, bearer...), "origin"},
		{"two credentials", "GET", oci, blob, append([]string{"Authorization", "Basic dTpw"}, bearer...), "origin"},
		{"a password at a registry", "GET", oci, blob, basic, "origin"},
		{"a stranger", "GET", alien, "/forever/a", nil, "origin"},
		{"a question that we answer always", "GET", host, "/ping", nil, "here"},
		{"the same with a password", "GET", host, "/ping", basic, "origin"},
		{"the same as an upload", "POST", host, "/ping", nil, "origin"},
		{"a question that we answer only by our address", "GET", oci, "/v2/", nil, "origin"},
	} {
		w.mu.Lock()
		w.wishes, w.seen = nil, nil
		w.mu.Unlock()
		scheme := "https://"
		if c.host == alien {
			scheme = "http://"
		}
		do(t, w.client(false), c.method, scheme+c.host+c.path, "", c.header...)
		if got := w.who(); got != c.want {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, c.want)
		}
	}
}

// who tells who was asked since the last look.
func (w *world) who() string {
	wish, ok := w.lastWish()
	switch {
	case w.asked() > 0 && ok:
		return "cache, then origin"
	case w.asked() > 0:
		return "origin"
	case ok && wish.Doubtful:
		return "cache, doubtful"
	case ok:
		return "cache"
	}
	return "here"
}

func TestWhatTheCacheCannotGiveIsAskedOfTheOrigin(t *testing.T) {
	w := newWorld(t)
	refusal := func(status int) error {
		return &fetch.Failure{Tries: []fetch.Try{{Origin: true, Status: status}}}
	}
	bearer := []string{"Authorization", "Bearer t"}
	for _, c := range []struct {
		what   string
		script func(fetch.Request) (*fetch.Answer, error)
		header []string
		want   string
	}{
		{"it is not for the cache", fails(fetch.ErrPass), nil, "200 origin"},
		{"the origin refuses us: its words tell where tokens are had", fails(refusal(401)), nil, "200 origin"},
		{"the origin forbids it to us", fails(refusal(403)), nil, "200 origin"},
		{"the origin has had enough of us", fails(refusal(429)), nil, "429 nobody"},
		{"the origin finds the request wrong", fails(refusal(400)), nil, "400 nobody"},
		{"the origin finds our own part of it wrong", fails(refusal(416)), nil, "502 nobody"},
		{"nobody answers", fails(refusal(500)), nil, "502 nobody"},
		{"something else is wrong", fails(errors.New("a broken disk")), nil, "502 nobody"},
		{"a token: not for the cache", fails(fetch.ErrPass), bearer, "200 origin"},
		{"a token: the origin forbids it to us", fails(refusal(403)), bearer, "200 origin"},
		{"a token: nobody answers us", fails(refusal(500)), bearer, "200 origin"},
		{"a token: the origin does not show it to us", content("", func(a *fetch.Answer) { a.Status = 404 }), bearer, "200 origin"},
		{"no token: it is not there", content("", func(a *fetch.Answer) { a.Status = 404 }), nil, "404 nobody"},
		{"the database contradicts itself", fails(notary.ErrSecurity), nil, "502 nobody"},
		{"a token does not heal that", fails(notary.ErrSecurity), bearer, "502 nobody"},
	} {
		w.mu.Lock()
		w.seen = nil
		w.mu.Unlock()
		w.setFetch(c.script)
		res, _ := get(t, w.client(false), "https://"+oci+blob, c.header...)
		got := fmt.Sprint(res.StatusCode, " nobody")
		if w.asked() > 0 {
			got = fmt.Sprint(res.StatusCode, " origin")
			if sent := w.lastSeen().Header["Authorization"]; len(sent) != len(c.header)/2 {
				t.Errorf("%s: credentials at the origin\ngot:  %q\nwant: what the client sent", c.what, sent)
			}
		}
		if got != c.want {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, c.want)
		}
	}
}

// A registry has no manifest of the kinds that the rule asks for, but one that the client reads: of Docker's first schema, or of
// something that is no image.
func TestAManifestOfAnotherKindIsAskedOfTheOrigin(t *testing.T) {
	w := newWorld(t)
	gone := func(a *fetch.Answer) { a.Status = http.StatusNotFound }
	for _, c := range []struct {
		what   string
		script func(fetch.Request) (*fetch.Answer, error)
		accept string
		want   string
	}{
		{"there is none of the rule's kinds", content("", gone), "application/vnd.docker.distribution.manifest.v1+prettyjws, */*", "200 origin GET /v2/library/alpine/manifests/old"},
		{"there is one", content("a manifest", nil), "application/vnd.docker.distribution.manifest.v1+prettyjws, */*", "200 a manifest"},
		{"the client says of none that it reads it", content("", gone), "", "200 origin GET /v2/library/alpine/manifests/old"},
		{"it reads no other, as hither warm", content("no such tag", gone), "application/vnd.oci.image.manifest.v1+json", "404 no such tag"},
		{"it wants no other", content("no such tag", gone), "application/vnd.oci.image.manifest.v1+json;q=0.5, */*;q=0", "404 no such tag"},
	} {
		w.setFetch(c.script)
		res, body := get(t, w.client(false), "https://"+oci+"/v2/library/alpine/manifests/old", "Accept", c.accept)
		if got := fmt.Sprint(res.StatusCode, " ", strings.TrimSpace(body)); got != c.want {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, c.want)
		}
	}
}

func TestARefusalSaysWhenToAskAgain(t *testing.T) {
	w := newWorld(t)
	w.setFetch(fails(&fetch.Failure{Tries: []fetch.Try{{Origin: true, Status: 429, Limits: http.Header{"Retry-After": {"77"}}}}}))
	res, _ := get(t, w.client(false), "https://"+oci+blob)
	if got := fmt.Sprint(res.StatusCode, res.Header["Retry-After"]); got != "429 [77]" {
		t.Errorf("got:  %s\nwant: 429 [77]", got)
	}
}

func fails(err error) func(fetch.Request) (*fetch.Answer, error) {
	return func(fetch.Request) (*fetch.Answer, error) { return nil, err }
}

// Where only mirrors are reached, a late part is better than none.
func TestAPartThatIsFarAheadIsWaitedForIfTheOriginDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	come := content("0123456789", func(a *fetch.Answer) { a.Report.State = fetch.Merged })
	w.setFetch(func(req fetch.Request) (*fetch.Answer, error) {
		if req.Upto > 0 {
			return nil, &fetch.FarError{}
		}
		return come(req)
	})
	w.unreachable()
	for _, want := range []string{"206 2345", "200 origin GET /forever/a "} {
		res, body := get(t, w.client(false), "https://"+host+"/forever/a", "Range", "bytes=2-5")
		if got := fmt.Sprint(res.StatusCode, " ", body); got != want {
			t.Errorf("\ngot:  %s\nwant: %s", got, want)
		}
		w.setDial(nil)
	}
}

// A client that once got a part of it from us (stargz-snapshotter) takes no redirect for another, though what is kept may have been
// evicted meanwhile. The way is gone once.
func TestAPartThatIsFarAheadIsFetchedFromWhereItsOriginKeepsIt(t *testing.T) {
	w := newWorld(t)
	var trail redirect.Trail
	w.setFetch(fails(&fetch.FarError{Trail: &trail}))
	var asked []string
	w.setOrigin(func(rw http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		if r.URL.Path == "/forever/a" {
			http.Redirect(rw, r, "/store", http.StatusTemporaryRedirect)
			return
		}
		http.ServeContent(rw, r, "", time.Time{}, strings.NewReader("0123456789"))
	})
	for _, want := range []string{"206 2345 [/forever/a /store]", "206 2345 [/forever/a /store /store]"} {
		res, body := get(t, w.client(false), "https://"+host+"/forever/a", "Range", "bytes=2-5")
		if got := fmt.Sprint(res.StatusCode, " ", body, " ", asked); got != want {
			t.Errorf("\ngot:  %s\nwant: %s", got, want)
		}
	}
}

func TestWhatAClientSaysOfItsWish(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content(text, nil))
	sri := "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="
	claim, err := digest.ParseSRI(sri)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, path string
		header     []string
		want       string // claim, fresh, kept only, offset, upto, part
	}{
		{"nothing", "/minute/a", nil, " false false 0 0 0"},
		{"npm knows the digest", "/minute/a", []string{"Pacote-Integrity", sri}, string(claim) + " false false 0 0 0"},
		{"a claim that cannot be read", "/minute/a", []string{"Pacote-Integrity", "sha512-!!"}, " false false 0 0 0"},
		{"no-cache", "/minute/a", []string{"Cache-Control", "no-transform, No-Cache"}, " true false 0 0 0"},
		{"max-age=0", "/minute/a", []string{"Cache-Control", `max-age="0"`}, " true false 0 0 0"},
		{"max-age=60", "/minute/a", []string{"Cache-Control", "max-age=60"}, " false false 0 0 0"},
		{"Pragma", "/minute/a", []string{"Pragma", "no-cache"}, " true false 0 0 0"},
		{"Pragma beside Cache-Control", "/minute/a", []string{"Pragma", "no-cache", "Cache-Control", "max-stale"}, " false false 0 0 0"},
		{"no-cache of what cannot change", "/forever/a", []string{"Cache-Control", "no-cache"}, " false false 0 0 0"},
		{"npm view", "/minute/a", []string{"Npm-Command", "view"}, " true false 0 0 0"},
		{"npm outdated", "/minute/a", []string{"Npm-Command", "outdated"}, " true false 0 0 0"},
		{"ncu", "/minute/a", []string{"User-Agent", "npm-check-updates/22.2.0"}, " true false 0 0 0"},
		{"npm install", "/minute/a", []string{"Npm-Command", "install"}, " false false 0 0 0"},
		{"the package npx is to run", "/minute/a", []string{"Npm-Command", "exec", "Accept", "application/vnd.npm.install-v1+json; q=1.0, */*"}, " true false 0 0 0"},
		{"what that needs", "/minute/a", []string{"Npm-Command", "exec", "Accept", "application/json"}, " false false 0 0 0"},
		{"the tarball of npm pack", "/forever/a", []string{"Npm-Command", "pack"}, " false false 0 0 0"},
		{"only-if-cached", "/minute/a", []string{"Cache-Control", "only-if-cached"}, " false true 0 0 0"},
		{"a range", "/forever/a", []string{"Range", "bytes=5-"}, " false false 5 0 0"},
		{"a range with an end", "/forever/a", []string{"Range", "bytes=5-6"}, " false false 5 7 2"},
		{"a range with blanks", "/forever/a", []string{"Range", "bytes=5 - 6"}, " false false 5 7 2"},
		{"the last of several ranges", "/forever/a", []string{"Range", "bytes=5-6, 8-9,1-2"}, " false false 8 1 6"},
		{"several ranges, one without an end", "/forever/a", []string{"Range", "bytes=5-6,8-"}, " false false 8 1 0"},
		{"more bytes than there are numbers", "/forever/a", []string{"Range", "bytes=0-9223372036854775806,1-9223372036854775806"}, " false false 1 1 9223372036854775806"},
		{"a range from the end", "/forever/a", []string{"Range", "bytes=-1"}, fmt.Sprint(" false false ", int64(math.MaxInt64), " 0 0")},
	} {
		get(t, w.client(false), "https://"+host+c.path, c.header...)
		wish, _ := w.lastWish()
		if got := fmt.Sprint(wish.Claim, " ", wish.Fresh, " ", wish.KeptOnly, " ", wish.Offset, " ", wish.Upto, " ", wish.Part); got != c.want {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, c.want)
		}
	}
}

// Who may push leaves out what he hears is there. His token says so; one for reading alone, or another repository, does not.
func TestWhoPushesHearsWhatTheRegistryHas(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("kept", nil))
	for _, c := range []struct{ what, method, path, claims, want string }{
		{"a tag", "GET", "manifests/latest", `"library/alpine","actions":["pull","push"]`, "fresh"},
		{"whether a tag is there", "HEAD", "manifests/latest", `"library/alpine","actions":["pull","push"]`, "passed"},
		{"whether a layer is there", "HEAD", "blobs/" + layerDigest, `"library/alpine","actions":["pull","push"]`, "passed"},
		{"a layer", "GET", "blobs/" + layerDigest, `"library/alpine","actions":["pull","push"]`, "kept"},
		{"a tag, who reads", "HEAD", "manifests/latest", `"library/alpine","actions":["pull"]`, "kept"},
		{"a tag, who pushes elsewhere", "HEAD", "manifests/latest", `"library/mine","actions":["pull","push"]`, "kept"},
	} {
		before, wished := w.asked(), w.wished()
		token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"access":[{"type":"repository","name":`+c.claims+`}]}`)) + ".c2ln"
		do(t, w.client(false), c.method, "https://"+oci+"/v2/library/alpine/"+c.path, "", "Authorization", "Bearer "+token)
		got := "kept"
		if wish, _ := w.lastWish(); wish.Fresh {
			got = "fresh"
		}
		if w.asked() > before && w.wished() == wished {
			got = "passed"
		}
		if got != c.want {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, c.want)
		}
	}
}

const layerDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestOnlyIfCachedAsksNobody(t *testing.T) {
	w := newWorld(t)
	res, body := get(t, w.client(false), "https://"+host+"/minute/a", "Cache-Control", "only-if-cached")
	if res.StatusCode != http.StatusGatewayTimeout || w.asked() != 0 || !strings.Contains(body, "not in the cache") {
		t.Errorf("got:  %d %s, origin asked %d times\nwant: 504 and a sentence, never", res.StatusCode, body, w.asked())
	}
}

func TestWhatTheClientCanRead(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content(text, nil))
	const corgi = "application/vnd.npm.install-v1+json"
	for _, c := range []struct {
		accept []string
		kind   string
		want   bool
	}{
		{nil, "text/html", true},
		{[]string{"*/*"}, "text/html", true},
		{[]string{"application/json"}, "application/json; charset=utf-8", true},
		{[]string{"Application/JSON"}, "application/json", true},
		{[]string{"application/json"}, corgi, false},
		{[]string{corgi + "; q=1.0, application/json; q=0.8, */*"}, "text/html", true},
		{[]string{corgi, "application/json;q=0.8"}, "application/json", true},
		{[]string{"text/*"}, "text/html", true},
		{[]string{"text/*"}, "application/json", false},
		{[]string{"*/*, text/html;q=0"}, "text/html", false},
		{[]string{"text/*;q=0, text/html"}, "text/html", true},
		{[]string{"text/*;q=0, text/html"}, "text/plain", false},
		{[]string{"application/json"}, "", true},
		{[]string{"not a media range"}, "text/html", true},
	} {
		var header []string
		for _, a := range c.accept {
			header = append(header, "Accept", a)
		}
		get(t, w.client(false), "https://"+host+"/minute/a", header...)
		wish, _ := w.lastWish()
		if got := wish.Accepts == nil || wish.Accepts(c.kind); got != c.want {
			t.Errorf("Accept %q, %s\ngot:  %v\nwant: %v", c.accept, c.kind, got, c.want)
		}
	}
	if get(t, w.client(false), "https://"+host+"/forever/a", "Accept", "application/json"); !readsAll(w) {
		t.Error("what never changes and is of one kind is refused to a client that asks for another, which the registry does not mind")
	}
	if get(t, w.client(false), "https://"+oci+"/v2/library/alpine/manifests/v1", "Accept", "application/json"); readsAll(w) {
		t.Error("a manifest is given to a client that cannot read its kind")
	}
}

func readsAll(w *world) bool {
	wish, _ := w.lastWish()
	return wish.Accepts == nil
}

func TestGatewayPaths(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ what, path, want string }{
		{"below the gateway", "/reg/never/a", "200 origin GET /never/a"},
		{"what no path speaks of", "/reg/unknown/a%2Fb?x=%20y", "200 origin GET /unknown/a%2Fb?x=%20y"},
		{"the gateway itself", "/reg", "200 origin GET /"},
		{"a name that begins like it", "/regx", "200 console GET /regx"},
		{"a registry whose paths begin with it", "/v2/library/alpine/tags/list?n=5&ns=docker.io&last=a", "200 origin GET /v2/library/alpine/tags/list?n=5&last=a"},
		{"is a registry there?", "/v2/", "200 {}"},
		{"a registry that no rule knows must not be Docker Hub", "/v2/library/alpine/tags/list?ns=quay.io", `421 {"errors":[{"code":"UNAVAILABLE","message":"No rule`},
		{"a path that climbs", "/reg/../secret", "400 A path that climbs"},
	} {
		res, body := get(t, w.direct(), "http://"+w.addr+c.path)
		if got := fmt.Sprint(res.StatusCode, " ", body); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, c.want)
		}
	}
}

// A client that asks something which is not for the cache is about to want more.
func TestWhoIsGreeted(t *testing.T) {
	var greeted []string
	w := newWorld(t, func(s *forward.Server) { s.Greeted = func(rule *rules.Rule) { greeted = append(greeted, rule.Name) } })
	w.setFetch(content("cache", nil))
	for _, c := range []struct{ what, method, url, want string }{
		{"a ping that goes to the origin", "GET", "https://" + oci + "/v2/", "oci"},
		{"a ping that we answer", "GET", "https://" + host + "/ping", "reg"},
		{"what the cache may answer", "GET", "https://" + oci + blob, ""},
		{"an upload", "PUT", "https://" + oci + "/v2/x/blobs/uploads/1", ""},
		{"a stranger's", "GET", "http://" + alien + "/v2/", ""},
	} {
		greeted = nil
		do(t, w.client(false), c.method, c.url, "")
		if got := strings.Join(greeted, " "); got != c.want {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.what, got, c.want)
		}
	}
}

func TestTheRegistryPingOffline(t *testing.T) {
	w := newWorld(t)
	w.server.Pass.(*http.Transport).DisableKeepAlives = true // no connection outlives the origin's reach
	res, _ := get(t, w.client(false), "https://"+oci+"/v2/")
	if got := w.asked(); got != 1 || res.StatusCode != http.StatusOK {
		t.Errorf("while the origin answers\ngot:  %d, origin asked %d times\nwant: 200, once", res.StatusCode, got)
	}
	w.unreachable()
	res, body := get(t, w.client(false), "https://"+oci+"/v2/")
	if got := fmt.Sprint(res.StatusCode, body, res.Header.Get("Docker-Distribution-Api-Version")); got != "200{}registry/2.0" {
		t.Errorf("offline\ngot:  %s\nwant: 200{}registry/2.0", got)
	}
}
