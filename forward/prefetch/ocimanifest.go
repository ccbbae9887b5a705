package prefetch

import (
	"bytes"
	"encoding/json"
	"strings"

	"hither/cache/digest"
)

// emptyType is the config of an artifact that has none: two bytes, which no client asks for (image-spec, "Guidance for an
// Empty Descriptor").
const emptyType = "application/vnd.oci.empty.v1+json"

// ociDoc is an index or a manifest, of OCI or of Docker: their fields have the same names (image-spec, "Compatibility Matrix").
type ociDoc struct {
	Manifests descriptors // of an index
	Config    descriptor  // of a manifest, as the next
	Layers    descriptors
}

// descriptors are the first ociBlobs of a list: one of four megabytes may have a million, which take fifty times their bytes.
type descriptors []descriptor

func (l *descriptors) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if begin, err := d.Token(); err != nil || begin != json.Delim('[') {
		return err
	}
	for d.More() && len(*l) < ociBlobs {
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
	Platform  platform
}

// readManifest reads an index or a manifest. Descriptors whose digest is none are left without it.
func readManifest(body []byte) (*ociDoc, bool) {
	var doc ociDoc
	if json.Unmarshal(body, &doc) != nil {
		return nil, false
	}
	doc.Config.clean()
	for i := range doc.Layers {
		doc.Layers[i].clean()
	}
	for i := range doc.Manifests {
		doc.Manifests[i].clean()
	}
	return &doc, len(doc.Manifests) > 0 || len(doc.Layers) > 0 || doc.Config.Digest != ""
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
