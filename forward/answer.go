package forward

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"hither/forward/fetch"
	"hither/forward/notary"
)

// respond sends a fetched answer. A body that breaks off breaks the connection: the client must never take a part for
// the whole.
func (s *Server) respond(w *reply, r *http.Request, a *fetch.Answer) {
	w.state, w.source = string(a.Report.State), a.Report.Source
	setHead(w.Header(), a)
	w.Header().Add("Via", "1.1 "+s.token())
	switch {
	case a.Status != http.StatusOK:
		stream(w, r, a)
	case a.Size >= 0:
		s.serveContent(w, r, a)
	case !settled(w, r, a):
		stream(w, r, a)
	}
}

// setHead copies what the origin said, without what belongs to the connection it came by, and adds the reasons.
func setHead(h http.Header, a *fetch.Answer) {
	maps.Copy(h, a.Header)
	for _, name := range []string{"Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Trailer", "Alt-Svc", "Set-Cookie", "Age"} {
		h.Del(name)
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // the origin said none: do not guess one
	}
	if a.ETag != "" {
		h.Set("ETag", a.ETag)
	}
	switch a.Report.State {
	case fetch.Hit, fetch.Refreshing, fetch.Revalidated, fetch.Stale:
		h.Set("Age", strconv.FormatInt(int64(max(a.Report.Age, 0)/time.Second), 10))
	}
	h.Set("Cache-Status", cacheStatus(a))
	h.Set("Hither-Rule", a.Report.Rule)
	if a.Report.Source != "" {
		h.Set("Hither-Source", a.Report.Source)
	}
}

// cacheStatus tells in the words of RFC 9211 how the cache took part, and whether it was not the origin who named the
// bytes. That is the detail then, for the other parameters tell the state, unless it is stale.
func cacheStatus(a *fetch.Answer) string {
	state := cacheState(a)
	if !notary.Hearsay(a.Report.Vouched) {
		return state
	}
	state, detail, _ := strings.Cut(state, "; detail=")
	if detail == string(fetch.Stale) {
		return state + "; detail=" + quoted("stale, "+a.Report.Vouched)
	}
	return state + "; detail=" + quoted(a.Report.Vouched)
}

// quoted is a String of RFC 9651, which knows printable ASCII only. What comes from the cache may have been imported.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		if r < ' ' || r > '~' {
			r = '?'
		}
		if r == '"' || r == '\\' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}

func cacheState(a *fetch.Answer) string {
	switch a.Report.State {
	case fetch.Hit:
		return "Hither; hit"
	case fetch.Refreshing:
		return "Hither; hit; detail=refreshing"
	case fetch.Revalidated:
		return "Hither; fwd=stale; fwd-status=304; detail=revalidated"
	case fetch.Miss:
		return "Hither; fwd=uri-miss; stored; detail=miss"
	case fetch.Merged:
		return "Hither; fwd=uri-miss; collapsed; stored; detail=merged"
	case fetch.Stale:
		return "Hither; hit; detail=stale"
	case fetch.Negative:
		if len(a.Report.Tries) == 0 {
			return "Hither; hit; detail=negative"
		}
		return "Hither; fwd=uri-miss; fwd-status=" + strconv.Itoa(a.Status) + "; detail=negative"
	}
	return "Hither; detail=" + string(fetch.Local)
}

// serveContent sends a body of known size, or the parts of it that were asked for.
func (s *Server) serveContent(w *reply, r *http.Request, a *fetch.Answer) {
	if unconditional(r) && w.Header().Get("Content-Encoding") == "" {
		s.serveWhole(w, r, a)
		return
	}
	if r.Header.Get("Range") != "" && (!ranged(r) || a.Size == 0) { // ServeContent would call the last bytes of nothing 0--1
		r = r.Clone(r.Context())
		r.Header.Del("Range")
	}
	body := &whole{body: a.Body, size: a.Size}
	if state := a.Report.State; r.Header.Get("Range") != "" && (state == fetch.Miss || state == fetch.Merged) {
		body.arriving = true
		if !strings.Contains(r.Header.Get("Range"), ",") {
			body.head = w.Header()
		}
	}
	http.ServeContent(w, r, "", lastModified(a), body)
	if err := body.end(); err != nil {
		w.problem = err
		panic(http.ErrAbortHandler)
	}
}

// unconditional says whether r wants the whole body, whatever the client may have of it.
func unconditional(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	for name := range r.Header {
		if name == "Range" || strings.HasPrefix(name, "If-") {
			return false
		}
	}
	return true
}

// serveWhole is serveContent for the usual request.
func (s *Server) serveWhole(w *reply, r *http.Request, a *fetch.Answer) {
	h := w.Header()
	h["Accept-Ranges"] = []string{"bytes"}
	h["Content-Length"] = []string{strconv.FormatInt(a.Size, 10)}
	if t := lastModified(a); !t.IsZero() && !t.Equal(time.Unix(0, 0)) {
		h["Last-Modified"] = []string{t.UTC().Format(http.TimeFormat)}
	}
	if a.Size > readyBody {
		if a.Size > wideBody {
			w.buffers = &s.wide
		}
		stream(w, r, a)
		return
	}
	body, err := readSmall(a.Body, a.Size)
	if err == nil {
		s.prepare(w, r, a, body)
	}
	w.WriteHeader(http.StatusOK)
	if err != nil {
		w.problem = err
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body) // a client that has left needs no answer
}

// settled answers a conditional request for a body of unknown size, if its condition decides it. An empty body lets
// ServeContent judge the condition (RFC 9110, 13.2.2) without sending anything.
func settled(w *reply, r *http.Request, a *fetch.Answer) bool {
	trial := &verdict{header: w.Header().Clone()}
	asked := r.Clone(r.Context())
	asked.Header.Del("Range")
	http.ServeContent(trial, asked, "", lastModified(a), bytes.NewReader(nil))
	if trial.status != http.StatusNotModified && trial.status != http.StatusPreconditionFailed {
		return false
	}
	clear(w.Header())
	maps.Copy(w.Header(), trial.header)
	w.WriteHeader(trial.status)
	return true
}

// verdict is a ResponseWriter that remembers only the status.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) Write(p []byte) (int, error) { return len(p), nil }
func (v *verdict) WriteHeader(status int)      { v.status = status }

// stream sends a body from its beginning to its end.
func stream(w *reply, r *http.Request, a *fetch.Answer) {
	if a.Size >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(a.Size, 10))
	}
	w.WriteHeader(a.Status)
	if r.Method == http.MethodHead {
		return
	}
	sent, err := w.ReadFrom(a.Body)
	if err == nil && a.Size >= 0 && sent != a.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		w.problem = err
		panic(http.ErrAbortHandler)
	}
}

func lastModified(a *fetch.Answer) time.Time {
	t, err := http.ParseTime(a.Header.Get("Last-Modified"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// whole is a body that must be all there. It notes any error, because ServeContent does not tell; and it lets
// ServeContent's goroutine for several ranges end before the body is closed.
type whole struct {
	size     int64
	arriving bool        // its bytes are checked only before its last one is given
	head     http.Header // of the answer, which tells where its one part ends; nil: of several parts all wait for the check

	mu   sync.Mutex
	body io.ReadSeeker
	at   int64 // where the reader wants to be
	real int64 // where the body is
	err  error
}

// Seek asks the body for nothing: only a read shows that the place is really wanted.
func (b *whole) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errors.New("a seek before the beginning")
	}
	b.at = offset
	return offset, nil
}

// Read turns an end before the end into an error.
func (b *whole) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	if b.at >= b.size {
		return 0, io.EOF
	}
	if err := b.checkLocked(&p); err != nil {
		b.err = err
		return 0, err
	}
	if b.real != b.at {
		if _, err := b.body.Seek(b.at, io.SeekStart); err != nil {
			b.err = err
			return 0, err
		}
		b.real = b.at
	}
	n, err := b.body.Read(p[:min(int64(len(p)), b.size-b.at)])
	b.at += int64(n)
	b.real = b.at
	if errors.Is(err, io.EOF) && b.at < b.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// lastPiece is what nobody gets of a part before the whole is checked, in bytes: more than any buffer between us and a client.
const lastPiece = 64 << 10

// checkLocked keeps the end of a part from who has all before it, until the whole is checked: the client would take wrong bytes for
// right ones, since a part ends cleanly. The last byte of the whole is given only then.
func (b *whole) checkLocked(p *[]byte) error {
	if !b.arriving {
		return nil
	}
	if free := partEnd(b.head, b.size) - lastPiece - b.at; free > 0 {
		*p = (*p)[:min(int64(len(*p)), free)]
		return nil
	}
	b.arriving, b.real = false, -1
	if _, err := b.body.Seek(b.size-1, io.SeekStart); err != nil {
		return err
	}
	_, err := io.ReadFull(b.body, make([]byte, 1))
	return err
}

// partEnd is where the one part ends that an answer of size bytes is, or the whole; 0: there may be several.
func partEnd(h http.Header, size int64) int64 {
	if h == nil {
		return 0
	}
	_, said, _ := strings.Cut(h.Get("Content-Range"), "-")
	last, _, _ := strings.Cut(said, "/")
	if n, err := strconv.ParseInt(last, 10, 64); err == nil {
		return n + 1
	}
	return size
}

// end tells what went wrong, and lets nobody read any more.
func (b *whole) end() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.err
	if b.err == nil {
		b.err = io.ErrClosedPipe
	}
	return err
}
