package bearer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hither/forward/field"
	"hither/forward/mark"
	"hither/forward/redirect"
)

// Realm is who gives tokens for a registry: the address to ask at, and the registry's name there.
type Realm struct{ URL, Service string }

// learnt is what a registry, by its SCHEME://HOST, has said of its realm.
type learnt struct {
	Realm
	wanted bool      // it refused to read from a repository without a token, so that the next repository will want one too
	odd    bool      // it wanted another scope than distribution-spec's for that, so nothing can be foretold
	since  time.Time // it last said so
}

const (
	// maxRealms bounds the registries that are remembered, a few hundred bytes each.
	maxRealms = 256
	// foretellPatience is how long a request waits for a token that the registry has not asked for. It is more than a new
	// connection to the realm takes; a realm that hangs must not stop a registry that would do without.
	foretellPatience = 3 * time.Second
	// maxOverheard bounds the repositories of one question of a client that we ask for, too, and the questions that we have
	// for each: anybody may say that his realm is another's.
	maxOverheard = 4
)

// foretell asks for the token that the registry will want for a repository that was not asked for yet: before the request,
// if the registry is known to want one, and else beside it, so that a registry that wants none is no slower. said: the status
// by which the realm gave or denied it for this request, so to ask again would bring nothing else. Zero: nothing is foretold,
// or no answer came in time, and the registry shall say itself what it wants.
func (b *Tokens) foretell(req *http.Request) (g grant, text string, said int) {
	where, ok := spaceOf(req)
	if !ok {
		return grant{}, "", 0
	}
	k, ok := b.realmOf(where.origin)
	scope := where.scope()
	if !ok || k.odd || scope == "" {
		return grant{}, "", 0
	}
	g, err := grantAt(req.Context(), req.URL, k.Realm, scope)
	if err != nil {
		return grant{}, "", 0
	}
	if text = b.live(g); text != "" {
		b.remember(req, g)
		return g, text, 0
	}
	if !k.wanted {
		b.prepare(g)
		return grant{}, "", 0
	}
	ctx, cancel := context.WithTimeout(req.Context(), foretellPatience)
	defer cancel()
	if b.Connect != nil { // the registry's own connection is made meanwhile; if none can be, who else has it is asked the sooner
		go func(home context.Context) {
			if b.Connect(home, where.origin, mark.LaneOf(home)) != nil {
				cancel()
			}
		}(req.Context())
	}
	text, err = b.token(ctx, g, "")
	if denied := (*deniedError)(nil); errors.As(err, &denied) {
		return g, "", denied.status
	}
	if err != nil {
		return grant{}, "", 0
	}
	b.remember(req, g)
	return g, text, http.StatusOK
}

// prepare asks for a token that will be wanted soon, and waits for nothing. Who gave none a while ago is left alone.
func (b *Tokens) prepare(g grant) {
	b.mu.Lock()
	known := b.now().Before(b.tokens[g].until)
	b.mu.Unlock()
	if !known {
		b.ask(g)
	}
}

// spare notes that a registry did without a token, so that its next requests wait for none.
func (b *Tokens) spare(req *http.Request) {
	where, ok := spaceOf(req)
	if !ok {
		return
	}
	k, ok := b.realmOf(where.origin)
	if !ok || !k.wanted {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if said, ok := b.realms[where.origin]; ok {
		k = said
	}
	k.wanted = false
	b.keepLocked(where.origin, k)
}

// scope is what reading from the repository takes (distribution-spec, docs/spec/auth/scope.md); empty: the repository does
// not stand at the root of the registry, or is none.
func (s space) scope() string {
	name, ok := strings.CutPrefix(s.repository, "/v2/")
	if !ok || !isRepository(name) {
		return ""
	}
	return "repository:" + name + ":pull"
}

// isRepository is wider than the specification, but lets nothing through that means something in a scope.
func isRepository(name string) bool {
	odd := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._-/", c)
	}
	return name != "" && len(name) <= 255 && !strings.ContainsFunc(name, odd)
}

// realmOf is what a registry has said, or else what a rule says that it will.
func (b *Tokens) realmOf(origin string) (learnt, bool) {
	b.mu.Lock()
	k, ok := b.realms[origin]
	b.mu.Unlock()
	if !ok && b.Realms != nil {
		k.Realm, ok = b.Realms()[origin]
		k.wanted = true
	}
	return k, ok
}

// learn notes what a registry said with a 401. Any of its answers may say it, also one to a client's own request: a
// challenge tells nothing of who asked.
func (b *Tokens) learn(req *http.Request, resp *http.Response) {
	c, ok := field.BearerChallenge(resp.Header)
	if !ok || req.URL.Scheme != "https" || resp.Request != nil && !redirect.SameOrigin(resp.Request.URL, req.URL) {
		return
	}
	origin := originName(req.URL)
	if len(origin)+len(c.Params["realm"])+len(c.Params["service"]) > maxKeptName {
		return
	}
	where, reads := spaceOf(req)
	scope := where.scope()
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.realms[origin]
	k.Realm, k.since = Realm{c.Params["realm"], c.Params["service"]}, b.now()
	if reads && scope != "" {
		k.wanted, k.odd = true, strings.Join(c.Scopes(), " ") != scope
	}
	b.keepLocked(origin, k)
}

func (b *Tokens) keepLocked(origin string, k learnt) {
	if b.realms == nil {
		b.realms = map[string]learnt{}
	}
	b.realms[origin] = k
	shrink(b.realms, maxRealms, func(learnt) bool { return false })
}

func originName(u *url.URL) string { return u.Scheme + "://" + strings.ToLower(u.Host) }

// Overhear is next, with what passes between clients and registries listened to: a 401 tells who gives tokens, and a client
// that asks for one will read from that repository next, so that we ask for one of our own, without a name. What is made
// by a PUT may be open to everybody. Nothing of what a client shows or is given is used, and nothing is changed.
func (b *Tokens) Overhear(next http.RoundTripper) http.RoundTripper { return &overhearing{b, next} }

type overhearing struct {
	bearer *Tokens
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (o *overhearing) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet && req.URL.RawQuery != "" {
		o.bearer.overheard(req)
	}
	resp, err := o.next.RoundTrip(req)
	switch {
	case err != nil:
	case resp.StatusCode == http.StatusUnauthorized:
		o.bearer.learn(req, resp)
	case req.Method == http.MethodPut && resp.StatusCode < http.StatusMultipleChoices:
		o.bearer.written()
	}
	return resp, err
}

// written notes that a client has made something: what a realm has just given for it may open nothing, and a new one does.
func (b *Tokens) written() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrote = b.now()
}

// overheard asks for what a client asks a realm for, if it is that of a registry that we know.
func (b *Tokens) overheard(req *http.Request) {
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil || !query.Has("scope") {
		return
	}
	all := b.realmsAt(req.URL, query.Get("service"))
	scopes := strings.Fields(strings.Join(query["scope"], " "))
	for _, scope := range scopes[:min(len(scopes), maxOverheard)] {
		name, actions, ok := cutScope(scope)
		if !ok || !strings.Contains(","+actions+",", ",pull,") {
			continue
		}
		for origin, realm := range all {
			if u, err := url.Parse(origin); err == nil {
				if g, err := grantAt(req.Context(), u, realm, "repository:"+name+":pull"); err == nil {
					b.prepare(g)
				}
			}
		}
	}
}

// cutScope reads repository:NAME:ACTIONS.
func cutScope(scope string) (name, actions string, ok bool) {
	rest, ok := strings.CutPrefix(scope, "repository:")
	i := strings.LastIndexByte(rest, ':')
	if !ok || i < 0 || !isRepository(rest[:i]) {
		return "", "", false
	}
	return rest[:i], rest[i+1:], true
}

// realmsAt are the realms of a service at an address, by their registries: of those that told us, and of the rules.
func (b *Tokens) realmsAt(at *url.URL, service string) map[string]Realm {
	found := map[string]Realm{}
	add := func(origin string, r Realm) {
		if _, there := found[origin]; there || len(found) == maxOverheard || r.Service != service {
			return
		}
		if u, err := url.Parse(r.URL); err == nil && redirect.SameOrigin(u, at) && u.Path == at.Path {
			found[origin] = r
		}
	}
	b.mu.Lock()
	for origin, k := range b.realms {
		if !k.odd {
			add(origin, k.Realm)
		}
	}
	b.mu.Unlock()
	if b.Realms != nil {
		for origin, r := range b.Realms() {
			add(origin, r)
		}
	}
	return found
}
