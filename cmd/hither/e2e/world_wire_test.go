package e2e_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// wire is one server of the world with a switch for everything that a network, or a bad server, does. Its methods may be
// called while requests are under way.
type wire struct {
	URL  string // base URL; the same after Cut and Mend
	addr string

	t       *testing.T
	handler http.Handler
	secure  *tls.Config // nil: plain
	onCut   func()      // ends what the server does not know of, as hijacked connections

	mu     sync.Mutex
	server *http.Server // nil while cut
	bent   fault
	asked  []asked
}

// asked is one request as it arrived.
type asked struct {
	Method string
	Path   string
	Header http.Header
}

// fault answers in a server's place, or lets next answer and spoils it.
type fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// ServeHTTP writes down the request and answers it, well or badly.
func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.asked = append(w.asked, asked{r.Method, r.URL.Path, r.Header.Clone()})
	bent := w.bent
	w.mu.Unlock()
	if bent != nil {
		bent(rw, r, w.handler)
		return
	}
	w.handler.ServeHTTP(rw, r)
}

// Bend makes the server misbehave from the next request on; nil straightens it.
func (w *wire) Bend(f fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bent = f
}

// Asked counts the requests so far of which pick is true; a nil pick takes all.
func (w *wire) Asked(pick func(asked) bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, a := range w.asked {
		if pick == nil || pick(a) {
			n++
		}
	}
	return n
}

// Cut refuses connections and ends the running ones.
func (w *wire) Cut() {
	w.mu.Lock()
	server := w.server
	w.server = nil
	w.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
	if w.onCut != nil {
		w.onCut()
	}
}

// Mend takes connections again. What was said before goes on at the same address, because rule files name it.
func (w *wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.server != nil {
		return
	}
	listener, err := net.Listen("tcp", max(w.addr, "127.0.0.1:0"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.addr = listener.Addr().String()
	server := &http.Server{Handler: w, TLSConfig: w.secure, ReadHeaderTimeout: time.Minute}
	w.server = server
	w.URL = w.scheme() + "://" + w.addr
	go func() {
		if err := w.run(server, listener); !errors.Is(err, http.ErrServerClosed) {
			w.t.Errorf("wire %s: %v", listener.Addr(), err)
		}
	}()
}

func (w *wire) scheme() string {
	if w.secure != nil {
		return "https"
	}
	return "http"
}

func (w *wire) run(server *http.Server, listener net.Listener) error {
	if w.secure != nil {
		return server.ServeTLS(listener, "", "")
	}
	return server.Serve(listener)
}

// ---- The ways to bend a server. ----

// only spoils the requests of which pick is true.
func only(pick func(*http.Request) bool, f fault) fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if pick(r) {
			f(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// lags answers late.
func lags(d time.Duration) fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		select {
		case <-time.After(d):
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}
}

// flips changes one bit in the middle of the body.
func flips(w http.ResponseWriter, r *http.Request, next http.Handler) {
	header, status, body := answerOf(r, next)
	if len(body) > 0 {
		body[len(body)/2] ^= 1
	}
	send(w, header, status, body, len(body))
}

// truncates promises the whole body and breaks off in the middle.
func truncates(w http.ResponseWriter, r *http.Request, next http.Handler) {
	header, status, body := answerOf(r, next)
	send(w, header, status, body[:len(body)/2], len(body))
	panic(http.ErrAbortHandler)
}

// shortens lies about Content-Length: half a body that ends cleanly.
func shortens(w http.ResponseWriter, r *http.Request, next http.Handler) {
	header, status, body := answerOf(r, next)
	send(w, header, status, body[:len(body)/2], len(body)/2)
}

// pads lies about Content-Length the other way: the body, and something behind it.
func pads(w http.ResponseWriter, r *http.Request, next http.Handler) {
	header, status, body := answerOf(r, next)
	body = append(body, "and something more"...)
	send(w, header, status, body, len(body))
}

// hangs accepts and never answers.
func hangs(_ http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() }

// stalls sends half a body and then nothing.
func stalls(w http.ResponseWriter, r *http.Request, next http.Handler) {
	header, status, body := answerOf(r, next)
	send(w, header, status, body[:len(body)/2], len(body))
	<-r.Context().Done()
}

// logsIn shows a page where the thing should be, as captive portals do.
func logsIn(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	page := []byte("<!doctype html><title>Sign in</title><form>Your password, please</form>")
	send(w, http.Header{"Content-Type": {"text/html; charset=utf-8"}}, http.StatusOK, page, len(page))
}

// answers says only a status.
func answers(status int) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, http.StatusText(status), status)
	}
}

// redirects sends everybody to the same path of another server.
func redirects(to *wire, status int) fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, to.URL+r.URL.RequestURI(), status)
	}
}

// answerOf takes the good answer whole. The world's objects that are bent are small.
func answerOf(r *http.Request, next http.Handler) (http.Header, int, []byte) {
	good := httptest.NewRecorder()
	next.ServeHTTP(good, r)
	return good.Header(), good.Code, bytes.Clone(good.Body.Bytes())
}

// send says that size bytes come and sends body.
func send(w http.ResponseWriter, header http.Header, status int, body []byte, size int) {
	maps.Copy(w.Header(), header)
	w.Header().Set("Content-Length", strconv.Itoa(size))
	w.WriteHeader(status)
	_, _ = w.Write(body)
	_ = http.NewResponseController(w).Flush()
}

// ---- Which requests. ----

// gets is true for GET requests whose path ends with one of the suffixes, or holds it if it ends in a slash.
func gets(suffixes ...string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == http.MethodGet && fits(r.URL.Path, suffixes)
	}
}

// gotten is gets for requests that were written down.
func gotten(suffixes ...string) func(asked) bool {
	return func(a asked) bool { return a.Method == http.MethodGet && fits(a.Path, suffixes) }
}

func fits(path string, suffixes []string) bool {
	for _, s := range suffixes {
		if strings.HasSuffix(path, s) || strings.HasSuffix(s, "/") && strings.Contains(path, s) {
			return true
		}
	}
	return false
}
