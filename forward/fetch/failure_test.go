package fetch_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"hither/forward/fetch"
	"hither/forward/wiretest"
)

// An authority asks its registry through us, so that one failure tells of another.
func TestWhatToDoIsToldOnceAndAtTheEnd(t *testing.T) {
	inner := &fetch.Failure{Name: "lookup", Tries: []fetch.Try{{Base: "https://sum", Err: "is down"}}}
	outer := &fetch.Failure{Name: "zip", Cause: fmt.Errorf("asking: %w", inner), Tries: []fetch.Try{{Base: "https://origin", Status: 500}}}
	if got, want := outer.Error(), "nobody gave us zip: asking: nobody gave us lookup: https://sum is down; https://origin answered 500"+fetch.Advice; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// A name server, or a proxy, that hangs up on the way to a source says nothing about the source.
func TestWhoHungUpBeforeTheAnswerIsTold(t *testing.T) {
	w := newWorld(t)
	w.Transport = wiretest.RoundTrip(func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("upstream proxy: no answer to CONNECT: %w", io.ErrUnexpectedEOF)
	})
	_, err := w.all(w.request("/doc/x"))
	if failure := (*fetch.Failure)(nil); !errors.As(err, &failure) || !strings.Contains(err.Error(), "upstream proxy: no answer to CONNECT") {
		t.Errorf("\n got %v\nwant whose words they are", err)
	}
}
