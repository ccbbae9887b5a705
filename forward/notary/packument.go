package notary

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"

	"hither/cache/digest"
)

// tarballs is what a packument says about bytes.
type tarballs struct {
	once sync.Once
	rows map[string]digest.Digest // by decoded URL path; zero if two versions claim the path for different bytes
	err  error                    // why the packument could not be read
}

// attest is what the document doc says of the tarball at an escaped path.
func (t *tarballs) attest(doc, tarball string) (Attestation, error) {
	if t.err != nil {
		return Attestation{}, fmt.Errorf("%w: the document %s cannot be read: %v", ErrUnknown, doc, t.err)
	}
	path, err := url.PathUnescape(tarball)
	if err != nil {
		return Attestation{}, fmt.Errorf("%w: %s: %v", ErrUnknown, tarball, err)
	}
	d := t.find(path)
	if d == "" {
		return Attestation{}, fmt.Errorf("%w: the document %s names no digest for %s", ErrUnknown, doc, tarball)
	}
	return Attestation{Digest: d}, nil
}

// find returns the digest of the tarball at path; zero if there is none, or more than one. A registry may live below a path
// of its host, then its tarball URLs have that in front.
func (t *tarballs) find(path string) digest.Digest {
	if d, ok := t.rows[path]; ok {
		return d
	}
	found := digest.Digest("")
	for p, d := range t.rows {
		if !strings.HasSuffix(p, path) {
			continue
		}
		if d == "" || found != "" && found != d {
			return ""
		}
		found = d
	}
	return found
}

// read walks a packument and keeps versions.*.dist. Full packuments reach 100 MB, nearly all of it about other things; no
// more than one member of a version is decoded at a time. Keys are compared as they are: encoding/json alone would take
// a publisher's "Dist" for the registry's "dist".
func (t *tarballs) read(data []byte) {
	in := json.NewDecoder(bytes.NewReader(data))
	in.UseNumber() // a number that fits no float64 is somebody's package.json, and no reason to fail
	t.err = eachMember(in, func(key string) error {
		if key != "versions" {
			return skip(in)
		}
		t.rows = make(map[string]digest.Digest) // of two, the last counts, as in JavaScript
		return eachMember(in, func(string) error { return t.readVersion(in) })
	})
	t.ended(in)
}

// readOne reads the document of one version.
func (t *tarballs) readOne(data []byte) {
	in := json.NewDecoder(bytes.NewReader(data))
	in.UseNumber()
	t.rows = make(map[string]digest.Digest)
	t.err = t.readVersion(in)
	t.ended(in)
}

// ended sees to it that nothing counts of what is not whole.
func (t *tarballs) ended(in *json.Decoder) {
	if t.err == nil {
		t.err = end(in)
	}
	if t.err != nil {
		t.rows = nil
	}
}

func (t *tarballs) readVersion(in *json.Decoder) error {
	var dist dist
	err := eachMember(in, func(key string) error {
		if key != "dist" {
			return skip(in)
		}
		return dist.read(in)
	})
	if err != nil {
		return err
	}
	t.add(dist)
	return nil
}

// add keeps a version's digest. A version without a usable URL or digest is left out: nobody vouches for it.
func (t *tarballs) add(v dist) {
	d := v.digest()
	u, err := url.Parse(v.tarball)
	if err != nil || u.Path == "" || d == "" {
		return
	}
	if was, ok := t.rows[u.Path]; ok && was != d {
		d = ""
	}
	t.rows[u.Path] = d
}

// dist is the registry's word on one version.
type dist struct{ tarball, integrity, shasum string }

func (d *dist) read(in *json.Decoder) error {
	*d = dist{}
	return eachMember(in, func(key string) error {
		switch key {
		case "tarball":
			return readText(in, &d.tarball)
		case "integrity":
			return readText(in, &d.integrity)
		case "shasum":
			return readText(in, &d.shasum)
		}
		return skip(in)
	})
}

// digest is the strongest digest the registry gave; zero if it gave none.
func (d dist) digest() digest.Digest {
	if sum, err := digest.ParseSRI(d.integrity); err == nil {
		return sum
	}
	if sum, err := digest.Parse("sha1:" + d.shasum); err == nil {
		return sum
	}
	return ""
}

// eachMember reads one object and calls do behind each key, which must read the value. Any other value is passed over:
// it has no members.
func eachMember(in *json.Decoder, do func(key string) error) error {
	start, err := in.Token()
	if err != nil {
		return unexpected(err)
	}
	if start == json.Delim('[') {
		return fmt.Errorf("an array where an object is due, at byte %d", in.InputOffset())
	}
	if start != json.Delim('{') {
		return nil
	}
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return unexpected(err)
		}
		if err := do(key.(string)); err != nil {
			return err
		}
	}
	_, err = in.Token()
	return unexpected(err)
}

// nothing takes a value of any kind and keeps none of it.
type nothing struct{}

func (*nothing) UnmarshalJSON([]byte) error { return nil }

func skip(in *json.Decoder) error { return unexpected(in.Decode(&nothing{})) }

// readText reads a string. A value of another kind is none, as for npm.
func readText(in *json.Decoder, into *string) error {
	*into = ""
	err := in.Decode(into)
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return nil
	}
	return unexpected(err)
}

// end fails if anything follows the document.
func end(in *json.Decoder) error {
	switch _, err := in.Token(); err {
	case io.EOF:
		return nil
	case nil:
		return fmt.Errorf("something follows the document, at byte %d", in.InputOffset())
	default:
		return err
	}
}

// unexpected says of an end within a document that it is one.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
