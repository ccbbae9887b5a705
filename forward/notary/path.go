package notary

import (
	"context"
	"fmt"

	"hither/cache/digest"
	"hither/rules"
)

// Path reads the digest that the URL itself names: /v2/REPO/blobs/sha256:… and the like (OCI distribution-spec, "Pulling
// blobs"). The pattern calls it {digest}. Nobody is asked, so nothing can be out of reach.
type Path struct{}

// Attest returns the digest in the path. One that is malformed, or that does not pin the bytes, is ErrUnknown: what the
// registry makes of it is the registry's business.
func (Path) Attest(_ context.Context, m rules.Match) (Attestation, error) {
	d, err := digest.Parse(m.Vars["digest"])
	if err != nil {
		return Attestation{}, fmt.Errorf("%w: %s: %v", ErrUnknown, m.Clean, err)
	}
	if !d.Pins() {
		return Attestation{}, fmt.Errorf("%w: %s: %s is too weak to vouch for a mirror", ErrUnknown, m.Clean, d.Algorithm())
	}
	return Attestation{Digest: d}, nil
}
