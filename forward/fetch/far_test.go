package fetch_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"
	"testing/synctest"
	"time"
)

// distant is a Transport that tells of the round trips to a world.
type distant struct{ *world }

func (d distant) RoundTrip(req *http.Request) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(req.Context())
	if trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	ctx, cancel := context.WithCancel(req.Context())
	resp, err := d.world.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	if trace != nil && trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	resp.Body = shutter{resp.Body, cancel}
	return resp, nil
}

// shutter is a body that ends when it is closed, as those of net/http do.
type shutter struct {
	io.Reader
	end func()
}

func (s shutter) Close() error {
	s.end()
	return nil
}

// farWorld is one whose hosts are so far away that all but the smallest bodies come in parts.
func farWorld(t *testing.T) *world {
	w := newWorld(t)
	w.parts, w.Transport = true, distant{w}
	for _, h := range w.hosts {
		h.lag = 100 * time.Millisecond
	}
	return w
}

func (w *world) bulk(body []byte) string {
	path := "/bulk/" + string(sum(body))
	w.put(path, body)
	return path
}

// Parts of one source must not make the next one wait longer than its whole body would.
func TestAFarSourceThatFallsSilentIsReplacedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := farWorld(t)
		path := w.bulk(noise(300 << 10))
		w.hosts["reg"].hang = 20 << 10
		w.board.rate = map[string]float64{"reg": 1e7, "near": 1e7, "far": 1e7}
		began := time.Now()
		t.Log(w.get(path))
		if took := time.Since(began); took > 7*time.Second {
			t.Errorf("got it after %v, want 7 s at most", took)
		}
	})
}

// However it ends, nothing may be thought to be under way afterwards: a connection would be avoided for ever.
func TestNothingIsOwedWhenAllHasEnded(t *testing.T) {
	for name, pull := range map[string]func(w *world, path string){
		"whole":    func(*world, string) {},
		"absent":   func(w *world, path string) { delete(w.hosts["reg"].files, path) },
		"refused":  func(w *world, _ string) { w.hosts["reg"].status = http.StatusForbidden },
		"dead":     func(w *world, _ string) { w.hosts["reg"].dead = true },
		"cut":      func(w *world, _ string) { w.hosts["reg"].cut = 70 << 10 },
		"silent":   func(w *world, _ string) { w.hosts["reg"].hang = 70 << 10 },
		"no range": func(w *world, _ string) { w.hosts["reg"].noRange, w.hosts["reg"].rate = true, 30_000 },
		"wrong":    func(w *world, _ string) { w.hosts["reg"].flip = 90 << 10 },
		"slow":     func(w *world, _ string) { w.hosts["reg"].rate = 30_000 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := farWorld(t)
				w.board.rate = map[string]float64{"reg": 1e7, "near": 1e7, "far": 1e7}
				path := w.bulk(noise(300 << 10))
				pull(w, path)
				t.Log(w.get(path))
				synctest.Wait()
				if load, owed := w.Owed(); load != 0 || owed != 0 {
					t.Errorf("%d bodies owe %d bytes, want none", load, owed)
				}
			})
		})
	}
}

// Of parts without a validator nobody could say that they belong together: all would be fetched once more.
func TestWhatHasNoValidatorAndNoDigestIsNotTakenApart(t *testing.T) {
	for _, etag := range []string{"", `"x"`} {
		synctest.Test(t, func(t *testing.T) {
			w := farWorld(t)
			w.hosts["reg"].etag, w.hosts["reg"].rate = etag, 30_000
			w.put("/module/m@v1", noise(80<<10))
			got := w.get("/module/m@v1")
			if calls := w.calls["reg"]; (calls > 1) != (etag != "") {
				t.Errorf("with Etag %q\ngot  %s and %d requests\nwant parts only with one", etag, got, calls)
			}
		})
	}
}
