package prefetch

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"hither/forward/fetch"
	"hither/rules"
)

// What a HEAD was answered is not fetched to be read: a registry counts that as a pull, which the client did not make.
func TestNothingIsFetchedBecauseOfAHead(t *testing.T) {
	inWorld(t, func(w *world) { w.Walks = map[string]func(string) Walk{"oci": asOCI} }, func(w *world) {
		w.client(1).head("/v2/library/x/manifests/latest")
		time.Sleep(time.Second)
		same(t, "requests to the registry", fmt.Sprint(w.sent()), "[]")
	})
}

// What lies there of a tag is not what a HEAD was answered, if it is too old to be: nothing is fetched because of it.
func TestAnOldCopyIsNotWhatAHeadWasAnswered(t *testing.T) {
	const image = `{"schemaVersion":2,"config":{"digest":"sha256:0000000000000000000000000000000000000000000000000000000000000001","size":1},"layers":[]}`
	inWorld(t, func(w *world) {
		w.Walks = map[string]func(string) Walk{"oci": asOCI}
		w.Fetch = func(ctx context.Context, req fetch.Request) (*fetch.Answer, error) {
			if req.KeptOnly {
				report := fetch.Report{State: fetch.Stale, Bytes: int64(len(image))}
				return &fetch.Answer{Status: 200, Size: report.Bytes, Body: content{bytes.NewReader([]byte(image))}, Report: report}, nil
			}
			return w.fetch(ctx, req)
		}
	}, func(w *world) {
		w.client(1).head("/v2/library/x/manifests/latest")
		time.Sleep(time.Second)
		same(t, "requests to the registry", fmt.Sprint(w.sent()), "[]")
	})
}

// head asks Docker Hub what a tag means, as engines do.
func (g *gopher) head(path string) {
	u := &url.URL{Scheme: "https", Host: "registry-1.docker.io", Path: path}
	m, ok := g.w.set.Match(u.Host, rules.Query{URL: u})
	if !ok {
		g.w.t.Fatalf("%s is in no rule", u)
	}
	req := fetch.Request{Match: m, Client: g.of, Head: true}
	g.w.Asked(req)
	g.w.Answered(req, fetch.Report{State: fetch.Miss})
}
