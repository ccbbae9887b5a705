package forward_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"hither/forward"
	"hither/rules"
)

// RFC 9111, section 4.4: what a client has changed is not answered from what was kept before.
func TestAChangeIsTold(t *testing.T) {
	var mu sync.Mutex
	var changed []string
	w := newWorld(t, func(s *forward.Server) {
		s.Changed = func(_ context.Context, m rules.Match) {
			mu.Lock()
			defer mu.Unlock()
			changed = append(changed, m.Name)
		}
	})
	w.setOrigin(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/refused") {
			rw.WriteHeader(http.StatusForbidden)
		}
	})
	for _, c := range []struct{ method, path, want string }{
		{"PUT", "/minute/a", "[reg/" + host + "/minute/a]"},
		{"DELETE", "/minute/a", "[reg/" + host + "/minute/a]"},
		{"PUT", "/minute/a/tag/b", "[reg/" + host + "/minute/a]"},
		{"GET", "/minute/a/tag/b", "[]"},
		{"PUT", "/minute/a/tag/refused", "[]"},
		{"PUT", "/minute/refused", "[]"},
		{"OPTIONS", "/minute/a", "[]"},
		{"GET", "/minute/a", "[]"},
		{"PUT", "/never/a", "[]"},
		{"PUT", "/never/a/uploads/1", "[reg/" + host + "/never/a/uploads/1]"}, // what else is of a may be another thing now
		{"PUT", "/never/refused/uploads/refused", "[]"},
		{"GET", "/never/a/uploads/1", "[]"},
	} {
		changed = nil
		do(t, w.client(false), c.method, "https://"+host+c.path, "")
		mu.Lock()
		got := fmt.Sprint(changed)
		mu.Unlock()
		if got != c.want {
			t.Errorf("%s %s\ngot:  %s\nwant: %s", c.method, c.path, got, c.want)
		}
	}
}
