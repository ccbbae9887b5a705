package notary

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"hither/cache/digest"
	"hither/rules"
)

// Tag asks the origin what a tag means now (OCI distribution-spec, "Checking if content exists in the registry"). It asks
// with HEAD only, because registries count each GET of a manifest as a pull; the manifest is then fetched by its digest.
type Tag struct {
	// Head sends a HEAD for the match to its origin, never to a mirror, with the media types the rule accepts. It returns
	// the header and status of whatever the origin answered, and an error only if it did not answer.
	Head func(ctx context.Context, m rules.Match) (http.Header, int, error)
}

// kept are the headers of the answer that the client should see. containerd believes a HEAD only if length and digest are
// both in it.
var kept = [...]string{"Docker-Content-Digest", "Content-Type", "Content-Length"}

// Attest returns the digest that the tag means now, and the path of the manifest by that digest.
func (t Tag) Attest(ctx context.Context, m rules.Match) (Attestation, error) {
	repo, tag, ok := cutManifest(m.Clean)
	if !ok {
		return Attestation{}, fmt.Errorf("%w: %s is not the path of a manifest", ErrUnknown, m.Clean)
	}
	header, status, err := t.Head(ctx, m)
	if err != nil {
		return Attestation{}, fmt.Errorf("asking the registry what %s of %s means: %w", tag, repo, err)
	}
	if err := judge(status, m); err != nil {
		return Attestation{}, err
	}
	d, err := contentDigest(header)
	if err != nil {
		return Attestation{}, fmt.Errorf("%w: the registry's answer for %s: %v", ErrUnknown, m.Clean, err)
	}
	a := Attestation{Digest: d, Path: repo + "/manifests/" + d.String(), Header: map[string]string{}}
	for _, name := range kept {
		if v := header.Get(name); v != "" {
			a.Header[name] = v
		}
	}
	a.Header["Docker-Content-Digest"] = d.String()
	return a, nil
}

// cutManifest splits /v2/REPO/manifests/TAG in front of and behind /manifests/.
func cutManifest(path string) (repo, tag string, ok bool) {
	i := strings.LastIndex(path, "/manifests/")
	if i <= 0 {
		return "", "", false
	}
	tag = path[i+len("/manifests/"):]
	return path[:i], tag, tag != "" && !strings.Contains(tag, "/")
}

// judge turns a status into an error; nil for 200.
func judge(status int, m rules.Match) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: the registry answered %d for %s", ErrGone, status, m.Clean)
	case http.StatusMethodNotAllowed:
		return fmt.Errorf("%w: the registry does not answer HEAD for %s", ErrUnknown, m.Clean)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("the registry answered %d for %s; if the image is private, log in with the client", status, m.Clean)
	case http.StatusTooManyRequests:
		return fmt.Errorf("the registry answered 429 for %s: its limit is reached; wait, or log in with the client", m.Clean)
	}
	return fmt.Errorf("the registry answered %d for %s; try again later", status, m.Clean)
}

// contentDigest reads the one Docker-Content-Digest of an answer. Registries write it in lower case; another spelling, or two
// that differ, come from something that is no registry.
func contentDigest(h http.Header) (digest.Digest, error) {
	values := slices.Compact(slices.Clone(h.Values("Docker-Content-Digest")))
	if len(values) != 1 {
		return "", fmt.Errorf("it has %d different Docker-Content-Digest headers", len(values))
	}
	d, err := digest.Parse(values[0])
	if err != nil {
		return "", err
	}
	if !d.Pins() || d.String() != values[0] {
		return "", fmt.Errorf("%q is not the digest of a manifest", values[0])
	}
	return d, nil
}
