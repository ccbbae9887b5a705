package forward_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"hither/forward/fetch"
)

// TestAReadyAnswerIsTheSameInHTTP2 compares what lies ready with what fetch gave, field by field.
func TestAReadyAnswerIsTheSameInHTTP2(t *testing.T) {
	var seen again
	w := newWorld(t, seen.watch)
	w.setFetch(content("some text", func(a *fetch.Answer) {
		a.ETag = `"sha256:00"`
		a.Header.Set("Link", "<x>; rel=y")
		a.Report.Age, a.Report.Digest = time.Hour, "sha256:00"
	}))
	client := w.client(true)
	get := func(method string, header ...string) string {
		t.Helper()
		req, _ := http.NewRequest(method, "https://"+host+"/forever/a", nil)
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Add(header[i], header[i+1])
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.ProtoMajor != 2 || len(res.Header.Values("Date")) != 1 {
			t.Fatalf("%v, HTTP/%d, Date %v", err, res.ProtoMajor, res.Header.Values("Date"))
		}
		res.Header.Del("Date")
		var head strings.Builder
		_ = res.Header.Write(&head)
		return res.Status + "\r\n" + head.String() + "\r\n" + string(body)
	}
	ready := func() int { n, _ := seen.counts(); return n }
	slow := get(http.MethodGet)
	same := get(http.MethodGet)
	if slow != same || !strings.Contains(slow, "Age: 3600") {
		t.Errorf("got:  %q\nwant: %q", same, slow)
	}
	until(t, func() bool { return ready() == 1 }, "it lay ready")
	for _, other := range [][]string{{"Range", "bytes=0-1"}, {"If-None-Match", `"sha256:00"`}, {"Authorization", "Bearer x"}, {"Cache-Control", "no-cache"}, {"Accept", "a/b", "Accept", "c/d"}} {
		get(http.MethodGet, other...)
	}
	get(http.MethodHead)
	if got := ready(); got != 1 {
		t.Errorf("unusual requests were answered %d times from what lies ready, want never", got-1)
	}
}
