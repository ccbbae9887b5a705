package notary

import "encoding/json"

// The kinds of OCI (image-spec, media-types.md).
const (
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
)

// Kind is the media type that a manifest or an index says it has. Only those of OCI may leave that out (image-spec, manifest.md,
// "mediaType"); of them it is what they hold that tells. Empty: nothing does.
func Kind(document []byte) string {
	var d struct {
		MediaType                 string
		Manifests, Config, Layers json.RawMessage
	}
	if json.Unmarshal(document, &d) != nil {
		return ""
	}
	switch index, manifest := d.Manifests != nil, d.Config != nil || d.Layers != nil; {
	case d.MediaType != "":
		return d.MediaType
	case index && !manifest:
		return ociIndex
	case manifest && !index:
		return ociManifest
	}
	return ""
}
