package forward

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hither/rules"
)

// watch is around every request: it stops loops, drops clients that take nothing, and writes the log.
func (s *Server) watch(answer func(*reply, *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := &reply{
			ResponseWriter: w,
			control:        http.NewResponseController(w),
			buffers:        &s.buffers,
			old:            !r.ProtoAtLeast(1, 1),
		}
		began, whole := time.Now(), false
		if r.TLS == nil {
			r.TLS = cameFrom(r).tls
		}
		defer func() {
			if !whole && out.old {
				out.cut()
			}
			out.extend() // for what net/http still has to flush
			s.record(out, r, time.Since(began))
		}()
		if s.cameBack(r) {
			s.fail(out, r, http.StatusLoopDetected, "The request has been here before. "+
				"Look for a proxy setting or a DNS answer that sends Hither back to itself.")
			whole = true
			return
		}
		answer(out, r)
		whole = true
	})
}

// token is how we name ourselves in Via (RFC 9110, 7.6.3).
func (s *Server) token() string { return "hither-" + s.ID }

func (s *Server) cameBack(r *http.Request) bool {
	for _, line := range r.Header["Via"] {
		for hop := range strings.SplitSeq(line, ",") {
			if words := strings.Fields(hop); len(words) > 1 && words[1] == s.token() {
				return true
			}
		}
	}
	return false
}

// Done is an answer that was given, or a tunnel that was opened.
type Done struct {
	Tunnel bool          // to a host in no rule; the fields below are zero
	Host   string        //
	Path   string        // without query
	Status int           // 0: the connection broke before the head
	Rule   string        // empty: in no rule
	State  string        // a fetch.State, or "pass": sent to the origin as it came; empty: a page or refusal of ours
	Sent   int64         // of body, in bytes
	Saved  time.Duration // that the client did not wait, of an answer that lay ready; Fetch tells of others
	Err    error         // our own failure; nil: none
}

// record tells of a request and writes the log's one line. Queries are left out: some hold tokens. A CONNECT that was
// taken is told elsewhere.
func (s *Server) record(w *reply, r *http.Request, took time.Duration) {
	if w.status == 0 && r.Method == http.MethodConnect {
		return
	}
	s.done(Done{
		Host: r.Host, Path: r.URL.EscapedPath(), Status: w.status, Rule: w.rule, State: w.state, Sent: w.sent, Err: w.problem,
	})
	if !s.logs() {
		return
	}
	problem := ""
	if w.problem != nil {
		problem = w.problem.Error()
	}
	s.logRequest(r.Method, r.Host, r.URL.EscapedPath(), w.status, w.rule, w.state, w.source, w.sent, took, problem)
}

func (s *Server) done(d Done) {
	if s.Done != nil {
		s.Done(d)
	}
}

// serveOpen answers a request that came in the clear.
func (s *Server) serveOpen(w *reply, r *http.Request) {
	target := targetOf(r)
	inside := target != "" && !s.isSelf(target)
	switch {
	case r.Method == http.MethodConnect && !inside:
		s.connect(w, r)
	case r.Method == http.MethodConnect:
		s.refuseConnect(w, r)
	case r.URL.User != nil:
		s.fail(w, r, http.StatusBadRequest, "A proxy request must not have a user name in its URL. Send it as Authorization.")
	case inside:
		s.serveInside(w, r, "http", target)
	case r.URL.IsAbs():
		s.serveAbsolute(w, r)
	default:
		s.serveDirect(w, r)
	}
}

// serveSealed answers a request inside TLS that we ended.
func (s *Server) serveSealed(w *reply, r *http.Request) {
	place := sealedPlace(r.TLS, targetOf(r))
	if r.Method == http.MethodConnect {
		s.refuseConnect(w, r)
		return
	}
	s.serveInside(w, r, "https", place)
}

func (s *Server) refuseConnect(w *reply, r *http.Request) {
	w.Header().Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	s.fail(w, r, http.StatusMethodNotAllowed, "There is no CONNECT inside of a CONNECT. Ask the proxy's own address.")
}

// serveInside answers on a connection that was made to place, by CONNECT or by SNI.
func (s *Server) serveInside(w *reply, r *http.Request, scheme, place string) {
	switch {
	case !agrees(r.Host, place):
		s.fail(w, r, http.StatusMisdirectedRequest,
			fmt.Sprintf("This connection is for %s, and the request is for %s. Open another connection.", place, r.Host))
	case s.isSelfBy(scheme, place):
		s.serveSelf(w, r)
	default:
		s.serveHost(w, r, scheme, place)
	}
}

// serveAbsolute answers a proxy request: GET http://host/path.
func (s *Server) serveAbsolute(w *reply, r *http.Request) {
	scheme := strings.ToLower(r.URL.Scheme)
	switch {
	case scheme != "http" && scheme != "https" || r.URL.Hostname() == "":
		s.fail(w, r, http.StatusBadRequest, "The proxy passes on http and https URLs that name a host, and no others.")
	case s.isSelfBy(scheme, r.URL.Host): // npm sends even its loopback registry to the proxy
		s.serveSelf(w, r)
	default:
		s.serveHost(w, r, scheme, r.URL.Host)
	}
}

// serveDirect answers a request that was sent to our own address, or led here by DNS. A Host that is neither ours nor in
// the rules is a web page that had its own name point at us (DNS rebinding).
func (s *Server) serveDirect(w *reply, r *http.Request) {
	_, ruled := s.Rules().Host(r.Host)
	switch {
	case r.Host == "" || s.isSelf(r.Host):
		s.serveSelf(w, r)
	case ruled:
		s.serveHost(w, r, "http", r.Host)
	case isLoopback(r.Host):
		s.serveSelf(w, r)
	default:
		s.fail(w, r, http.StatusMisdirectedRequest,
			fmt.Sprintf("%s is not served here. Ask by http://127.0.0.1 and the port, or use this address as a proxy.", r.Host))
	}
}

// serveHost answers for a host as its client addressed it, and passes on what is for a host in no rule.
func (s *Server) serveHost(w *reply, r *http.Request, scheme, host string) {
	set := s.Rules()
	rule, ok := set.Host(host)
	if !ok {
		s.pass(w, r, errand{up: below(&url.URL{Scheme: scheme, Host: host}, r.URL)})
		return
	}
	base, err := originOf(rule, host)
	if err != nil {
		s.failWith(w, r, err)
		return
	}
	m, matched := set.Match(host, query(r))
	s.decide(w, r, errand{set: set, rule: rule, match: m, matched: matched, up: below(base, r.URL)})
}

// originOf is the first base URL that a rule gives for a host; https unless it says otherwise.
func originOf(rule *rules.Rule, host string) (*url.URL, error) {
	for _, h := range rule.Hosts {
		if samePlace(h.Name, host) {
			return baseOf(h)
		}
	}
	return url.Parse("https://" + host)
}

func baseOf(h rules.Host) (*url.URL, error) {
	if len(h.Origin) > 0 {
		return url.Parse(h.Origin[0])
	}
	return url.Parse("https://" + h.Name)
}

func query(r *http.Request) rules.Query { return rules.Query{URL: r.URL, Accept: r.Header["Accept"]} }
