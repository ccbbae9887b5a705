// Package oci knows how container engines go on from one request to a registry of images to the next: from a manifest to its
// layers.
//
//	w := oci.New("https://HOST") // a prefetch.Walk, one for each run of an engine
//	w.Answered(manifest, body, 0)
//	wants := w.Asked(layer) // those behind it
package oci

import (
	"crypto/sha256"
	"slices"
	"strings"

	"hither/cache/digest"
	"hither/forward/project"
	"hither/rules"
)

// whyLayer is the reason of all wants.
const whyLayer = "a layer of an image"

const (
	// maxManifests bounds the manifests a run keeps in mind. They are forgotten all at once when they are more.
	maxManifests = 2000
	// maxKept bounds their bytes, as they came: what is kept of a document takes about as much again.
	maxKept = 16 << 20
	// maxBlobs bounds the blobs that one manifest may name. Docker has never allowed more than 127 layers.
	maxBlobs = 1000
	// maxDocument bounds a manifest, in bytes: registries refuse larger ones (distribution-spec, "Pushing Manifests").
	maxDocument = 4 << 20
)

// Walk follows a container engine from a manifest to the layers.
//
// It takes care not to cost the user a pull that he did not make: Docker Hub counts each GET of a manifest. So it wants none,
// not that of a platform either: which one a client will take out of an index, or whether any, nobody knows before it asks,
// and it asks within 10 ms of the index, seldom 40 (skopeo, crane, regctl, dockerd), so that nothing would be faster. The same
// goes for the config. Layers it wants only once the client asked for one, and only those behind it: engines ask in order,
// and what they have already is in front.
//
// Its methods are called one at a time.
type Walk struct {
	registry  string
	manifests map[place]*manifest
	owners    map[place][]*manifest  // of layers
	asked     map[digest.Digest]bool // by the client: configs, layers
	kept      int                    // bytes of the documents in manifests
}

// place is where a thing is: the same may be in several repositories, of which the client asks one.
type place struct {
	repo   string
	digest digest.Digest
}

type manifest struct {
	repo   string
	layers []digest.Digest
	from   int // the layers from this one on were asked for, or are wanted
}

// New begins a run of a container engine at a registry, of which it is told the base URL.
func New(registry string) *Walk {
	w := &Walk{registry: strings.TrimSuffix(registry, "/")}
	w.forget()
	return w
}

// Metered says that what a pull asked for last time costs a pull.
func (*Walk) Metered() {}

func (w *Walk) forget() {
	w.manifests, w.owners = make(map[place]*manifest), make(map[place][]*manifest)
	w.asked = make(map[digest.Digest]bool)
	w.kept = 0
}

// Asked goes on from what the client has learnt already.
func (w *Walk) Asked(m rules.Match) []project.Want {
	repo, kind, ref, ok := cut(m.Clean)
	d, err := digest.Parse(ref)
	if !ok || kind != "blobs" || err != nil {
		return nil
	}
	w.note(d)
	var out []project.Want
	for _, owner := range w.owners[place{repo, d}] {
		out = append(out, w.layers(owner)...)
	}
	return out
}

// Project wants nothing: what images the client wants, it will say itself.
func (*Walk) Project(string, []string) []project.Want { return nil }

func (w *Walk) note(d digest.Digest) {
	if len(w.asked) > maxBlobs*10 {
		clear(w.asked)
	}
	w.asked[d] = true
}

// Reads wants what leads on: manifests.
func (w *Walk) Reads(m rules.Match) bool {
	_, kind, _, ok := cut(m.Clean)
	return ok && kind == "manifests"
}

// Answered learns the layers from a manifest, and wants them if the client was faster.
func (w *Walk) Answered(m rules.Match, body []byte, _ int) []project.Want {
	repo, kind, ref, ok := cut(m.Clean)
	if !ok || kind != "manifests" || len(body) > maxDocument {
		return nil
	}
	layers := readLayers(body)
	if len(layers) == 0 {
		return nil
	}
	sum := sha256.Sum256(body)
	d := digest.Of(digest.SHA256, sum[:])
	if named, err := digest.Parse(ref); err == nil {
		d = named // sha512, perhaps
	}
	if w.manifests[place{repo, d}] != nil {
		return nil
	}
	if len(w.manifests) >= maxManifests || w.kept+len(body) > maxKept {
		w.forget()
	}
	w.kept += len(body)
	man := &manifest{repo: repo}
	w.manifests[place{repo, d}] = man
	for _, l := range layers {
		if l.fetched() && !slices.Contains(man.layers, l.Digest) {
			man.layers = append(man.layers, l.Digest)
			at := place{repo, l.Digest}
			w.owners[at] = append(w.owners[at], man)
		}
	}
	man.from = len(man.layers)
	return w.layers(man)
}

// layers wants the layers of an image behind the first that was asked for, once, in the order in which engines ask. Which bytes
// they are is in their URLs, so there is no Digest: the client claims none either, and fetch merges only requests that claim
// the same.
func (w *Walk) layers(man *manifest) []project.Want {
	first := slices.IndexFunc(man.layers, func(d digest.Digest) bool { return w.asked[d] })
	if first < 0 || first >= man.from {
		return nil
	}
	var out []project.Want
	behind := man.layers[first+1 : man.from]
	man.from = first
	for _, d := range behind {
		if !w.asked[d] {
			out = append(out, project.Want{URL: w.registry + "/v2/" + man.repo + "/blobs/" + d.String(), Bulk: true, Why: whyLayer})
		}
	}
	return out
}

// cut splits /v2/REPO/manifests/REF and /v2/REPO/blobs/REF.
func cut(path string) (repo, kind, ref string, ok bool) {
	path, ok = strings.CutPrefix(path, "/v2/")
	rest, ref := path, ""
	if i := strings.LastIndexByte(path, '/'); ok && i > 0 {
		rest, ref = path[:i], path[i+1:]
	}
	i := strings.LastIndexByte(rest, '/')
	if i <= 0 || ref == "" {
		return "", "", "", false
	}
	repo, kind = rest[:i], rest[i+1:]
	return repo, kind, ref, kind == "manifests" || kind == "blobs"
}
