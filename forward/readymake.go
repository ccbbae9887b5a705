package forward

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"hither/forward/fetch"
	"hither/forward/h2"
	"hither/rules"
)

const dateFormat = http.TimeFormat

// realm is what a connection adds to the meaning of every request on it: the scheme, and the place that it was made to.
func realm(scheme, place string) string { return scheme + "\x00" + place }

// appendKey says what was asked, so that two requests of one key are answered alike. Every part is as the client wrote it:
// another spelling is another key, which costs nothing but room.
func appendKey[T []byte | string](b []byte, realm string, host, target, accept, integrity T) []byte {
	b = append(b, realm...)
	for _, part := range [...]T{host, target, accept, integrity} {
		b = append(b, 0)
		b = append(b, part...)
	}
	return b
}

// readyKey is the key of a request that net/http has read; empty: its answer is for it alone.
func readyKey(r *http.Request) string {
	if r.Method != http.MethodGet || r.Proto != "HTTP/1.1" && r.Proto != "HTTP/2.0" || r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		return ""
	}
	for name, lines := range r.Header {
		if len(lines) != 1 || lines[0] == "" || !harmless(strings.ToLower(name), lines[0]) {
			return ""
		}
	}
	scheme, host := "http", r.Host
	place := targetOf(r)
	if r.TLS != nil {
		scheme, place = "https", sealedPlace(r.TLS, place)
	}
	if !strings.HasPrefix(r.RequestURI, "/") {
		host = "" // the absolute form says it, and what Host says does not count (RFC 9112, section 3.2.2)
	}
	return string(appendKey(nil, realm(scheme, place), host, r.RequestURI, r.Header.Get("Accept"), r.Header.Get("Pacote-Integrity")))
}

// harmless says whether a header field leaves the answer to a GET as it is, or is part of the key. The name is in lower
// case. What is not known here may mean anything.
func harmless[T []byte | string](name, value T) bool {
	switch string(name) {
	case "host", "accept", "accept-encoding", "accept-language", "user-agent", "pacote-integrity", "pacote-version",
		"pacote-req-type", "pacote-pkg-id", "npm-in-ci", "npm-scope", "npm-session", "npm-command", "npm-auth-type":
		return true
	case "connection", "proxy-connection":
		return strings.EqualFold(string(value), "keep-alive")
	}
	return false
}

// unchanging says whether an answer may lie ready: a hit, from the cache alone, of something that no clock makes old.
func unchanging(m rules.Match, a *fetch.Answer) bool {
	return a.Report.State == fetch.Hit && a.Status == http.StatusOK &&
		m.Path != nil && m.Path.Keep == rules.Forever && (m.Path.Notary == "" && m.Host.Key == "" || a.Report.Vouched != "")
}

// prepare lets the answer that is about to be sent, with this body, lie ready for who asks the same. The head of w is
// complete, but for what net/http adds.
func (s *Server) prepare(w *reply, r *http.Request, a *fetch.Answer, body []byte) {
	if w.request == nil || !unchanging(w.request.Match, a) {
		return
	}
	key := readyKey(r)
	if key == "" {
		return
	}
	now := time.Now()
	ready := &Ready{
		key: key, set: w.set, until: now.Add(readyLife), checked: now.Add(-a.Report.Age), body: bytes.Clone(body),
		request: *w.request, report: a.Report, host: r.Host, path: r.URL.EscapedPath(),
	}
	ready.request.Client, ready.request.Agent = nil, ""
	head := w.Header().Clone()
	if w.gateway {
		enclose(head)
	}
	ready.front, ready.back = fields(head)
	head.Del("Age")
	ready.block = h2.AppendHeader(h2.AppendStatus(nil, http.StatusOK), head)
	s.ready.add(ready, w.age, now)
}

// fields writes a head as net/http does, in two parts: Age stands between them, and Date behind the second.
func fields(h http.Header) (front, back []byte) {
	var before, after bytes.Buffer
	before.WriteString("HTTP/1.1 200 OK\r\n")
	early, late := map[string]bool{"Age": true}, map[string]bool{"Age": true}
	for name := range h {
		early[name] = early[name] || name > "Age"
		late[name] = late[name] || name < "Age"
	}
	_ = h.WriteSubset(&before, early) // buffers do not fail
	_ = h.WriteSubset(&after, late)
	return before.Bytes(), after.Bytes()
}

// tellAgain does for an answer that lay ready what fetch does for others: who watches what clients want hears of this one.
func (s *Server) tellAgain(r *Ready, client *fetch.Client, began time.Time) {
	if s.Again != nil {
		s.Again(r.asked(began, client))
	}
}

// tell does what watch does for others: the request is counted and logged.
func (s *Server) tell(r *Ready, began time.Time, sent int64) {
	s.done(Done{
		Host: r.host, Path: r.path, Status: http.StatusOK, Rule: r.report.Rule, State: string(fetch.Hit), Sent: sent, Saved: r.report.Saved,
	})
	if s.logs() {
		s.logRequest(http.MethodGet, r.host, r.path, http.StatusOK, r.report.Rule, string(fetch.Hit), r.report.Source, sent, time.Since(began), "")
	}
}

// readSmall reads a body that is known to be small, whole. The end of the body must be where size says.
func readSmall(body io.Reader, size int64) ([]byte, error) {
	text := make([]byte, size)
	if _, err := io.ReadFull(body, text); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return text, nil
}
