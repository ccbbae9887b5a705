package forward_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"

	"hither/forward"
)

// carried is an http.RoundTripper.
type carried func(*http.Request) (*http.Response, error)

func (c carried) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

// What may be asked twice is left to who knows whether the network is away.
func TestWhatIsPassedOutlastsTheNetwork(t *testing.T) {
	for _, c := range []struct {
		method, url, body string
		status, asks      int
	}{
		{"GET", "https://" + host + "/never/a", "", http.StatusOK, 2},
		{"HEAD", "https://" + host + "/never/a", "", http.StatusOK, 2},
		{"GET", "https://" + host + "/never/a", "a body", http.StatusBadGateway, 1},
		{"POST", "https://" + host + "/never/a", "", http.StatusBadGateway, 1},
		{"GET", "https://oci.world.test/v2/", "", http.StatusOK, 1}, // which we answer ourselves then
	} {
		asks, bases := 0, ""
		w := newWorld(t, func(s *forward.Server) {
			next := s.Pass
			s.Pass = carried(func(r *http.Request) (*http.Response, error) {
				if asks++; asks == 1 {
					return nil, errors.New("network is unreachable")
				}
				return next.RoundTrip(r)
			})
			s.Persist = func(ctx context.Context, base string, ask func(context.Context) error) error {
				bases += base
				if ask(ctx) != nil {
					return ask(ctx)
				}
				return nil
			}
		})
		res, _ := do(t, w.client(false), c.method, c.url, c.body, "Authorization", "Bearer t")
		if res.StatusCode != c.status || asks != c.asks || (c.asks > 1) != (bases == w.origin.URL) {
			t.Errorf("%s %s %s\ngot:  %d, asked %d times at %q\nwant: %d, %d times", c.method, c.url, c.body, res.StatusCode, asks, bases, c.status, c.asks)
		}
	}
}

// A tunnel is opened as late as its client would have been connected without us.
func TestATunnelOutlastsTheNetwork(t *testing.T) {
	w := newWorld(t, func(s *forward.Server) {
		next, dials := s.Dial, 0
		s.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials++; dials == 1 {
				return nil, errors.New("network is unreachable")
			}
			return next(ctx, network, addr)
		}
		s.Persist = func(ctx context.Context, base string, ask func(context.Context) error) error {
			if base != "https://"+alien+":443" {
				t.Errorf("base\ngot:  %s\nwant: the tunnel's end", base)
			}
			if ask(ctx) != nil {
				return ask(ctx)
			}
			return nil
		}
	})
	res, body := get(t, w.insecure(), "https://"+alien+"/x")
	if res.StatusCode != http.StatusOK {
		t.Errorf("\ngot:  %d %s\nwant: an answer through the tunnel", res.StatusCode, body)
	}
}
