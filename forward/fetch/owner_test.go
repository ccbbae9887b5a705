package fetch_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"

	"hither/forward/mark"
)

// outsets is a Transport that notes which requests to the origin are thought to be led elsewhere.
type outsets struct {
	distant
	led   bool // and they are
	noted []bool
}

func (o *outsets) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == "reg" {
		o.mu.Lock()
		o.noted = append(o.noted, mark.IsOutset(req.Context()))
		o.mu.Unlock()
	}
	resp, err := o.distant.RoundTrip(req)
	if err == nil && o.led {
		resp.Request = req.Clone(req.Context())
		resp.Request.URL = &url.URL{Scheme: "https", Host: "store", Path: "/"}
	}
	return resp, err
}

// The parts of a body that an origin sent itself, though its rule knows of stores, all came over the one connection by which it is
// asked the way.
func TestWhoSendsBodiesItselfIsNotThoughtToLeadElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := farWorld(t)
		w.board.first = []string{"reg", "near", "far"}
		way := &outsets{distant: distant{w}}
		w.Transport = way
		ask := func(path string) {
			req := w.request(path)
			host := *req.Host
			host.Stores = []string{"https://store"}
			req.Host = &host
			t.Log(w.ask(req))
		}
		get := func(seed byte, led bool) []bool {
			way.led, way.noted = led, nil
			ask(w.bulk(append(noise(3<<20), seed)))
			if len(way.noted) < 2 {
				t.Fatal("it did not come in parts")
			}
			return way.noted
		}
		ask(w.blob([]byte("what is small comes from the origin itself, and says nothing")))
		if got := get(1, false); !got[0] || slices.Contains(got[1:], true) {
			t.Errorf("the first body\ngot  %v\nwant true, and false from then on", got)
		}
		if got := get(2, false); slices.Contains(got, true) {
			t.Errorf("the next\ngot  %v\nwant false", got)
		}
		if got := get(3, true); got[0] || slices.Contains(got[1:], false) {
			t.Errorf("when it leads to its store\ngot  %v\nwant false, and true from then on", got)
		}
	})
}
