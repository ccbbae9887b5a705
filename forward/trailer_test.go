package forward_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestTheTrailersOfAnUploadReachTheOrigin(t *testing.T) {
	w := newWorld(t)
	w.setOrigin(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprint(rw, string(body), "|", r.Trailer.Get("X-Sum"), "|", err)
	})
	for _, c := range []struct {
		url string
		h2  bool
	}{{"http://" + alien + "/a", false}, {"https://" + host + "/never/a", false}, {"https://" + host + "/never/a", true}} {
		req, _ := http.NewRequest(http.MethodPut, c.url, io.MultiReader(strings.NewReader("body")))
		req.Trailer = http.Header{"X-Sum": {"42"}}
		res, err := w.client(c.h2).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got, want := string(body), "body|42|<nil>"; got != want {
			t.Errorf("%s, HTTP/2 %v\ngot:  %s\nwant: %s", c.url, c.h2, got, want)
		}
	}
}
