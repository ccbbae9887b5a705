package h2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"sort"
	"strings"
	"testing"
	"time"
)

// likeness is a handler and a request, about which net/http and we must agree.
type likeness struct {
	name    string
	method  string // empty: GET
	body    string
	unsized bool // the client does not say how long its body is
	header  http.Header
	trailer http.Header
	handler http.HandlerFunc
}

func likenesses() []likeness {
	write := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) }
	}
	return []likeness{
		{name: "an answer gets its length and its type", handler: write("<html>hello")},
		{name: "an answer of nothing", handler: func(http.ResponseWriter, *http.Request) {}},
		{name: "an answer of 200 KB", handler: write(strings.Repeat("0123456789", 20000))},
		{name: "HEAD leaves out the body", method: http.MethodHead, handler: write("hello")},
		{name: "HEAD with a length", method: http.MethodHead, handler: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "77") }},
		{name: "204 has no body", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			_, err := io.WriteString(w, "x")
			if !errors.Is(err, http.ErrBodyNotAllowed) {
				panic(err)
			}
		}},
		{name: "304 keeps its fields", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(http.StatusNotModified)
		}},
		{name: "a header after the status is late", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			w.Header().Set("Late", "x")
			io.WriteString(w, "x")
		}},
		{name: "many values, odd names, bad values", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Set-Cookie"] = []string{"a=b", "c=d"}
			w.Header()["X-Odd_Name"] = []string{"1"}
			w.Header()["bad name"] = []string{"1"}
			w.Header()["Bad-Value"] = []string{"a\nb"}
			w.Header().Set("X-Long", strings.Repeat("v", 40000))
		}},
		{name: "a body that is pushed out in pieces", handler: func(w http.ResponseWriter, _ *http.Request) {
			for i := range 5 {
				fmt.Fprintf(w, "piece %d,", i)
				if err := http.NewResponseController(w).Flush(); err != nil {
					panic(err)
				}
			}
		}},
		{name: "trailers of the answer, announced and not", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "Sum, Other")
			io.WriteString(w, "body")
			w.Header().Set("Sum", "1")
			w.Header().Set(http.TrailerPrefix+"Surprise", "2")
		}},
		{name: "trailers without a body", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "Sum")
			w.WriteHeader(http.StatusOK)
			w.Header().Set("Sum", "1")
		}},
		{name: "trailers of the request", method: http.MethodPost, body: "abc", unsized: true, trailer: http.Header{"Sum": {"42"}}, handler: describe},
		{name: "a request of nothing", handler: describe},
		{name: "a POST", method: http.MethodPost, body: "hello", handler: describe},
		{name: "a POST of unknown length", method: http.MethodPost, body: "hello", unsized: true, handler: describe},
		{name: "a large POST", method: http.MethodPost, body: strings.Repeat("0123456789", 100000), handler: describe},
		{name: "fields of the request", handler: describe, header: http.Header{"X-A": {"1", "2"}, "Cookie": {"a=b", "c=d"}, "Te": {"trailers"}}},
		{name: "a body that is waited for", method: http.MethodPut, body: "hello", header: http.Header{"Expect": {"100-continue"}}, handler: describe},
		{name: "an echo of 1 MB", method: http.MethodPost, body: strings.Repeat("0123456789", 100000), handler: func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }},
		{name: "a body that nobody reads", method: http.MethodPost, body: strings.Repeat("x", 100), handler: write("enough")},
		{name: "early hints", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</x>")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("Link", "</y>")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			io.WriteString(w, "x")
		}},
		{name: "a handler that gives up before the answer", handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{name: "a handler that gives up in the middle", handler: func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "beg")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}},
		{name: "ServeContent of a range", header: http.Header{"Range": {"bytes=5-10"}}, handler: func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "x.txt", time.Unix(1e9, 0), strings.NewReader("0123456789abcdef"))
		}},
		{name: "a redirect", handler: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusFound) }},
	}
}

// describe answers with all that a handler can know.
func describe(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s %s %v %d %v %d %v\n", r.Method, r.URL, r.RequestURI, r.Proto, r.TransferEncoding, r.ContentLength, r.TLS != nil, len(body), err)
	fmt.Fprintln(w, flat(r.Header), flat(r.Trailer), r.Host != "", r.RemoteAddr != "")
}

func TestHandlersSeeAndSayWhatTheyWouldWithNetHTTP(t *testing.T) {
	for _, l := range likenesses() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			std := httptest.NewUnstartedServer(l.handler)
			std.EnableHTTP2 = true
			std.StartTLS()
			defer std.Close()
			w := newWorld(t, &Server{Handler: l.handler})
			client := std.Client()
			client.CheckRedirect = w.client.CheckRedirect
			want := l.ask(client, std.URL)
			got := l.ask(w.client, w.url)
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if noise := w.log.String(); noise != "" {
				t.Errorf("log\ngot  %s\nwant nothing", noise)
			}
		})
	}
}

// ask makes the request and tells all about its answer.
func (l *likeness) ask(client *http.Client, url string) string {
	var said strings.Builder
	var body io.Reader
	if l.body != "" {
		body = strings.NewReader(l.body)
	}
	if l.unsized {
		body = io.MultiReader(body)
	}
	r, err := http.NewRequest(l.method, url+"/path%2Fx?q=1", body)
	if err != nil {
		return err.Error()
	}
	r.Header = l.header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("User-Agent", "test")
	r.Header.Set("Accept-Encoding", "identity")
	r.Trailer = l.trailer.Clone()
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			fmt.Fprintln(&said, code, flat(http.Header(h)))
			return nil
		},
	}))
	answer, err := client.Do(r)
	if err != nil {
		return said.String() + "no answer"
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	answer.Header.Del("Date")
	if len(content) > 1000 {
		content = fmt.Appendf(nil, "%d bytes, %d newlines", len(content), bytes.Count(content, []byte("\n")))
	}
	fmt.Fprintf(&said, "%s %s %d %s\n%s\n%s whole %v", answer.Status, answer.Proto, answer.ContentLength, flat(answer.Header), content, flat(answer.Trailer), err == nil)
	return said.String()
}

// flat is a header in a fixed order.
func flat(h http.Header) string {
	var lines []string
	for name, values := range h {
		lines = append(lines, fmt.Sprintf("%s=%.60q", name, values))
	}
	sort.Strings(lines)
	return strings.Join(lines, " ")
}
