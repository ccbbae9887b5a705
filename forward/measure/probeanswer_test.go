package measure_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/measure"
)

// network is a RoundTripper in a false world: a handler a host, which may sleep.
type network map[string]func(*http.Request) (status int, header, body string)

func (n network) RoundTrip(req *http.Request) (*http.Response, error) {
	answer := n[req.URL.Host]
	if answer == nil {
		return nil, io.ErrClosedPipe
	}
	status, header, body := answer(req)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	resp := &http.Response{StatusCode: status, ProtoMajor: 2, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}
	if name, value, ok := strings.Cut(header, ": "); ok {
		resp.Header.Set(name, value)
	}
	return resp, nil
}

func (n network) single(string) (http.RoundTripper, func(), error) { return n, func() {}, nil }

func says(status int, header, body string) func(*http.Request) (int, string, string) {
	return func(*http.Request) (int, string, string) { return status, header, body }
}

func TestTheNewestEntryIsReadWithCare(t *testing.T) {
	for _, c := range []struct{ name, field, body, want string }{
		{"a field", "Version", `{"Version":"v1.2.3","Time":"2026-01-01T00:00:00Z"}`, "v1.2.3"},
		{"a field inside another", "dist-tags.latest", `{"name":"x","dist-tags":{"latest":"4.17.21"}}`, "4.17.21"},
		{"no such field", "Version", `{}`, ""},
		{"a field of another kind", "Version", `{"Version":{"a":1}}`, ""},
		{"null", "Version", `{"Version":null}`, ""},
		{"no JSON", "Version", `v1.2.3`, ""},
		{"a list", "Version", `["v1.2.3"]`, ""},
		{"what would move a terminal's cursor", "Version", `{"Version":"\u001b[2Jv9"}`, ""},
		{"what is too long to be a version", "Version", `{"Version":"` + strings.Repeat("9", 300) + `"}`, ""},
		{"a document that is too long", "Version", `{"Version":"v1"}` + strings.Repeat(" ", 1<<20), ""},
		{"no field was named", "", `{"Version":"v1.2.3"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			world := network{"m.example": func(req *http.Request) (int, string, string) {
				if req.URL.Path == "/latest" {
					return 200, "", c.body
				}
				return 200, "", "object"
			}}
			p := &measure.Prober{Single: world.single}
			target := measure.Target{URL: "https://m.example/x", Newest: "https://m.example/latest", Field: c.field}
			r := p.Probe(t.Context(), target, "")
			alone, cost := p.Newest(t.Context(), target)
			if r.Newest != c.want || alone != c.want || r.Outcome != measure.OK {
				t.Errorf("newest\ngot  %q, alone %q, %s\nwant %q", r.Newest, alone, r.Outcome, c.want)
			}
			if r.Cost != r.Bytes+cost {
				t.Errorf("cost\ngot  %d\nwant %d for the object and %d for the document", r.Cost, r.Bytes, cost)
			}
		})
	}
}

func TestHowLongToLeaveItAlone(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		header string
		want   time.Duration
	}{
		{"", 0},
		{"Retry-After: 90", 90 * time.Second},
		{"Retry-After: Sat, 21 Nov 2026 09:05:00 GMT", 5 * time.Minute},
		{"Retry-After: Sat, 21 Nov 2020 09:05:00 GMT", 0},
		{"Retry-After: 4000000000", 24 * time.Hour},
		{"Retry-After: 99999999999999999999", 0},
		{"Retry-After: -1", 0},
		{"Retry-After: soon", 0},
	} {
		world := network{"m.example": says(429, c.header, "")}
		p := &measure.Prober{Single: world.single, Now: func() time.Time { return now }}
		r := p.Probe(t.Context(), measure.Target{URL: "https://m.example/"}, "")
		if r.RetryAfter != c.want || r.Sample().RetryAfter != c.want || r.Outcome != measure.Limited {
			t.Errorf("%q\ngot  %s %s\nwant limited for %s", c.header, r.Outcome, r.RetryAfter, c.want)
		}
	}
}

// staged tells a trace of two hops, as redirect.Follow and its connections would, each phase as long as its place says.
func staged(req *http.Request) (int, string, string) {
	trace := httptrace.ContextClientTrace(req.Context())
	if trace == nil {
		return 200, "", `{"Version":"v1"}`
	}
	near, _ := net.Pipe()
	for range 2 {
		trace.DNSStart(httptrace.DNSStartInfo{})
		time.Sleep(1 * time.Millisecond)
		trace.DNSDone(httptrace.DNSDoneInfo{})
		trace.ConnectStart("tcp", "192.0.2.1:443")
		time.Sleep(1 * time.Millisecond)
		trace.ConnectStart("tcp", "192.0.2.2:443") // the race is one phase
		trace.ConnectDone("tcp", "192.0.2.1:443", io.EOF)
		time.Sleep(1 * time.Millisecond)
		trace.ConnectDone("tcp", "192.0.2.2:443", nil)
		trace.GotConn(httptrace.GotConnInfo{Conn: near})
		trace.WroteRequest(httptrace.WroteRequestInfo{})
		time.Sleep(4 * time.Millisecond)
		trace.GotFirstResponseByte()
		trace.WroteRequest(httptrace.WroteRequestInfo{}) // late, as HTTP/2 may tell it
	}
	time.Sleep(1 * time.Millisecond)
	return 200, "", "object"
}

func TestPhasesOfRedirectsAreSummedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &measure.Prober{Single: network{"m.example": staged}.single}
		r := p.Probe(t.Context(), measure.Target{URL: "https://m.example/"}, "")
		want := measure.Phases{DNS: 2, Connect: 4, TLS: 0, Wait: 8, Body: 1, Total: 15}
		got := r.Phases
		for _, d := range []*time.Duration{&got.DNS, &got.Connect, &got.TLS, &got.Wait, &got.Body, &got.Total} {
			*d = d.Round(time.Microsecond) / time.Millisecond
		}
		if got != want {
			t.Errorf("milliseconds\ngot  %+v\nwant %+v", got, want)
		}
	})
}

func TestAQuestionThatIsGivenUpIsNothingAgainstAnUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := network{"m.example": func(req *http.Request) (int, string, string) { <-req.Context().Done(); return 0, "", "" }}
		p := &measure.Prober{Single: hang.single}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if r := p.Probe(ctx, measure.Target{URL: "https://m.example/"}, ""); r.Outcome != measure.Canceled {
			t.Errorf("given up after a second\ngot  %s\nwant canceled", r.Outcome)
		}
		began := time.Now()
		r := p.Probe(t.Context(), measure.Target{URL: "https://m.example/"}, "")
		if s := r.Sample(); r.Outcome != measure.Stalled || time.Since(began) != 10*time.Second || s.Wait != 0 || s.Took != 10*time.Second {
			t.Errorf("waited for\ngot  %s after %s, %+v\nwant stalled after 10s, without a first byte", r.Outcome, time.Since(began), s)
		}
	})
}

// FuzzProbe lets anything answer. Whatever it is, the result is plausible.
func FuzzProbe(f *testing.F) {
	f.Add(200, "Content-Type: text/html", "<html>", "Version")
	f.Add(503, "Retry-After: 1", "", "a.b")
	f.Add(401, "Content-Encoding: br", `{"a":{"b":"v1"}}`, "a.b")
	f.Add(302, "Retry-After: Sat, 21 Nov 2026 09:05:00 GMT", `{"a":1}`, "a")
	f.Fuzz(func(t *testing.T, status int, header, body, field string) {
		world := network{"m.example": says(status, header, body)}
		p := &measure.Prober{Single: world.single}
		target := measure.Target{URL: "https://m.example/x", Newest: "https://m.example/y", Field: field, Check: right("right")}
		r := p.Probe(t.Context(), target, "")
		if r.Outcome == measure.OK && (body != "right" || status != 200) || r.Outcome != measure.OK && r.Newest != "" {
			t.Errorf("%d %q %q\ngot  %+v\nwant ok for the right bytes alone", status, header, body, r)
		}
		if r.Bytes > 1<<20 || len(r.Err) > 600 || len(r.Newest) > 200 || r.RetryAfter < 0 || r.RetryAfter > 24*time.Hour {
			t.Errorf("implausible\ngot  %+v", r)
		}
	})
}
