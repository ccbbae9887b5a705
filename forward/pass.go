package forward

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"

	"hither/forward/mark"
	"hither/forward/redirect"
)

// stallWait is for the next byte of a registry's answer. Clients wait five minutes at most (npm).
const stallWait = 5 * time.Minute

var errStalled = errors.New("the origin sent nothing for five minutes")

// pass sends a request to its origin as it came, and the answer back as it came: methods, uploads, interim answers,
// trailers, upgrades. The client's credentials go where the client addressed them, and redirects are the client's to follow.
func (s *Server) pass(w *reply, r *http.Request, e errand) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	w.state, w.source, w.verbatim = "pass", e.up.Scheme+"://"+e.up.Host, true
	proxy := &httputil.ReverseProxy{
		Transport:     s.carrier(w, r, e),
		BufferPool:    &s.buffers,
		FlushInterval: -1, // the head, and each piece as it comes: an origin may think long about the next
		ErrorLog:      slog.NewLogLogger(s.log().Handler(), slog.LevelDebug),
		Rewrite:       func(p *httputil.ProxyRequest) { s.address(p, e) },
		ModifyResponse: func(res *http.Response) error {
			w.advise(res, e)
			w.homeward(res, r, e)
			return s.relay(res, e, cancel)
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) { s.passFailed(w, r, e, err) },
	}
	sent := ctx
	if e.rule == nil || !reads(r) || upgrades(r.Header) {
		sent = mark.Patient(ctx)
	}
	if e.far != nil {
		sent = redirect.Along(sent, e.far.Trail)
	}
	out := r.WithContext(sent)
	if e.rule != nil && r.ContentLength != 0 && !upgrades(r.Header) {
		body := newUpload(w, r.Body, cancel)
		defer body.end()
		out.Body = body
		proxy.ErrorHandler = func(_ http.ResponseWriter, _ *http.Request, err error) { s.passFailed(w, r, e, body.cause(err)) }
	}
	proxy.ServeHTTP(w, out)
}

// carrier is who takes a request to its origin, and on to where that sends it if the rest comes from us: some clients go only where
// they were sent by the first part, for the life of a container (stargz-snapshotter, soci-snapshotter).
func (s *Server) carrier(w *reply, r *http.Request, e errand) http.RoundTripper {
	carrier := s.Pass
	if s.Anonymous != nil && w.gateway && e.rule.Auth == "bearer" && reads(r) && credentials(r) == none {
		carrier = s.Anonymous
	}
	if e.far != nil {
		carrier = &redirect.Follow{Next: carrier}
	}
	again := reads(r) && r.ContentLength == 0 && !upgrades(r.Header)
	if s.Persist != nil && e.rule != nil && again && !e.answered(r, "offline") {
		return persistent{carrier, s.Persist}
	}
	return carrier
}

// persistent asks again when a network that was away is back.
type persistent struct {
	next    http.RoundTripper
	persist func(context.Context, string, func(context.Context) error) error
}

// RoundTrip implements http.RoundTripper.
func (p persistent) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	err = p.persist(req.Context(), req.URL.Scheme+"://"+req.URL.Host, func(ctx context.Context) (err error) {
		resp, err = p.next.RoundTrip(req.WithContext(ctx))
		return err
	})
	return resp, err
}

// address writes the envelope anew. ReverseProxy has dropped what belongs to the client's connection, and also some
// headers that it distrusts: those are the client's, and go on as they came.
func (s *Server) address(p *httputil.ProxyRequest, e errand) {
	p.Out.URL = e.up
	p.Out.Host = e.up.Host
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if lines, ok := p.In.Header[name]; ok {
			p.Out.Header[name] = lines
		}
	}
	p.Out.Header.Add("Via", "1.1 "+s.token())
	p.Out.Trailer = p.In.Trailer // itself: its values are set only when the body has ended
	// Over TLS the origin may speak HTTP/2, where only WebSocket is told apart in time to avoid it.
	if !upgrades(p.Out.Header) || e.up.Scheme == "https" && !strings.EqualFold(p.Out.Header.Get("Upgrade"), "websocket") {
		p.Out.Header.Del("Upgrade")
		p.Out.Header.Del("Connection")
	}
}

// advise says in a registry's 401 what its user can do. Most clients ask once whether a login is needed, and the gateway's
// answer is no, so that pulls need none; they do not look at the challenge here, which stays for those that do.
func (w *reply) advise(res *http.Response, e errand) {
	if !w.gateway || res.StatusCode != http.StatusUnauthorized || e.rule.Auth != "bearer" || len(res.Request.Header["Authorization"]) > 0 {
		return
	}
	registry := e.rule.Hosts[0].Name
	body := ociError(res.StatusCode, registry+" wants a login for this, and a gateway asks for none. Name "+registry+
		" itself instead of the gateway, directly or by Hither's proxy (hither run).")
	res.Body.Close()
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	res.Header.Set("Content-Type", "application/json")
	res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	res.Header.Del("Content-Encoding")
}

// relay drops what would lead the client past us, and watches over the body of a registry.
func (s *Server) relay(res *http.Response, e errand, cancel context.CancelCauseFunc) error {
	res.Header.Del("Alt-Svc")
	if len(res.Trailer) > 0 && res.Request.Method != http.MethodHead {
		res.Header.Del("Content-Length") // HTTP/1.1 has trailers only behind chunks
	}
	if e.rule == nil || res.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	s.notice(res, e)
	res.Header.Set("Hither-Rule", e.rule.Name)
	res.Header.Add("Cache-Status", "Hither; fwd=bypass")
	res.Body = &watched{
		ReadCloser: res.Body,
		clock:      time.AfterFunc(stallWait, func() { cancel(errStalled) }),
	}
	return nil
}

// notice has what a client has changed be asked for anew (RFC 9111, section 4.4).
func (s *Server) notice(res *http.Response, e errand) {
	switch res.Request.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return
	}
	if s.Changed == nil || !e.matched || res.StatusCode < 200 || res.StatusCode >= 400 {
		return
	}
	changes := e.set.Changes(e.match)
	if len(changes) == 0 && e.match.Subject != "" {
		changes = append(changes, e.match) // it is not kept, but others of its subject are: a push ends at an upload's path
	}
	for _, m := range changes {
		s.Changed(context.WithoutCancel(res.Request.Context()), m)
		s.Forget()
	}
}

// watched is a body that is broken off if nothing comes for stallWait.
type watched struct {
	io.ReadCloser
	clock *time.Timer
}

func (b *watched) Read(p []byte) (int, error) {
	b.clock.Reset(stallWait)
	n, err := b.ReadCloser.Read(p)
	b.clock.Stop() // while the client takes its time
	return n, err
}

func (b *watched) Close() error {
	b.clock.Stop()
	return b.ReadCloser.Close()
}

// passFailed answers when no answer came. A client that has left gets nothing.
func (s *Server) passFailed(w *reply, r *http.Request, e errand, err error) {
	switch {
	case r.Context().Err() != nil && !errors.Is(err, errUploadStalled):
		w.problem = r.Context().Err()
		panic(http.ErrAbortHandler)
	case e.answered(r, "offline"):
		s.local(w, r, e.match)
	case e.far != nil:
		w.verbatim = false
		s.fetch(w, r, e, credentials(r) == token)
	default:
		status, sentence := describe(e.up.Host, err)
		w.problem = err
		s.fail(w, r, status, sentence)
	}
}
