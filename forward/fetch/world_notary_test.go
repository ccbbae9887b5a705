package fetch_test

import (
	"context"
	"net/http"
	"time"

	"hither/cache/digest"
	"hither/forward/notary"
	"hither/rules"
)

// scribe is a notary with wires.
type scribe struct {
	digest digest.Digest
	by     func(rules.Match) digest.Digest // instead of digest; may be nil
	path   string
	header map[string]string
	err    error
	lag    time.Duration
	beside bool
	pins   bool
	head   func(context.Context, rules.Match) (http.Header, int, error) // it asks the origin first; may be nil
}

func (s *scribe) Attest(ctx context.Context, m rules.Match) (notary.Attestation, error) {
	if err := pause(ctx, s.lag); err != nil {
		return notary.Attestation{}, err
	}
	if s.head != nil {
		if _, _, err := s.head(ctx, m); err != nil {
			return notary.Attestation{}, err
		}
	}
	said := notary.Attestation{Digest: s.digest, Path: s.path, Header: s.header}
	if s.by != nil {
		said.Digest = s.by(m)
	}
	return said, s.err
}

// pause waits, if there is something to wait for: each timer is one more chance for golang/go#78156.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *scribe) Beside() bool { return s.beside }

func (s *scribe) Pins() bool { return s.pins }
