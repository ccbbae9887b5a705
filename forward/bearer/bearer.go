// Package bearer gets the tokens that registries want of those who have no name there, and shows them. It knows who gives them,
// from what registries have said, from rules, and from what passes between clients and registries ([Tokens.Overhear]), so that
// most are at hand before a registry asks; with [Tokens.Save] and [Tokens.Load] also after the next start.
//
//	tokens := &bearer.Tokens{Next: pool, Connect: pool.Warm}
//	each := &redirect.Follow{Next: tokens} // each hop asks for a token of its own
package bearer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"hither/forward/dial"
	"hither/forward/field"
	"hither/forward/mark"
	"hither/forward/redirect"
	"hither/forward/terse"
)

const (
	// maxTokens and maxSpaces bound the memory: about 4 MiB with tokens of usual size.
	maxTokens, maxSpaces = 1024, 4096
	// wordLife is for how long a realm that gave a token without rights is not asked again: what was private may be public by then.
	wordLife = 30 * time.Second
)

// Tokens fetches anonymous ones where a registry asks for them (distribution-spec, docs/spec/auth/token.md), keeps
// them while they live and shows them at once the next time. A request that has an Authorization of its own is none of
// its business, nor is a 401 that no anonymous token helps: it comes back as it is. Tokens appear in no error and in no
// Response.Request. Fields are set before first use; then it may be used from many goroutines.
//
// It stands under [redirect.Follow], so that each hop answers only its own host's challenge.
type Tokens struct {
	Next http.RoundTripper // never nil
	Now  func() time.Time  // nil: time.Now
	// Realms foretells which registries, by their SCHEME://HOST, want tokens, and from where, until they say so themselves. The
	// map is not changed. nil: nobody foretells.
	Realms func() map[string]Realm
	// Connect connects to a registry while its token is asked for: Pool.Warm. nil: the request does when it has the token.
	Connect func(ctx context.Context, base string, lanes int) error

	mu     sync.Mutex
	tokens map[grant]token
	spaces map[space]grant
	realms map[string]learnt
	wrote  time.Time // when a client last wrote to a registry
	asking singleflight.Group
}

// grant is what a token is good for.
type grant struct {
	realm   string
	service string
	scopes  string // sorted, parted by blanks
	public  bool   // the realm was named by a stranger
}

// space is what one grant is likely to cover: a repository of a registry.
type space struct{ origin, repository string }

type token struct {
	text  string // empty: the realm gave none, and is not asked before somebody needs one
	asked time.Time
	until time.Time
}

// RoundTrip implements http.RoundTripper. It asks a second time at most.
func (b *Tokens) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, own := req.Header["Authorization"]; own {
		return b.Next.RoundTrip(req)
	}
	shown := b.guess(req)
	foretold, said := grant{}, 0
	if shown == "" {
		foretold, shown, said = b.foretell(req)
	}
	resp, err := b.send(req, shown)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		if err == nil && shown == "" && resp.StatusCode < http.StatusBadRequest {
			b.spare(req)
		}
		return resp, err
	}
	b.learn(req, resp)
	want, err := wanted(req, resp)
	if err == nil && (want == grant{} || !repeatable(req)) {
		return resp, nil
	}
	if err == nil && said != 0 && want == foretold {
		return (&deniedError{said}).answer(resp), nil
	}
	if err == nil && b.opensNothing(want, shown, resp) {
		return resp, nil
	}
	text := ""
	if err == nil {
		text, err = b.token(req.Context(), want, shown)
	}
	if denied := (*deniedError)(nil); errors.As(err, &denied) {
		return denied.answer(resp), nil
	}
	redirect.Discard(resp)
	if err != nil {
		return nil, fmt.Errorf("%s wants a token, and none was got: %w", req.URL.Host, err)
	}
	b.remember(req, want)
	again, err := repeat(req)
	if err != nil {
		return nil, err
	}
	return b.send(again, text)
}

// send shows a token, if there is one. The answer does not show it again.
func (b *Tokens) send(req *http.Request, text string) (*http.Response, error) {
	if text == "" {
		return b.Next.RoundTrip(req)
	}
	tellGranted(req, text)
	showing := req.Clone(req.Context())
	showing.Header.Set("Authorization", "Bearer "+text)
	resp, err := b.Next.RoundTrip(showing)
	if err != nil {
		return nil, err
	}
	seen := *req
	if resp.Request != nil {
		seen.URL = resp.Request.URL
	}
	resp.Request = &seen
	return resp, nil
}

// opensNothing says that a registry knows the token that was shown, and that it was got for this very question but does not allow it
// (RFC 6750, section 3.1), not long ago: the next one would not either, unless a client has just made the repository. Realms give
// such ones for what is private, or not there.
func (b *Tokens) opensNothing(g grant, shown string, resp *http.Response) bool {
	c, _ := field.BearerChallenge(resp.Header)
	if shown == "" || c.Params["error"] != "insufficient_scope" {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.tokens[g]
	return t.text == shown && b.now().Sub(t.asked) < wordLife && t.asked.After(b.wrote)
}

// repeatable says whether the body, if there is one, can be had again.
func repeatable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// repeat makes the request to send a second time.
func repeat(req *http.Request) (*http.Request, error) {
	again := req.Clone(req.Context())
	if req.GetBody == nil {
		return again, nil
	}
	body, err := req.GetBody()
	again.Body = body
	return again, err
}

// wanted reads from a 401 which token the registry wants; zero if none that we can get. A challenge that came from
// another host, behind a redirect, is not for us.
func wanted(req *http.Request, resp *http.Response) (grant, error) {
	if resp.Request != nil && !redirect.SameOrigin(resp.Request.URL, req.URL) {
		return grant{}, nil
	}
	c, ok := field.BearerChallenge(resp.Header)
	if !ok {
		return grant{}, nil
	}
	return grantAt(req.Context(), req.URL, Realm{c.Params["realm"], c.Params["service"]}, strings.Join(c.Scopes(), " "))
}

// grantAt is what a registry wants whose realm is known. Its scopes are sorted, and parted by blanks.
func grantAt(ctx context.Context, registry *url.URL, at Realm, scopes string) (grant, error) {
	realm, err := url.Parse(at.URL)
	if err != nil || !terse.IsHost(realm.Host) || realm.User != nil || realm.Scheme != "http" && realm.Scheme != "https" {
		return grant{}, errors.New("the address to ask at is no URL")
	}
	if realm.Scheme == "http" && registry.Scheme != "http" {
		return grant{}, fmt.Errorf("asking for it at %s would be without TLS", realm.Host)
	}
	stranger := !strings.EqualFold(realm.Hostname(), registry.Hostname()) && !dial.OwnNetwork(registry.Hostname())
	return grant{
		realm:   realm.String(),
		service: at.Service,
		scopes:  scopes,
		public:  stranger || mark.IsPublic(ctx),
	}, nil
}

// guess is the token that was good for the same repository, if it still lives.
func (b *Tokens) guess(req *http.Request) string {
	where, ok := spaceOf(req)
	if !ok {
		return ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	g, ok := b.spaces[where]
	if !ok {
		return ""
	}
	return b.liveLocked(g)
}

func (b *Tokens) remember(req *http.Request, g grant) {
	where, ok := spaceOf(req)
	if !ok {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spaces == nil {
		b.spaces = map[space]grant{}
	}
	b.spaces[where] = g
	shrink(b.spaces, maxSpaces, func(g grant) bool { return b.liveLocked(g) == "" })
}

// spaceOf finds the repository that a reading request is for: what stands before /manifests/REFERENCE, /blobs/DIGEST,
// /tags/list or /referrers/DIGEST. Writing wants other scopes.
func spaceOf(req *http.Request) (space, bool) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return space{}, false
	}
	parts := strings.Split(req.URL.Path, "/")
	kind := len(parts) - 2
	if kind < 1 || !slices.Contains(parts[:kind], "v2") || !slices.Contains([]string{"manifests", "blobs", "tags", "referrers"}, parts[kind]) {
		return space{}, false
	}
	return space{origin: originName(req.URL), repository: strings.Join(parts[:kind], "/")}, true
}

// token returns a token for g: one that lives, other than the rejected one, or a new one. Equal questions are merged and
// outlive who leaves.
func (b *Tokens) token(ctx context.Context, g grant, rejected string) (string, error) {
	if text := b.live(g); text != "" && text != rejected {
		return text, nil
	}
	select {
	case a := <-b.ask(g):
		text, _ := a.Val.(string)
		return text, a.Err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// ask puts the question to the realm, once for all who have it at a time. Nobody need wait for the answer. It takes nothing
// along from the requests that want it: neither their lanes, in which no connection to the realm is, nor their clocks.
func (b *Tokens) ask(g grant) <-chan singleflight.Result {
	key := fmt.Sprintf("%q %q %q %t", g.realm, g.service, g.scopes, g.public)
	return b.asking.DoChan(key, func() (any, error) {
		return b.renew(context.Background(), g) //nolint:forbidigo // askToken bounds it; whoever asked may leave
	})
}

// renew asks for a token and keeps it, or that none was given.
func (b *Tokens) renew(ctx context.Context, g grant) (string, error) {
	asked := b.now()
	t, err := askToken(ctx, &redirect.Follow{Next: b.Next}, g)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens == nil {
		b.tokens = map[grant]token{}
	}
	if err != nil {
		t.life = defaultLife
	}
	b.tokens[g] = token{text: t.text, asked: asked, until: asked.Add(t.life - early)}
	shrink(b.tokens, maxTokens, func(t token) bool { return !b.now().Before(t.until) })
	return t.text, err
}

func (b *Tokens) live(g grant) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.liveLocked(g)
}

func (b *Tokens) liveLocked(g grant) string {
	if t, ok := b.tokens[g]; ok && b.now().Before(t.until) {
		return t.text
	}
	return ""
}

func (b *Tokens) now() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now()
}

// shrink drops what is dead if a map is over its limit, and then anything.
func shrink[K comparable, V any](m map[K]V, limit int, dead func(V) bool) {
	if len(m) <= limit {
		return
	}
	for k, v := range m {
		if dead(v) {
			delete(m, k)
		}
	}
	for k := range m {
		if len(m) <= limit {
			return
		}
		delete(m, k)
	}
}
