package h2

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2/hpack"
)

// request answers one: at once if that lies ready, else by a handler.
func (c *conn) request(b *block) error {
	if b.size > b.limit {
		c.head.Method = ""
		c.reply(b.id, b.end, &Reply{Block: AppendField(AppendStatus(nil, http.StatusRequestHeaderFieldsTooLarge), "content-length", "0")})
		return c.notice(costNotice)
	}
	why := c.parse(b.fields)
	if b.end && c.head.length > 0 {
		why = "a body that is announced and does not come"
	}
	if why != "" {
		return streamError{b.id, codeProtocol, why}
	}
	if c.head.Method == http.MethodConnect {
		c.reply(b.id, b.end, &Reply{Block: AppendField(AppendStatus(nil, http.StatusMethodNotAllowed), "content-length", "0")})
		return c.notice(costNotice)
	}
	if b.end && c.server.Ready != nil {
		if r, ok := c.server.Ready(&c.head); ok {
			c.reply(b.id, true, r)
			return nil
		}
	}
	return c.handle(b)
}

// handle starts the handler of a request.
func (c *conn) handle(b *block) error {
	target, err := url.ParseRequestURI(c.head.Path)
	if err != nil {
		return streamError{b.id, codeProtocol, "a path that cannot be read"}
	}
	c.mu.Lock()
	// Handlers of requests that were reset count, until they have noticed: a client cannot have more of them by resetting.
	if c.running >= c.maxStreams() {
		c.mu.Unlock()
		return streamError{b.id, codeRefused, "too many handlers at once"}
	}
	if c.err != nil {
		c.mu.Unlock()
		return c.err
	}
	st := c.openLocked(b.id, b.end)
	ctx, cancel := context.WithCancel(c.ctx)
	st.handled, st.cancel = true, cancel
	st.body.declared = c.head.length
	c.running++
	c.mu.Unlock()

	r := c.newRequest(ctx)
	r.URL = target
	w := &response{st: st, head: r.Method == http.MethodHead, header: make(http.Header, 8), declared: -1}
	if expect := takeExpect(r.Header); !b.end {
		st.body.expect = expect
		r.ContentLength = st.body.declared
		r.Body = &bodyReader{st: st, w: w, trailer: r.Trailer}
	}
	c.handlers.Add(1)
	go w.run(c.server.Handler, r)
	return nil
}

// newRequest makes what handlers know, out of c.head, but for the URL and the body.
func (c *conn) newRequest(ctx context.Context) *http.Request {
	r := (&http.Request{}).WithContext(ctx)
	h := &c.head
	r.Method, r.Host, r.RequestURI = h.Method, h.Authority, h.Path
	r.Proto, r.ProtoMajor = "HTTP/2.0", 2
	r.RemoteAddr, r.TLS = c.remote, c.tls
	r.Body = http.NoBody
	r.Header = c.header(h.Fields)
	if _, ok := r.Header["Trailer"]; ok {
		r.Trailer = takeTrailers(r.Header)
	}
	return r
}

// header makes a map of fields. Their values share one array.
func (c *conn) header(fields []hpack.HeaderField) http.Header {
	m := make(http.Header, len(fields))
	values := make([]string, len(fields))
	for _, f := range fields {
		if f.Name == "host" {
			continue
		}
		name := c.canonical(f.Name)
		if known, ok := m[name]; !ok {
			values[0] = f.Value
			m[name], values = values[:1:1], values[1:]
		} else {
			m[name] = append(known, f.Value)
		}
	}
	if crumbs := m["Cookie"]; len(crumbs) > 1 {
		m["Cookie"] = []string{strings.Join(crumbs, "; ")} // section 8.2.3
	}
	return m
}

// canonical is http.CanonicalHeaderKey, remembered: a connection uses the same few names again and again.
func (c *conn) canonical(name string) string {
	if known, ok := c.names[name]; ok {
		return known
	}
	key := http.CanonicalHeaderKey(name)
	if len(c.names) < 100 && len(name) < 64 {
		c.names[name] = key
	}
	return key
}

// takeExpect says whether the client waits for leave to send its body.
func takeExpect(h http.Header) bool {
	for _, v := range h["Expect"] {
		if strings.EqualFold(v, "100-continue") {
			delete(h, "Expect")
			return true
		}
	}
	return false
}

// takeTrailers are the names that the client announced.
func takeTrailers(h http.Header) http.Header {
	trailer := http.Header{}
	for _, line := range h["Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if mayTrail(name) && len(trailer) < 64 {
				trailer[name] = nil
			}
		}
	}
	delete(h, "Trailer")
	return trailer
}

// mayTrail leaves out what a receiver would have had to know before the body (RFC 9110 section 6.5.1).
func mayTrail(name string) bool {
	switch name {
	case "Transfer-Encoding", "Content-Length", "Trailer", "Host", "Content-Encoding", "Content-Type", "Content-Range",
		"Authorization", "Cache-Control", "Connection", "Expect", "Te", "Range", "Www-Authenticate":
		return false
	}
	return httpguts.ValidHeaderFieldName(name)
}
