package h2

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

type key struct{}

func TestWhatLiesReadyNeedsNoHandler(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789"), 100000)
	var seen []string
	var mu sync.Mutex
	s := hello()
	s.BaseContext = func(net.Listener) context.Context { return context.WithValue(context.Background(), key{}, "base") }
	s.Ready = func(h *Head) (*Reply, bool) {
		mu.Lock()
		seen = append(seen, fmt.Sprint(h.Method, " ", h.Scheme, " ", h.Authority != "", " ", h.Path, " ", h.Get("accept"), " ", h.Context.Value(key{})))
		mu.Unlock()
		body := []byte("ready")
		if h.Path == "/large" {
			body = large
		}
		block := AppendHeader(AppendStatus(nil, 200), http.Header{"Content-Type": {"a/b"}, "X-Kept": {"1"}, "Connection": {"no"},
			"Content-Length": {fmt.Sprint(len(body))}})
		return &Reply{Block: block, More: AppendField(nil, "Age", "7"), Body: body}, strings.HasPrefix(h.Path, "/ready") || h.Path == "/large"
	}
	w := newWorld(t, s)
	for _, row := range []struct{ method, path, body, want string }{
		{"GET", "/ready?x=1", "", `200 Age=["7"] Content-Length=["5"] Content-Type=["a/b"] X-Kept=["1"] 5 ready`},
		{"HEAD", "/ready", "", `200 Age=["7"] Content-Length=["5"] Content-Type=["a/b"] X-Kept=["1"] 0 `},
		{"GET", "/large", "", `200 Age=["7"] Content-Length=["1000000"] Content-Type=["a/b"] X-Kept=["1"] 1000000 01234567`},
		{"GET", "/other", "", `200 Content-Length=["5"] Content-Type=["text/plain; charset=utf-8"] 5 hello`},
		{"POST", "/ready", "with a body", `200 Content-Length=["5"] Content-Type=["text/plain; charset=utf-8"] 5 hello`},
	} {
		r, _ := http.NewRequest(row.method, w.url+row.path, strings.NewReader(row.body))
		if row.body == "" {
			r.Body = http.NoBody
		}
		r.Header.Set("Accept", "x/y")
		answer, err := w.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if answer.Header.Get("Date") == "" || err != nil {
			t.Errorf("%s %s\ngot  no Date, or %v\nwant a sound answer", row.method, row.path, err)
		}
		answer.Header.Del("Date")
		if got := fmt.Sprint(answer.StatusCode, " ", flat(answer.Header), " ", len(body), " ", string(body[:min(len(body), 8)])); got != row.want {
			t.Errorf("%s %s\ngot  %s\nwant %s", row.method, row.path, got, row.want)
		}
	}
	if want := "GET https true /ready?x=1 x/y base"; seen[0] != want || len(seen) != 4 {
		t.Errorf("Ready saw\ngot  %q\nwant %q, and three more", seen, want)
	}
}

// TestManyAtOnce mixes everything on few connections, for the race detector.
func TestManyAtOnce(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789"), 60000)
	s := server(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			io.Copy(w, r.Body)
		case "/large":
			w.Write(large)
		default:
			io.WriteString(w, r.URL.Path)
		}
	})
	s.Ready = func(h *Head) (*Reply, bool) {
		return &Reply{Block: AppendStatus(nil, 200), Body: large[:1000]}, h.Path == "/ready"
	}
	w := newWorld(t, s)
	if answer, err := w.client.Get(w.url); err == nil { // else each request would dial
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			path, body, want := "/small", "", "/small"
			switch i % 5 {
			case 1:
				path, body, want = "/echo", string(large[:i*1000]), string(large[:i*1000])
			case 2:
				path, want = "/large", string(large)
			case 3:
				path, want = "/ready", string(large[:1000])
			case 4:
				ctx, cancel := context.WithCancel(context.Background())
				r, _ := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/large", nil)
				if answer, err := w.client.Do(r); err == nil {
					io.CopyN(io.Discard, answer.Body, 1000)
					cancel()
					answer.Body.Close()
				}
				cancel()
				return
			}
			r, _ := http.NewRequest(http.MethodPost, w.url+path, strings.NewReader(body))
			if body == "" {
				r, _ = http.NewRequest(http.MethodGet, w.url+path, nil)
			}
			answer, err := w.client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			got, err := io.ReadAll(answer.Body)
			if string(got) != want || err != nil {
				t.Errorf("%s\ngot  %d bytes, %v\nwant %d", path, len(got), err, len(want))
			}
		})
	}
	all.Wait()
}
