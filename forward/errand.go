package forward

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hither/cache/digest"
	"hither/forward/bearer"
	"hither/forward/fetch"
	"hither/forward/notary"
	"hither/rules"
)

// errand is a request whose meaning is known.
type errand struct {
	set     *rules.Set      // by which it is known; nil: it matters to nobody
	rule    *rules.Rule     // nil: a host in no rule
	match   rules.Match     // what a rule says of it
	matched bool            // match is set
	up      *url.URL        // where it goes as it came
	far     *fetch.FarError // it goes there because what it wants is a long wait away here; nil: for another reason
}

// decide answers an errand from here, from the cache, or from the origin.
func (s *Server) decide(w *reply, r *http.Request, e errand) {
	w.rule = e.rule.Name
	shown := credentials(r)
	switch {
	case shown == none && e.answered(r, "always", "gateway"):
		s.greet(r, e.rule)
		s.local(w, r, e.match)
	case !e.cacheable(r, shown) || s.Fetch == nil:
		s.greet(r, e.rule)
		s.pass(w, r, e)
	default:
		s.fetch(w, r, e, shown == token)
	}
}

func (s *Server) greet(r *http.Request, rule *rules.Rule) {
	if s.Greeted != nil && reads(r) {
		s.Greeted(rule)
	}
}

// answered says whether the rule has us answer by ourselves on one of these occasions.
func (e errand) answered(r *http.Request, occasions ...string) bool {
	if !e.matched || !reads(r) {
		return false
	}
	for _, o := range occasions {
		if slices.Contains(e.match.Path.Answer, o) && (o != "gateway" || e.match.Gateway) {
			return true
		}
	}
	return false
}

// cacheable says whether the cache may answer at all. Uploads, upgrades, what the rule does not keep, what the client's own
// credentials ask for, and what is there already, if the client is about to push, go to the origin.
func (e errand) cacheable(r *http.Request, shown credential) bool {
	return e.matched && reads(r) && r.ContentLength == 0 && !upgrades(r.Header) &&
		e.match.Path.Keep != rules.Never && (r.Method != http.MethodHead || !pushes(r, e.match)) &&
		(shown == none || shown == token && e.rule.Auth == "bearer")
}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// upgrades says whether a client asks for another protocol. An offer of HTTP/2 in the clear, which curl and Java make with
// every request, may be passed over (RFC 9113, 3.1).
func upgrades(h http.Header) bool {
	protocol := h.Get("Upgrade")
	return protocol != "" && !strings.EqualFold(protocol, "h2c")
}

// credential is what a client showed of itself.
type credential int

const (
	none    credential = iota
	token              // a bearer token, which registries hand to strangers too
	private            // a password or a cookie
)

func credentials(r *http.Request) credential {
	lines := r.Header["Authorization"]
	switch {
	case len(r.Header["Cookie"]) > 0 || len(lines) > 1:
		return private
	case len(lines) == 0:
		return none
	}
	if scheme, _, _ := strings.Cut(lines[0], " "); strings.EqualFold(scheme, "Bearer") {
		return token
	}
	return private
}

// fetch answers from the cache, or has it filled. With a token the client may know more than we, and it may read kinds that we do
// not ask for: whatever we cannot give, the origin may give it.
func (s *Server) fetch(w *reply, r *http.Request, e errand, doubtful bool) {
	request := wish(r, e.match)
	request.Doubtful = doubtful
	if e.far != nil { // and the origin does not answer: better late than never
		request.Offset, request.Upto, request.Part = 0, 0, 0
	}
	w.request, w.set, w.age = &request, e.set, s.ready.age.Load()
	answer, err := s.Fetch(r.Context(), request)
	e.far = nil
	errors.As(err, &e.far)
	switch {
	case err == nil && answer.Status != http.StatusOK && (doubtful || readsMore(r.Header["Accept"], e.match.Path.Accept)):
		answer.Body.Close()
		s.pass(w, r, e)
	case err == nil:
		defer answer.Body.Close()
		s.respond(w, r, answer)
	case request.KeptOnly && errors.Is(err, fetch.ErrPass) && !moduleFetchDisabled(r.Header):
		s.fail(w, r, http.StatusGatewayTimeout, "It is not in the cache, and the client asked for nothing else (only-if-cached).")
	case passes(r.Context(), err, doubtful):
		s.pass(w, r, e)
	default:
		s.failWith(w, r, err)
	}
}

// passes says whether the origin should be asked as the client would have done it. A refusal is better heard in the
// origin's own words: its 401 tells where tokens are had.
func passes(ctx context.Context, err error, doubtful bool) bool {
	var failure *fetch.Failure
	switch {
	case ctx.Err() != nil || errors.Is(err, notary.ErrSecurity):
		return false
	case errors.Is(err, fetch.ErrPass):
		return true
	case errors.As(err, &failure):
		status := failure.Status()
		return doubtful || status == http.StatusUnauthorized || status == http.StatusForbidden
	}
	return doubtful
}

// wish reads what the client said of what it wants.
func wish(r *http.Request, m rules.Match) fetch.Request {
	request := fetch.Request{Match: m, Head: r.Method == http.MethodHead, Client: cameFrom(r).client, Agent: r.Header.Get("User-Agent")}
	if !alone(m.Path) {
		request.Accepts = acceptance(r.Header["Accept"])
	}
	request.Offset, request.Upto, request.Part = part(r)
	// npm sends what its lock file says. A claim that cannot be read is as good as none.
	request.Claim, _ = digest.ParseSRI(r.Header.Get("Pacote-Integrity"))
	control := directives(r.Header)
	_, request.KeptOnly = control["only-if-cached"]
	request.KeptOnly = request.KeptOnly || moduleFetchDisabled(r.Header)
	if m.Path.Keep != rules.Forever {
		_, request.Fresh = control["no-cache"]
		request.Fresh = request.Fresh || control["max-age"] == "0" || pushes(r, m) || looks(r.Header)
	}
	return request
}

// alone says that there is one document under a URL for good, which registries send whatever the client accepts (RFC 9110, 12.5.1,
// allows it): Verdaccio asks for tarballs as application/json.
func alone(p *rules.Path) bool {
	return p.Keep == rules.Forever && len(p.Accept) == 0 && len(p.Variants) == 0
}

// looks says that an npm shows what there is now, or runs the newest. It has its own cache ask anew for that, and tells the registry no
// more than the command (npm 7 to 11, preferOnline). What npx then installs it takes as it comes, in full documents. Who looks for updates
// by the program for that says no more than its name.
func looks(h http.Header) bool {
	if strings.HasPrefix(h.Get("User-Agent"), "npm-check-updates/") {
		return true
	}
	switch h.Get("Npm-Command") {
	case "view", "outdated", "pack", "diff", "owner":
		return true
	case "exec", "init":
		return strings.HasPrefix(h.Get("Accept"), "application/vnd.npm.install-v1+json")
	}
	return false
}

// pushes says that a client got a token by which it may push to where it reads from. So it will, but for what it hears is there: a
// tag that was right a moment ago is no answer to that.
func pushes(r *http.Request, m rules.Match) bool {
	_, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return m.Rule.Auth == "bearer" && m.Subject != "" && bearer.Opens(text, "repository:"+m.Subject+":push")
}

// moduleFetchDisabled says that a Go module proxy shall answer only what it has at hand (pkg.go.dev asks so). What we have
// not, the origin may have; a no of this kind says nothing about other requests and is not remembered.
func moduleFetchDisabled(h http.Header) bool { return h.Get("Disable-Module-Fetch") == "true" }

// directives reads Cache-Control (RFC 9111, 5.2). Pragma counts only where there is none (5.4).
func directives(h http.Header) map[string]string {
	lines := h["Cache-Control"]
	if len(lines) == 0 {
		lines = h["Pragma"]
	}
	found := make(map[string]string)
	for part := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		found[strings.ToLower(name)] = strings.Trim(value, `"`)
	}
	return found
}

// part is from which byte to before which one the client wants the body; no upto: to its end. Several ranges begin where the last one
// does, for it is waited for, and end at once, for they wait for the whole; one that counts from the end begins there. They have so many
// bytes together; 0: one of them depends on the length of the body.
func part(r *http.Request) (first, upto, sum int64) {
	if !ranged(r) {
		return 0, 0, 0
	}
	parts, open := strings.Split(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), ","), false
	for _, part := range parts {
		from, to, _ := strings.Cut(strings.TrimSpace(part), "-")
		n, err := strconv.ParseInt(strings.TrimSpace(from), 10, 64)
		if from == "" {
			n, err = math.MaxInt64, nil
		}
		if err == nil {
			first = max(first, n)
		}
		last, lastErr := strconv.ParseInt(strings.TrimSpace(to), 10, 64)
		closed := lastErr == nil && from != "" && last >= 0 && last < math.MaxInt64
		if closed {
			upto = last + 1
		}
		if closed && err == nil && n <= last {
			sum = min(sum, math.MaxInt64-upto) + upto - n
		} else {
			open = true
		}
	}
	if len(parts) > 1 {
		upto = 1
	}
	if open {
		sum = 0
	}
	return first, upto, sum
}

// ranged says whether we look at the Range of r: GET alone has ranges (RFC 9110, 14.2), other units than bytes are not
// known here, and nobody needs dozens of parts.
func ranged(r *http.Request) bool {
	text := r.Header.Get("Range")
	return r.Method == http.MethodGet && strings.HasPrefix(text, "bytes=") && strings.Count(text, ",") < maxRanges
}

// maxRanges is how many parts one answer may have. More are an attack (RFC 9110, 17.15); they get the whole.
const maxRanges = 32
