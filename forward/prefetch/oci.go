package prefetch

import (
	"crypto/sha256"
	"slices"
	"strings"

	"hither/cache/digest"
	"hither/forward/project"
	"hither/rules"
)

// The reasons of the OCI walk.
const (
	whyManifest = "the manifest of the platform"
	whyConfig   = "the config of an image"
	whyLayer    = "a layer of an image"
)

const (
	// ociManifests bounds the manifests and indexes a run keeps in mind. They are forgotten all at once when they are more.
	ociManifests = 2000
	// ociKept bounds their bytes, as they came: what is kept of a document takes about as much again.
	ociKept = 16 << 20
	// ociBlobs bounds the blobs that one manifest may name. Docker has never allowed more than 127 layers.
	ociBlobs = 1000
	// ociDocument bounds a manifest, in bytes: registries refuse larger ones (distribution-spec, "Pushing Manifests").
	ociDocument = 4 << 20
)

// ociWalk follows a container engine from a tag to the layers: index, the manifest of its platform, the config, the layers.
//
// It takes care not to cost the user a pull that he did not make: Docker Hub counts each GET of a manifest. So it wants the
// manifest of a platform only once the client has asked for the index itself, and not already when it asked what a tag
// means; what the client has may be up to date. Layers it wants only once the client asked for one, and only those behind
// it: engines ask in order, and what they have already is in front.
type ociWalk struct {
	registry  string
	platform  platform
	indexes   map[ociPlace]*ociIndex
	manifests map[digest.Digest]*ociManifest
	owners    map[digest.Digest][]*ociManifest // of layers
	asked     map[digest.Digest]bool           // by the client: manifests, configs, layers
	kept      int                              // bytes of the documents in indexes and manifests
}

// ociPlace is where an index is: the same may be in several repositories, of which the client asks one.
type ociPlace struct {
	repo   string
	digest digest.Digest
}

type ociIndex struct {
	repo     string
	children []descriptor
	followed bool
}

type ociManifest struct {
	repo   string
	layers []digest.Digest
	from   int // the layers from this one on were asked for, or are wanted
}

// NewOCI begins a run of a container engine.
func NewOCI(s Start) Walk {
	w := &ociWalk{registry: strings.TrimSuffix(s.Registry, "/"), platform: thisPlatform()}
	w.forget()
	return w
}

// metered: what a pull asked for last time costs a pull.
func (*ociWalk) metered() {}

func (w *ociWalk) forget() {
	w.indexes, w.manifests = make(map[ociPlace]*ociIndex), make(map[digest.Digest]*ociManifest)
	w.owners, w.asked = make(map[digest.Digest][]*ociManifest), make(map[digest.Digest]bool)
	w.kept = 0
}

// Asked goes on from what the client has learnt already.
func (w *ociWalk) Asked(m rules.Match) []project.Want {
	repo, kind, ref, ok := cutOCI(m.Clean)
	d, err := digest.Parse(ref)
	if !ok || err != nil {
		return nil
	}
	w.note(d)
	if kind == "manifests" {
		w.learn(d)
		if x := w.indexes[ociPlace{repo, d}]; x != nil {
			return w.follow(x)
		}
		return nil
	}
	var out []project.Want
	for _, owner := range w.owners[d] {
		out = append(out, w.layers(owner)...)
	}
	return out
}

// Project learns for which platform the client was told to pull. What images it wants, it will say itself.
func (w *ociWalk) Project(_ string, args []string) []project.Want {
	if p, ok := platformOf(args); ok {
		w.platform = p
	}
	return nil
}

func (w *ociWalk) note(d digest.Digest) {
	if len(w.asked) > ociBlobs*10 {
		clear(w.asked)
	}
	w.asked[d] = true
}

// Reads wants what leads on: indexes and manifests.
func (w *ociWalk) Reads(m rules.Match) bool {
	_, kind, _, ok := cutOCI(m.Clean)
	return ok && kind == "manifests"
}

// Answered goes on from an index to the manifest of the platform, and from a manifest to its config.
func (w *ociWalk) Answered(m rules.Match, body []byte, depth int) []project.Want {
	repo, kind, ref, ok := cutOCI(m.Clean)
	if !ok || kind != "manifests" || len(body) > ociDocument {
		return nil
	}
	doc, ok := readManifest(body)
	if !ok {
		return nil
	}
	if len(w.manifests)+len(w.indexes) >= ociManifests || w.kept+len(body) > ociKept {
		w.forget()
	}
	w.kept += len(body)
	sum := sha256.Sum256(body)
	d := digest.Of(digest.SHA256, sum[:])
	if named, err := digest.Parse(ref); err == nil {
		d = named // sha512, perhaps
	}
	if len(doc.Manifests) > 0 {
		return w.index(repo, d, doc, depth)
	}
	return w.manifest(repo, d, doc)
}

// index remembers what an index holds, and follows it if the client has it.
func (w *ociWalk) index(repo string, d digest.Digest, doc *ociDoc, depth int) []project.Want {
	at := ociPlace{repo, d}
	x := w.indexes[at]
	if x == nil {
		x = &ociIndex{repo: repo, children: doc.Manifests}
		w.indexes[at] = x
	}
	for _, c := range x.children {
		if w.asked[c.Digest] {
			w.learn(c.Digest)
		}
	}
	if depth > 0 && !w.asked[d] {
		return nil
	}
	return w.follow(x)
}

// follow wants the manifest of the client's platform; none if the index has no such.
func (w *ociWalk) follow(x *ociIndex) []project.Want {
	c, ok := w.platform.choose(x.children)
	if x.followed || !ok {
		return nil
	}
	x.followed = true
	want := project.Want{URL: w.url(x.repo, "manifests", c.Digest), Why: whyManifest}
	if c.MediaType != "" {
		want.Accept = []string{c.MediaType}
	}
	return []project.Want{want}
}

// learn remembers which platform the client chooses out of an index: an engine may pull for another than its own.
func (w *ociWalk) learn(d digest.Digest) {
	for _, x := range w.indexes {
		for _, c := range x.children {
			if c.Digest == d && c.Platform.known() {
				w.platform = c.Platform
				return
			}
		}
	}
}

// manifest wants the config, which engines ask for next, and the layers if the client was faster.
func (w *ociWalk) manifest(repo string, d digest.Digest, doc *ociDoc) []project.Want {
	if w.manifests[d] != nil {
		return nil
	}
	man := &ociManifest{repo: repo}
	w.manifests[d] = man
	var out []project.Want
	if c := doc.Config; c.fetched() && c.MediaType != emptyType && !w.asked[c.Digest] {
		out = append(out, project.Want{URL: w.url(repo, "blobs", c.Digest), Why: whyConfig})
	}
	for _, l := range doc.Layers {
		if l.fetched() && !slices.Contains(man.layers, l.Digest) {
			man.layers = append(man.layers, l.Digest)
			w.owners[l.Digest] = append(w.owners[l.Digest], man)
		}
	}
	man.from = len(man.layers)
	return append(out, w.layers(man)...)
}

// layers wants the layers of an image behind the first that was asked for, once, in the order in which engines ask. Which bytes they are is in their URLs, so
// there is no Digest: the client claims none either, and fetch merges only requests that claim the same.
func (w *ociWalk) layers(man *ociManifest) []project.Want {
	first := slices.IndexFunc(man.layers, func(d digest.Digest) bool { return w.asked[d] })
	if first < 0 || first >= man.from {
		return nil
	}
	var out []project.Want
	behind := man.layers[first+1 : man.from]
	man.from = first
	for _, d := range behind {
		if !w.asked[d] {
			out = append(out, project.Want{URL: w.url(man.repo, "blobs", d), Bulk: true, Why: whyLayer})
		}
	}
	return out
}

func (w *ociWalk) url(repo, kind string, d digest.Digest) string {
	return w.registry + "/v2/" + repo + "/" + kind + "/" + d.String()
}

// cutOCI splits /v2/REPO/manifests/REF and /v2/REPO/blobs/REF.
func cutOCI(path string) (repo, kind, ref string, ok bool) {
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
