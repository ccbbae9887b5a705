package redirect

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Trail remembers where redirects led, so that the other parts of the same body are asked for there at once: a registry
// that sends each range of a blob to its storage by a redirect would cost a round trip for each. It is for one body only,
// since such targets live for minutes. The zero Trail is empty; it may be used from many goroutines.
type Trail struct {
	mu sync.Mutex
	to map[string]*url.URL
}

type trailKey struct{}

// Along marks a request that may go where an earlier one with the same URL and Trail was redirected to. If that fails, it
// goes the whole way again. Only [Follow] knows of it.
func Along(ctx context.Context, t *Trail) context.Context {
	return context.WithValue(ctx, trailKey{}, t)
}

func trailOf(ctx context.Context) *Trail {
	t, _ := ctx.Value(trailKey{}).(*Trail)
	return t
}

func (t *Trail) end(from *url.URL) *url.URL {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.to[from.String()]
}

// note remembers where a way leads, or may lead; to is nil if it led nowhere.
func (t *Trail) note(from, to *url.URL) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if to == nil || to == from {
		delete(t.to, from.String())
		return
	}
	if t.to == nil {
		t.to = make(map[string]*url.URL)
	}
	t.to[from.String()] = to
}

// shortcut asks where the last one was led to. nil: there is no such place, or it does not answer as it did.
func (f *Follow) shortcut(req *http.Request) (*http.Response, error) {
	t := trailOf(req.Context())
	to := t.end(req.URL)
	if to == nil {
		return nil, nil
	}
	next, began := hop(req, req.URL, to), time.Now()
	resp, err := f.Next.RoundTrip(next)
	if err == nil && (isPart(resp.StatusCode) || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable) {
		resp.Request = next
		return resp, nil
	}
	ended := req.Context().Err()
	if err != nil && calledBack(req.Context(), began) {
		return nil, ended
	}
	if err == nil {
		Discard(resp)
	}
	t.note(req.URL, nil)
	return nil, ended
}

// mute is after how long without an answer a place is thought to be dead. It is less than whoever waits for one has patience,
// so that the next request asks the registry for another place.
const mute = 2 * time.Second

// calledBack says that a request ended because nobody wanted it any more, so soon that this tells nothing of the place.
func calledBack(ctx context.Context, began time.Time) bool {
	return ctx.Err() != nil && time.Since(began) < mute
}

// isPart says that an answer brings bytes.
func isPart(status int) bool { return status == http.StatusOK || status == http.StatusPartialContent }
