package notary

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hither/rules"
)

func TestTag(t *testing.T) {
	sum := "sha256:" + strings.Repeat("ab", 32)
	other := "sha256:" + strings.Repeat("cd", 32)
	index := "application/vnd.oci.image.index.v1+json"
	plain := errors.New("not a sentinel")
	for _, c := range []struct {
		name   string
		status int
		header http.Header
		want   error
	}{
		{"a digest is the answer", 200, http.Header{"Docker-Content-Digest": {sum}, "Content-Type": {index}, "Content-Length": {"42"}}, nil},
		{"one digest said twice is one digest", 200, http.Header{"Docker-Content-Digest": {sum, sum}, "Content-Type": {index}, "Content-Length": {"42"}}, nil},
		{"two digests are none", 200, http.Header{"Docker-Content-Digest": {sum, other}}, ErrUnknown},
		{"no digest is none", 200, http.Header{"Content-Type": {index}}, ErrUnknown},
		{"a short digest is none", 200, http.Header{"Docker-Content-Digest": {"sha256:abab"}}, ErrUnknown},
		{"a weak digest is none", 200, http.Header{"Docker-Content-Digest": {"sha1:" + sha1A}}, ErrUnknown},
		{"a digest in capitals is none", 200, http.Header{"Docker-Content-Digest": {"sha256:" + strings.Repeat("AB", 32)}}, ErrUnknown},
		{"a page has no digest", 200, http.Header{"Content-Type": {"text/html"}}, ErrUnknown},
		{"a tag that is not there is gone", 404, nil, ErrGone},
		{"a tag that is no more is gone", 410, nil, ErrGone},
		{"a registry without HEAD does not tell", 405, nil, ErrUnknown},
		{"a refusal says nothing about the tag", 401, http.Header{"Docker-Content-Digest": {sum}}, ErrRefused},
		{"a ban says nothing about the tag", 403, nil, ErrRefused},
		{"a limit says nothing about the tag", 429, nil, &LimitError{}},
		{"a failure says nothing about the tag", 503, nil, plain},
		{"a redirect nobody followed says nothing", 307, http.Header{"Docker-Content-Digest": {sum}}, plain},
		{"silence says nothing about the tag", 0, nil, plain},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := &Tag{Head: func(context.Context, rules.Match) (http.Header, int, error) {
				if c.status == 0 {
					return nil, 0, errors.New("no route to host")
				}
				return c.header, c.status, nil
			}}
			got, err := n.Attest(t.Context(), rules.Match{Clean: "/v2/library/manifests/app/manifests/3.20"})
			if kind(err) != kind(c.want) {
				t.Fatalf("error\ngot  %v\nwant %v", err, c.want)
			}
			if err != nil {
				return
			}
			want := "{" + sum + "  /v2/library/manifests/app/manifests/" + sum + " map[Content-Length:42 Content-Type:" + index + " Docker-Content-Digest:" + sum + "]}"
			if fmt.Sprint(got) != want {
				t.Errorf("answer\ngot  %v\nwant %s", got, want)
			}
		})
	}
}

// kind is the sentinel an error wraps.
func kind(err error) string {
	switch {
	case err == nil:
		return "none"
	case errors.Is(err, ErrUnknown) && !errors.Is(err, ErrGone):
		return "unknown"
	case errors.Is(err, ErrGone) && !errors.Is(err, ErrUnknown):
		return "gone"
	case errors.Is(err, ErrRefused):
		return "refused"
	case errors.As(err, new(*LimitError)):
		return "limited"
	}
	return "other"
}

func TestOnlyManifestsHaveTags(t *testing.T) {
	n := &Tag{Head: func(context.Context, rules.Match) (http.Header, int, error) {
		t.Error("the registry was asked")
		return nil, 200, nil
	}}
	for _, path := range []string{"", "/", "/manifests/x", "/v2/app/manifests/", "/v2/app/manifests/a/b", "/v2/app/blobs/x"} {
		if _, err := n.Attest(t.Context(), rules.Match{Clean: path}); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q\ngot  %v\nwant %v", path, err, ErrUnknown)
		}
	}
}
