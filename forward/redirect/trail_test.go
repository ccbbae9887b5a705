package redirect

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/wiretest"
)

func TestOtherPartsGoWhereTheFirstWasSent(t *testing.T) {
	var asked, stored atomic.Int64
	var gone atomic.Bool
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stored.Add(1)
		if gone.Load() {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if r.Header.Get("Authorization") != "" {
			t.Error("the storage was shown the registry's credentials")
		}
		w.Write([]byte("bytes"))
	}))
	defer storage.Close()
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, storage.URL+"/signed", http.StatusTemporaryRedirect)
	}))
	defer registry.Close()
	trail := new(Trail)
	get := func(want int) {
		t.Helper()
		req, _ := http.NewRequestWithContext(Along(t.Context(), trail), http.MethodGet, registry.URL+"/blob", nil)
		req.Header.Set("Authorization", "Bearer x")
		resp, err := (&Follow{Next: &http.Transport{}}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || resp.Request.URL.String() != storage.URL+"/signed" {
			t.Errorf("got %d from %s, want %d from the storage", resp.StatusCode, resp.Request.URL, want)
		}
	}
	get(200)
	get(200)
	get(200)
	if asked.Load() != 1 || stored.Load() != 3 {
		t.Errorf("the registry was asked %d times and the storage %d, want 1 and 3", asked.Load(), stored.Load())
	}
	gone.Store(true)
	get(403)
	if asked.Load() != 2 || stored.Load() != 5 {
		t.Errorf("after the signature had run out the registry was asked %d times and the storage %d, want 2 and 5", asked.Load(), stored.Load())
	}
	if other, _ := url.Parse(registry.URL + "/other"); trail.end(other) != nil {
		t.Error("another URL goes the same way")
	}
}

// Who asks for the first part may lose interest before the storage has answered. The others still need not ask the registry.
func TestTheWayIsKnownAsSoonAsItIsTold(t *testing.T) {
	r := &wiretest.Internet{Hosts: map[string]http.HandlerFunc{}}
	trail := new(Trail)
	ctx, leave := context.WithCancel(t.Context())
	r.Hosts["https://reg.example"] = wiretest.To("https://cdn.example/signed")
	r.Hosts["https://cdn.example"] = wiretest.Says("the bytes")
	first := wiretest.RoundTrip(func(req *http.Request) (*http.Response, error) {
		if req.URL.Host == "cdn.example" {
			leave()
			return nil, context.Canceled
		}
		return r.RoundTrip(req)
	})
	req, _ := http.NewRequestWithContext(Along(ctx, trail), http.MethodGet, "https://reg.example/blob", nil)
	if _, err := (&Follow{Next: first}).RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	r.Forget()
	again, _ := http.NewRequestWithContext(Along(t.Context(), trail), http.MethodGet, "https://reg.example/blob", nil)
	resp, err := (&Follow{Next: r}).RoundTrip(again)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	want(t, r.Asked(), "GET https://cdn.example/signed public")
}

// A race that ends calls its loser back, mostly before that was answered.
func TestARequestThatWasCalledBackDoesNotForgetTheWay(t *testing.T) {
	var asked atomic.Int64
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "bytes")
	}))
	defer storage.Close()
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, storage.URL+"/signed", http.StatusTemporaryRedirect)
	}))
	defer registry.Close()
	trail, follow := new(Trail), &Follow{Next: &http.Transport{}}
	get := func(ctx context.Context, part string) error {
		req, _ := http.NewRequestWithContext(Along(ctx, trail), http.MethodGet, registry.URL+"/blob", nil)
		if part != "" {
			req.Header.Set("Range", part)
		}
		resp, err := follow.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := get(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	called, back := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- get(called, "bytes=0-1") }()
	back()
	if err := <-ended; err == nil {
		t.Error("got an answer to what was called back")
	}
	if err := get(t.Context(), ""); err != nil || asked.Load() != 1 {
		t.Errorf("got  %v, after the registry was asked %d times\nwant one", err, asked.Load())
	}
}

// A registry may have several storages, and one of them may be dead: whoever loses patience there must not be sent there again.
func TestAPlaceThatKeepsSilentIsForgotten(t *testing.T) {
	for _, c := range []struct {
		patience time.Duration
		asked    int // the registry, by three requests
	}{{time.Second, 1}, {3 * time.Second, 3}} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			dead := wiretest.RoundTrip(func(req *http.Request) (*http.Response, error) {
				if req.URL.Host == "cdn.example" {
					<-req.Context().Done()
					return nil, req.Context().Err()
				}
				asked++
				w := httptest.NewRecorder()
				wiretest.To("https://cdn.example/signed")(w, req)
				return w.Result(), nil
			})
			trail := new(Trail)
			for range 3 {
				ctx, cancel := context.WithTimeout(Along(t.Context(), trail), c.patience)
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://reg.example/blob", nil)
				if _, err := (&Follow{Next: dead}).RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				cancel()
			}
			if asked != c.asked {
				t.Errorf("given up after %v, the registry was asked\ngot  %d times\nwant %d", c.patience, asked, c.asked)
			}
		})
	}
}

func TestAWayThatLeadsNowhereIsForgotten(t *testing.T) {
	for name, end := range map[string]http.HandlerFunc{
		"a circle":     wiretest.To("https://reg.example/blob"),
		"no URL":       wiretest.To("ftp://cdn.example/"),
		"without TLS":  wiretest.To("http://cdn.example/"),
		"no such host": wiretest.To("https://nowhere.example/"),
		"a refusal":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
	} {
		r := &wiretest.Internet{Hosts: map[string]http.HandlerFunc{"https://reg.example": wiretest.To("https://cdn.example/signed"), "https://cdn.example": end}}
		trail := new(Trail)
		req, _ := http.NewRequestWithContext(Along(t.Context(), trail), http.MethodGet, "https://reg.example/blob", nil)
		resp, err := (&Follow{Next: r}).RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		if got := trail.end(req.URL); got != nil {
			t.Errorf("%s (%v)\ngot  a way to %s\nwant none", name, err, got)
		}
	}
}
