package notary

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"hither/rules"
)

const (
	// abbreviated is the packument without readme and scripts: a tenth of the bytes, with all that is needed here
	// (npm/registry docs/responses/package-metadata.md).
	abbreviated = "application/vnd.npm.install-v1+json"
	// maxRows bounds the parsed packuments kept in memory, in tarballs: about 300 bytes each, so some 20 MB.
	maxRows = 64 << 10
)

// NPM finds the digest of a tarball in the packument of the origin: dist.integrity, or dist.shasum for what was published
// before 2017. The latter is weak, and returned all the same: it finds damage, it vouches for no mirror.
//
// Which version a tarball belongs to is what the packument says, not what the file name looks like: name and version both
// may hold hyphens, and old tarballs have odd names. It is set up once and then used from many goroutines.
type NPM struct {
	Fetch Fetch

	tables recent[[sha256.Size]byte, *tarballs] // by the packument's bytes, so that another packument is another entry
}

// Attest returns the digest of a tarball, /NAME/-/FILE.tgz or /@SCOPE/NAME/-/FILE.tgz. If the packument at hand does not
// speak of it, the origin is asked for a fresh one, once: the version may be a minute old.
func (n *NPM) Attest(ctx context.Context, m rules.Match) (Attestation, error) {
	doc, ok := packument(m)
	if !ok {
		return Attestation{}, fmt.Errorf("%w: rule %s leads from %s to no packument", ErrUnknown, m.Rule.Name, m.Clean)
	}
	a, err := n.ask(ctx, doc, m.Clean, false)
	if errors.Is(err, ErrUnknown) {
		a, err = n.ask(ctx, doc, m.Clean, true)
	}
	return a, err
}

// packument is the match of the document that lists the tarball.
func packument(m rules.Match) (rules.Match, bool) {
	// The last, because there is a package whose name is a hyphen.
	i := strings.LastIndex(m.Clean, "/-/")
	if i <= 0 {
		return rules.Match{}, false
	}
	doc, ok := m.Rule.Match(m.Host.Name, m.Clean[:i])
	if !ok || doc.Path == m.Path {
		return rules.Match{}, false
	}
	if slices.Contains(doc.Path.Variants, abbreviated) {
		doc = doc.WithVariant(abbreviated)
	}
	return doc, true
}

// ask looks the tarball up in one packument. A packument that is gone or cannot be read says nothing, like one without
// the tarball.
func (n *NPM) ask(ctx context.Context, doc rules.Match, tarball string, fresh bool) (Attestation, error) {
	data, err := n.Fetch(ctx, doc, fresh)
	if errors.Is(err, ErrGone) {
		return Attestation{}, fmt.Errorf("%w: the registry has no packument %s", ErrUnknown, doc.Clean)
	}
	if err != nil {
		return Attestation{}, fmt.Errorf("asking the registry for the digest of %s: %w", tarball, err)
	}
	list := n.parse(data)
	if list.err != nil {
		return Attestation{}, fmt.Errorf("%w: the packument %s cannot be read: %v", ErrUnknown, doc.Clean, list.err)
	}
	path, err := url.PathUnescape(tarball)
	if err != nil {
		return Attestation{}, fmt.Errorf("%w: %s: %v", ErrUnknown, tarball, err)
	}
	d := list.find(path)
	if d == "" {
		return Attestation{}, fmt.Errorf("%w: the packument %s names no digest for %s", ErrUnknown, doc.Clean, tarball)
	}
	return Attestation{Digest: d}, nil
}

// parse reads a packument once, however many of its tarballs are asked for, also at the same time.
func (n *NPM) parse(data []byte) *tarballs {
	key := sha256.Sum256(data)
	list := n.tables.getOrPut(key, &tarballs{}, 1, maxRows)
	list.once.Do(func() {
		list.read(data)
		n.tables.put(key, list, 1+len(list.rows), maxRows)
	})
	return list
}
