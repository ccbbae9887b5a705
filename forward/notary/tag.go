package notary

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"hither/cache/digest"
	"hither/rules"
)

// Tag asks the origin what a tag means now (OCI distribution-spec, "Checking if content exists in the registry"). It asks
// with HEAD only, because registries count each GET of a manifest as a pull; the manifest is then fetched by its digest.
//
// Where a rule says from = "quorum", mirrors are asked in the origin's place while that does not answer: no connection,
// no answer in time, or 5xx. A refusal, a limit and a 404 are answers. It is set up once and then used from many goroutines.
type Tag struct {
	// Head sends a HEAD for the match to its origin, never to a mirror, with the media types the rule accepts. It returns
	// the header and status of whatever the origin answered, and an error only if it did not answer.
	Head func(ctx context.Context, m rules.Match) (http.Header, int, error)
	// Poll sends the same to one mirror. It obeys ctx. nil: mirrors are not polled.
	Poll func(ctx context.Context, m rules.Match, src rules.Source) (http.Header, int, error)
	// TrustOne are the names of rules in which the word of a single mirror will do, if no other contradicts it.
	TrustOne []string
	// Log is told, once for each answer, that mirrors named the bytes; nil: slog.Default.
	Log *slog.Logger

	told recent[string, struct{}] // names and digests that Log knows
}

// kept are the headers of the answer that the client should see. containerd believes a HEAD only if length and digest are
// both in it.
var kept = [...]string{"Docker-Content-Digest", "Content-Type", "Content-Length"}

// Attest returns the digest that the tag means now, and the path of the manifest by that digest. If it is not the origin
// who says so, Attestation.By tells.
func (t *Tag) Attest(ctx context.Context, m rules.Match) (Attestation, error) {
	repo, tag, ok := cutManifest(m.Clean)
	if !ok {
		return Attestation{}, fmt.Errorf("%w: %s is not the path of a manifest", ErrUnknown, m.Clean)
	}
	header, status, err := t.Head(ctx, m)
	silence := err
	if err == nil && status >= 500 {
		silence = fmt.Errorf("it answered %d", status)
	}
	if silence != nil && t.polls(m) && ctx.Err() == nil {
		return t.askMirrors(ctx, m, repo, silence)
	}
	if err != nil {
		return Attestation{}, fmt.Errorf("asking the registry what %s of %s means: %w", tag, repo, err)
	}
	if err := judge(status, header, m); err != nil {
		return Attestation{}, err
	}
	d, err := contentDigest(header)
	if err != nil {
		return Attestation{}, fmt.Errorf("%w: the registry's answer for %s: %v", ErrUnknown, m.Clean, err)
	}
	a := attestManifest(repo, d)
	for _, name := range kept {
		if v := header.Get(name); v != "" {
			a.Header[name] = v
		}
	}
	a.Header["Docker-Content-Digest"] = d.String()
	return a, nil
}

// attestManifest leads to the manifest by its digest.
func attestManifest(repo string, d digest.Digest) Attestation {
	return Attestation{Digest: d, Path: repo + "/manifests/" + d.String(), Header: map[string]string{"Docker-Content-Digest": d.String()}}
}

func (t *Tag) log() *slog.Logger {
	if t.Log == nil {
		return slog.Default()
	}
	return t.Log
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
func judge(status int, header http.Header, m rules.Match) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: the registry answered %d for %s", ErrGone, status, m.Clean)
	case http.StatusMethodNotAllowed:
		return fmt.Errorf("%w: the registry does not answer HEAD for %s", ErrUnknown, m.Clean)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: the registry answered %d for %s; if the image is private, log in with the client", ErrRefused, status, m.Clean)
	case http.StatusTooManyRequests:
		return &LimitError{m.Clean, header}
	}
	return fmt.Errorf("the registry answered %d for %s, which says nothing about the tag; try again later", status, m.Clean)
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
