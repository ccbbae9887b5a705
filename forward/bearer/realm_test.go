package bearer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/wiretest"
)

// round is how long the far registry takes for each answer.
const round = 200 * time.Millisecond

// farRegistry is a registry at the end of a long line.
type farRegistry struct {
	*registry
	Tokens
	dials []string
	mu    sync.Mutex
}

func newFarRegistry() *farRegistry {
	f := &farRegistry{registry: newRegistry()}
	f.Next = wiretest.RoundTrip(func(req *http.Request) (*http.Response, error) {
		select {
		case <-time.After(round):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
		return f.registry.RoundTrip(req)
	})
	f.Connect = func(_ context.Context, base string, lanes int) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.dials = append(f.dials, fmt.Sprint(base, " ", lanes))
		return nil
	}
	return f
}

// RoundTrip is that of Tokens.
func (f *farRegistry) RoundTrip(req *http.Request) (*http.Response, error) {
	return f.Tokens.RoundTrip(req)
}

// foretold is what a rule says of the registry.
func foretold() map[string]Realm {
	return map[string]Realm{"https://reg.example": {"https://auth.example/token", "reg.example"}}
}

// takes gets the manifest, and tells the answer and how many rounds it took, and what was asked for that.
func (f *farRegistry) takes(t *testing.T) (answer, asked string) {
	t.Helper()
	f.Forget()
	begin := time.Now()
	got := wiretest.Get(t, f, manifest)
	rounds := int(time.Since(begin) / round)
	synctest.Wait()
	lines := f.Requests()
	slices.Sort(lines) // some are asked at the same time
	for _, line := range lines {
		asked += strings.Fields(strings.TrimPrefix(line, "GET https://"))[0] + " "
	}
	words := strings.NewReplacer("auth.example/token?scope=repository%3Alibrary%2Fx%3Apull&service=reg.example", "token", "reg.example/v2/library/x/manifests/latest", "manifest")
	return fmt.Sprint(got, " in ", rounds), words.Replace(asked)
}

// ping is what a client sends that asks whether the registry is there.
func (f *farRegistry) ping(t *testing.T) {
	t.Helper()
	f.Hosts["https://reg.example"] = func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/v2/" {
			f.serve(w, req)
			return
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service=%q`, f.realm, f.service))
		w.WriteHeader(http.StatusUnauthorized)
	}
	want(t, wiretest.Get(t, f.Overhear(f.Next), "https://reg.example/v2/"), "401")
}

func TestTokensAreForetold(t *testing.T) {
	tests := map[string]struct {
		before func(*testing.T, *farRegistry)
		want   string
	}{
		"nothing is known":                             {func(*testing.T, *farRegistry) {}, "200 yours in 3: token manifest manifest "},
		"a rule knows the realm":                       {func(_ *testing.T, f *farRegistry) { f.Realms = foretold }, "200 yours in 2: token manifest "},
		"a client asked whether the registry is there": {func(t *testing.T, f *farRegistry) { f.ping(t) }, "200 yours in 2: token manifest manifest "},
		"another repository wanted a token": {func(t *testing.T, f *farRegistry) {
			wiretest.Get(t, f, "https://reg.example/v2/library/y/manifests/1")
		}, "200 yours in 2: token manifest "},
		"another repository refused a client": {func(t *testing.T, f *farRegistry) {
			wiretest.Get(t, f.Overhear(f.Next), "https://reg.example/v2/library/y/manifests/1", "Authorization", "Bearer bad")
		}, "200 yours in 2: token manifest "},
		"a registry that wants none after all": {func(t *testing.T, f *farRegistry) {
			f.ping(t)
			f.Hosts["https://reg.example"] = wiretest.Says("yours")
		}, "200 yours in 1: token manifest "},
		"a rule that is wrong": {func(_ *testing.T, f *farRegistry) {
			f.Realms = func() map[string]Realm {
				return map[string]Realm{"https://reg.example": {"https://gone.example/token", "reg.example"}}
			}
		}, "200 yours in 4: token gone.example/token?scope=repository%3Alibrary%2Fx%3Apull&service=reg.example manifest manifest "},
		"the token helps nobody": {func(_ *testing.T, f *farRegistry) {
			f.Realms, f.good = foretold, func(string) bool { return false }
		}, "401 no token in 2: token manifest "},
		"no token for strangers": {func(_ *testing.T, f *farRegistry) {
			f.Realms, f.grant = foretold, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
		}, "401 no token in 2: token manifest "},
		"another scope is wanted": {func(t *testing.T, f *farRegistry) {
			f.Realms = foretold
			f.Hosts["https://reg.example"] = func(w http.ResponseWriter, req *http.Request) {
				clone := req.Clone(req.Context())
				clone.URL.Path = "/v2/" + "mirror/" + strings.TrimPrefix(req.URL.Path, "/v2/")
				f.serve(w, clone)
			}
			f.good = func(string) bool { return false }
			wiretest.Get(t, f, "https://reg.example/v2/library/y/manifests/1")
		}, "401 no token in 3: auth.example/token?scope=repository%3Amirror%2Flibrary%2Fx%3Apull&service=reg.example manifest manifest "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFarRegistry()
				test.before(t, f)
				answer, asked := f.takes(t)
				want(t, answer+": "+asked, test.want)
			})
		})
	}
}

func TestTheRegistryIsConnectedToBesideItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFarRegistry()
		f.Realms = foretold
		f.takes(t)
		f.takes(t) // has its token
		want(t, strings.Join(f.dials, ", "), "https://reg.example 0")
	})
}

func TestARealmThatHangsIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFarRegistry()
		f.Realms = foretold
		f.grant = func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(5 * time.Second)
			fmt.Fprintf(w, `{"token":"t%d"}`, f.given.Add(1))
		}
		answer, asked := f.takes(t)
		want(t, asked, "token manifest manifest ")
		want(t, answer, fmt.Sprint("200 yours in ", int((5*time.Second+2*round)/round))) // the one question is waited for, once it must be
	})
}

// TestAClientsQuestionIsAskedByUsToo: with no name, beside the client's own, and of known realms alone.
func TestAClientsQuestionIsAskedByUsToo(t *testing.T) {
	const ask = "https://auth.example/token?account=me&service=reg.example&scope=repository:library/x:pull"
	tests := map[string]struct {
		question string
		want     string // what was asked for the manifest then, and in how many rounds
		ours     int    // requests beside the client's
	}{
		"for a repository":           {ask, "200 yours in 1: manifest ", 1},
		"to push":                    {ask + ",push", "200 yours in 1: manifest ", 1},
		"for two, in one word":       {ask + "%20repository:library/y:pull", "200 yours in 1: manifest ", 2},
		"for more than anybody does": {ask + strings.Repeat("%20repository:library/y:pull%20repository:library/z:pull", 50), "200 yours in 1: manifest ", 3},
		"to delete":                  {"https://auth.example/token?service=reg.example&scope=repository:library/x:delete", "200 yours in 2: token manifest ", 0},
		"for something else":         {"https://auth.example/token?service=reg.example&scope=registry:catalog:*", "200 yours in 2: token manifest ", 0},
		"with a scope in a name":     {"https://auth.example/token?service=reg.example&scope=repository:x%2520repository:y:pull", "200 yours in 2: token manifest ", 0},
		"of another path":            {"https://auth.example/login?service=reg.example&scope=repository:library/x:pull", "200 yours in 2: token manifest ", 0},
		"of a stranger":              {"https://other.example/token?service=reg.example&scope=repository:library/x:pull", "200 yours in 2: token manifest ", 0},
		"without TLS":                {"http://auth.example/token?service=reg.example&scope=repository:library/x:pull", "200 yours in 2: token manifest ", 0},
		"of another service":         {strings.Replace(ask, "reg.", "other.", 1), "200 yours in 2: token manifest ", 0},
		"that cannot be read":        {"https://auth.example/token?service=reg.example&scope=%zz", "200 yours in 2: token manifest ", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFarRegistry()
				f.Realms = foretold
				f.good = func(string) bool { return true }
				for _, base := range []string{"https://other.example", "http://auth.example"} {
					f.Hosts[base] = wiretest.Says("a token of theirs")
				}
				wiretest.Get(t, f.Overhear(f.Next), test.question, "Authorization", "Basic bWU6c2VjcmV0")
				synctest.Wait()
				lines := f.Requests()
				ours := -1
				for _, line := range lines {
					ours++
					if strings.Contains(line, "account") && strings.HasSuffix(line, "public") {
						t.Errorf("ours has the client's name: %s", line)
					}
				}
				if h := f.Last().Header.Get("Authorization"); ours > 0 && len(lines) > 1 && strings.HasSuffix(lines[len(lines)-1], "public") && h != "" {
					t.Errorf("ours shows what the client showed: %s", h)
				}
				if ours != test.ours {
					t.Errorf("questions of ours\ngot  %d\nwant %d", ours, test.ours)
				}
				answer, asked := f.takes(t)
				want(t, answer+": "+asked, test.want)
			})
		})
	}
}

// TestWhatIsLearntIsBounded, and only what the registry said itself, over TLS.
func TestWhatIsLearntIsBounded(t *testing.T) {
	b := &Tokens{}
	b.Next = wiretest.RoundTrip(func(req *http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody, Request: req, Header: http.Header{}}
		resp.Header.Set("WWW-Authenticate", `Bearer realm="https://auth.example/token"`)
		if strings.HasPrefix(req.URL.Path, "/elsewhere") {
			resp.Request = req.Clone(req.Context())
			resp.Request.URL.Host = "cdn.example"
		}
		if strings.HasPrefix(req.URL.Path, "/long") {
			resp.Header.Set("WWW-Authenticate", `Bearer realm="https://auth.example/`+strings.Repeat("a", maxKeptName)+`"`)
		}
		return resp, nil
	})
	for _, url := range []string{"http://reg.example/v2/", "https://reg.example/elsewhere", "https://reg.example/long"} {
		wiretest.Get(t, b.Overhear(b.Next), url)
		if len(b.realms) > 0 {
			t.Errorf("learnt of %s\ngot  %v\nwant nothing", url, b.realms)
			clear(b.realms)
		}
	}
	for i := range 2 * maxRealms {
		wiretest.Get(t, b.Overhear(b.Next), fmt.Sprintf("https://r%d.example/v2/", i))
	}
	if n := len(b.realms); n != maxRealms {
		t.Errorf("registries remembered\ngot  %d\nwant %d", n, maxRealms)
	}
}

// FuzzOverheard: a client's question names nothing but repositories, whatever it says.
func FuzzOverheard(f *testing.F) {
	f.Add("repository:library/x:pull")
	f.Add("repository:a:pull repository:b:pull,push")
	f.Add("repository:a%20b:pull&scope=")
	f.Add("repository:::pull")
	f.Fuzz(func(t *testing.T, query string) {
		var mu sync.Mutex
		b := &Tokens{Realms: foretold, Next: wiretest.RoundTrip(func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			scope := req.URL.Query().Get("scope")
			name, begins := strings.CutPrefix(scope, "repository:")
			name, ends := strings.CutSuffix(name, ":pull")
			if !begins || !ends || !isRepository(name) || len(req.URL.Query()["scope"]) != 1 {
				t.Errorf("asked for %q because of %q", scope, query)
			}
			return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody, Header: http.Header{}}, nil
		})}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://auth.example/token", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.RawQuery = "service=reg.example&scope=" + query
		synctest.Test(t, func(*testing.T) { b.overheard(req) })
	})
}

// TestAClientsQuestionIsAskedFewTimes: whoever says that its realm is another's must not have that one asked hundreds of times.
func TestAClientsQuestionIsAskedFewTimes(t *testing.T) {
	tests := map[string]struct{ realm, service string }{
		"by other names":     {"https://auth.example/token", "r%d.example"},
		"at other addresses": {"https://auth.example/token?%d", "reg.example"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFarRegistry()
				f.Realms = foretold
				for i := range 100 {
					base := fmt.Sprintf("https://r%d.example", i)
					f.Hosts[base] = func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("WWW-Authenticate", strings.ReplaceAll(fmt.Sprintf("Bearer realm=%q,service=%q", test.realm, test.service), "%d", fmt.Sprint(i)))
						w.WriteHeader(http.StatusUnauthorized)
					}
					wiretest.Get(t, f.Overhear(f.Next), base+"/v2/")
				}
				wiretest.Get(t, f.Overhear(f.Next), "https://auth.example/token?service=reg.example&scope=repository:library/x:pull")
				synctest.Wait()
				if n := int(f.given.Load()) - 1; n > maxOverheard {
					t.Errorf("questions of ours\ngot  %d\nwant %d at most", n, maxOverheard)
				}
			})
		})
	}
}

// TestARegistryThatIsGoneIsNotWaitedFor: who else has the bytes is asked the sooner.
func TestARegistryThatIsGoneIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFarRegistry()
		f.Realms = foretold
		f.grant = func(http.ResponseWriter, *http.Request) { time.Sleep(5 * time.Second) }
		defer time.Sleep(time.Minute) // until it answers
		delete(f.Hosts, "https://reg.example")
		f.Connect = func(context.Context, string, int) error { return errors.New("refused") }
		answer, _ := f.takes(t)
		want(t, answer, "no such host: reg.example in 1")
	})
}

// TestARegistryThatWantsNoneIsNotSlowed by a realm that hangs, but the first time.
func TestARegistryThatWantsNoneIsNotSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFarRegistry()
		f.Realms = foretold
		f.grant = func(http.ResponseWriter, *http.Request) { time.Sleep(5 * time.Second) }
		defer time.Sleep(time.Minute) // until it answers
		f.Hosts["https://reg.example"] = wiretest.Says("yours")
		f.takes(t)
		answer, _ := f.takes(t)
		want(t, answer, "200 yours in 1")
	})
}

// TestARefusalIsHeardOnce: neither who hands out no tokens nor who was asked too often is asked again and again.
func TestARefusalIsHeardOnce(t *testing.T) {
	tests := map[string]struct {
		says   int
		before func(*testing.T, *farRegistry)
		want   string
		asked  int32
	}{
		"too often": {http.StatusTooManyRequests, func(_ *testing.T, f *farRegistry) { f.Realms = foretold }, "429 no token", 3},
		"beside a registry that wants none": {http.StatusForbidden, func(t *testing.T, f *farRegistry) {
			f.ping(t)
			f.Hosts["https://reg.example"] = wiretest.Says("yours")
		}, "200 yours", 1},
		"or in trouble": {http.StatusBadGateway, func(t *testing.T, f *farRegistry) {
			f.ping(t)
			f.Hosts["https://reg.example"] = wiretest.Says("yours")
		}, "200 yours", 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFarRegistry()
				test.before(t, f)
				f.grant = func(w http.ResponseWriter, _ *http.Request) {
					f.given.Add(1)
					w.WriteHeader(test.says)
				}
				for range 3 {
					want(t, wiretest.Get(t, f, manifest), test.want)
					synctest.Wait()
				}
				if n := f.given.Load(); n != test.asked {
					t.Errorf("questions for 3 requests\ngot  %d\nwant %d", n, test.asked)
				}
			})
		})
	}
}
