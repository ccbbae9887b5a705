package fetch_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/bearer"
)

// A token that the origin gives to everybody says that the image is public, and others are asked beside it; one that grants
// nothing, or says nothing, does not, and they hear the name only from who has it from the origin's answer.
func TestTheOriginsTokenIsItsWord(t *testing.T) {
	for name, c := range map[string]struct {
		claims string
		rate   float64 // of the origin, as far as it is known; the other's is 1 MB/s
		soon   bool    // another is asked before the origin has answered
	}{
		"public":                                   {opensApp, 0, true},
		"public, and the origin is slower":         {opensApp, 5e5, true},
		"public, but the origin is faster":         {opensApp, 2e6, false},
		"private":                                  {`{"access":[]}`, 0, false},
		"the token opens another image than asked": {`{"access":[{"type":"repository","name":"other","actions":["pull"]}]}`, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.parts, w.board.first = true, []string{"near", "far", "reg"}
				w.board.rate = map[string]float64{"near": 1e6, "reg": c.rate}
				w.hosts["reg"].lag, w.hosts["near"].lag, w.hosts["far"].lag = 400*time.Millisecond, 10*time.Millisecond, 10*time.Millisecond
				w.wantTokens(c.claims, w.hosts["reg"].answer)
				body := noise(6 << 20)
				path := "/v2/app/blobs/" + string(sum(body))
				w.put(path, body)
				done := make(chan string)
				go func() { done <- w.get(path) }()
				time.Sleep(600 * time.Millisecond) // the token came after 400 ms, the answer will after 800, and after a second the origin is late
				if got := slices.Contains(w.seen(), "near"); got != c.soon {
					t.Errorf("a stranger was asked before the origin answered\ngot  %t, %v\nwant %t", got, w.seen(), c.soon)
				}
				if got := <-done; !strings.HasPrefix(got, fmt.Sprintf("%d bytes %s", len(body), sum(body)[7:15])) {
					t.Errorf("\ngot  %s\nwant the body", got)
				}
			})
		})
	}
}

// A realm may give tokens without looking, and leave it to the registry to refuse who shows them. Then nobody else is heard, and
// nothing is remembered of the promise.
func TestARefusalOutweighsAToken(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusUnauthorized: "failure 401",
		http.StatusForbidden:    "failure 403",
		http.StatusNotFound:     "404 not for you from reg (negative)",
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.parts, w.board.first = true, []string{"near", "far", "reg"}
			w.hosts["reg"].lag, w.hosts["near"].lag = 400*time.Millisecond, 600*time.Millisecond
			w.wantTokens(opensApp, func(*http.Request) *http.Response { return says(status, "not for you") })
			path := func(body []byte) string { return "/v2/app/blobs/" + string(sum(body)) }
			first, second := noise(6<<20), noise(5<<20)
			w.put(path(first), first)
			expect(t, atOnce(w.get(path(first))), want+" after [reg auth reg near]")
			w.put(path(second), second)
			expect(t, atOnce(w.get(path(second))), want+" after [reg near]") // the token is shown at once
			doubtful := w.request(path(first))
			doubtful.Doubtful = true
			expect(t, w.ask(doubtful), "pass after [HEAD reg]")
		})
	}
}

// atOnce is what [world.get] tells where the origin and near are asked in one moment, in either order.
func atOnce(told string) string { return strings.Replace(told, "near reg]", "reg near]", 1) }

const opensApp = `{"access":[{"type":"repository","name":"app","actions":["pull"]}]}`

// wantTokens has the origin want a token, which the realm gives to everybody, and then answer.
func (w *world) wantTokens(claims string, answer func(*http.Request) *http.Response) {
	w.hosts["auth"] = &host{files: map[string][]byte{}, wild: func(*http.Request) *http.Response { return says(http.StatusOK, token(claims)) }}
	w.hosts["reg"].wild = func(req *http.Request) *http.Response {
		if req.Header.Get("Authorization") == "" {
			resp := says(http.StatusUnauthorized, "")
			resp.Header.Set("WWW-Authenticate", `Bearer realm="https://auth/token",service="reg",scope="repository:app:pull"`)
			return resp
		}
		return answer(req)
	}
	w.Transport = &bearer.Tokens{Next: w}
}

func token(claims string) string {
	return fmt.Sprintf(`{"token":"e30.%s.c2ln"}`, base64.RawURLEncoding.EncodeToString([]byte(claims)))
}

func says(status int, text string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: int64(len(text)), Body: io.NopCloser(strings.NewReader(text))}
}
