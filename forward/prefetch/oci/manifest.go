package oci

import (
	"bytes"
	"encoding/json"
	"strings"

	"hither/cache/digest"
)

// descriptors are the first maxBlobs of a list: one of four megabytes may have a million, which take fifty times their bytes.
type descriptors []descriptor

func (l *descriptors) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if begin, err := d.Token(); err != nil || begin != json.Delim('[') {
		return err
	}
	for d.More() && len(*l) < maxBlobs {
		var one descriptor
		if err := d.Decode(&one); err != nil {
			return err
		}
		*l = append(*l, one)
	}
	return nil
}

// descriptor names a thing by its digest.
type descriptor struct {
	MediaType string
	Digest    digest.Digest
	URLs      []string
	Data      []byte // the thing itself, if it is small
}

// buildCache is what BuildKit puts in the place of an image's configuration (--cache-to type=registry).
const buildCache = "application/vnd.buildkit.cacheconfig.v0"

// readLayers reads the layers of a manifest, of OCI or of Docker: their fields have the same names (image-spec,
// "Compatibility Matrix"). An index has none. Descriptors whose digest is none are left without it. A build's cache is no image: the
// layers of all steps, sorted by their digests, of which a build takes those that it lacks.
func readLayers(body []byte) descriptors {
	var doc struct {
		Config struct{ MediaType string }
		Layers descriptors
	}
	if json.Unmarshal(body, &doc) != nil || doc.Config.MediaType == buildCache {
		return nil
	}
	for i := range doc.Layers {
		doc.Layers[i].clean()
	}
	return doc.Layers
}

func (d *descriptor) clean() {
	parsed, err := digest.Parse(string(d.Digest))
	if err != nil || !parsed.Pins() {
		parsed = ""
	}
	d.Digest = parsed
}

// fetched says that clients get it from the registry: not from elsewhere, as layers of Windows that may not be passed on,
// and not from the manifest itself.
func (d descriptor) fetched() bool {
	return d.Digest != "" && len(d.URLs) == 0 && len(d.Data) == 0 &&
		!strings.Contains(d.MediaType, "nondistributable") && !strings.Contains(d.MediaType, ".foreign.")
}
