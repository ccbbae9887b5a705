package notary

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
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

// NPM finds the digest of a tarball in what the origin says of its package: dist.integrity, or dist.shasum for what was
// published before 2017. The latter is weak, and returned all the same: it finds damage, it vouches for no mirror.
//
// Which version a tarball belongs to is what the origin says, not what the file name looks like: name and version both may hold
// hyphens, and old tarballs have odd names. It is set up once and then used from many goroutines.
type NPM struct {
	Fetch Fetch
	// Kept gets a document that the cache has, however old: what was published does not change, unless the rule says that tarballs
	// may. nil: nobody knows what it has.
	Kept func(ctx context.Context, m rules.Match) ([]byte, error)

	tables recent[[sha256.Size]byte, *tarballs] // by the packument's bytes, so that another packument is another entry
}

// Pins implements Pinner: clients that do not say which bytes they expect would wait for two answers, one after another.
func (n *NPM) Pins() bool { return true }

// Attest returns the digest of a tarball, /NAME/-/FILE.tgz or /@SCOPE/NAME/-/FILE.tgz. A packument has a hundred times the bytes
// of what it says of one version, so it is read where it is at hand, and else the origin is asked for the version that the file
// name seems to mean. If that is not the one, the packument tells; if the one at hand does not speak of the tarball, a fresh
// one is asked for, once: the version may be a minute old.
func (n *NPM) Attest(ctx context.Context, m rules.Match) (Attestation, error) {
	doc, ok := packument(m)
	if !ok {
		return Attestation{}, fmt.Errorf("%w: rule %s leads from %s to no packument", ErrUnknown, m.Rule.Name, m.Clean)
	}
	if m.Path.Keep == rules.Forever {
		if a, ok := n.atHand(ctx, doc, m.Clean); ok {
			return a, nil
		}
	}
	if a, ok := n.ofVersion(ctx, m); ok {
		return a, nil
	}
	a, err := n.ask(ctx, doc, m.Clean, false)
	if errors.Is(err, ErrUnknown) {
		a, err = n.ask(ctx, doc, m.Clean, true)
	}
	return a, err
}

// atHand looks the tarball up in what the cache has, by whichever name clients asked for it.
func (n *NPM) atHand(ctx context.Context, doc rules.Match, tarball string) (Attestation, bool) {
	if n.Kept == nil {
		return Attestation{}, false
	}
	variants := []rules.Match{doc}
	for _, v := range doc.Path.Variants {
		if v != doc.Variant {
			variants = append(variants, doc.WithVariant(v))
		}
	}
	for _, m := range variants {
		if data, err := n.Kept(ctx, m); err == nil {
			if a, err := n.parse(data).attest(m.Clean, tarball); err == nil {
				return a, true
			}
		}
	}
	return Attestation{}, false
}

// ofVersion asks for the document of the one version that the file name seems to mean. Whatever comes of that, the packument
// knows better.
func (n *NPM) ofVersion(ctx context.Context, m rules.Match) (Attestation, bool) {
	doc, ok := version(m)
	if !ok {
		return Attestation{}, false
	}
	data, err := n.Fetch(ctx, doc, false)
	if err != nil {
		return Attestation{}, false
	}
	one := &tarballs{}
	one.readOne(data)
	a, err := one.attest(doc.Clean, m.Clean)
	return a, err == nil
}

// version is the match of the document of one version, /NAME/VERSION, if the tarball has the usual name, NAME-VERSION.tgz.
func version(m rules.Match) (rules.Match, bool) {
	name, file, _ := strings.Cut(m.Clean, "/-/")
	base := name[strings.LastIndex(name, "/")+1:]
	id, ok := strings.CutPrefix(strings.TrimSuffix(file, ".tgz"), base+"-")
	if !ok || id == "" || id[0] < '0' || id[0] > '9' || strings.Contains(id, "/") {
		return rules.Match{}, false
	}
	doc, ok := m.Rule.Match(m.Host.Name, name+"/"+id)
	return doc, ok && doc.Path != m.Path && doc.Path.Keep != rules.Never
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
	return n.parse(data).attest(doc.Clean, tarball)
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
