package warm

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"hither/cache/digest"
	"hither/cmd/hither/terminal"
	"hither/forward/project"
)

const (
	// hubHost is the registry that is meant by a name without one.
	hubHost = "registry-1.docker.io"
	// maxManifest bounds a manifest, in bytes, as registries do (distribution-spec, "Pushing Manifests").
	maxManifest = 4 << 20
	// maxLayers bounds what one manifest may name. Images of Docker end at 127 layers.
	maxLayers = 2048
)

// Reasons of the wants of images; see project.Want.
const (
	whyManifest = "a manifest of an image"
	whyConfig   = "the configuration of an image"
	whyLayer    = "a layer of an image"
)

// imageName is a registry's name for an image: docker.io/library/nginx:1.27 is the tag 1.27 of library/nginx.
type imageName struct {
	Host string // to ask, perhaps with a port
	Repo string
	Ref  string // a tag, or a digest
}

// parseImage reads NAME[:TAG][@DIGEST] as Docker does (distribution/reference): what is before the first slash is a
// registry if it has a dot or a port, or is localhost; a name without one is Docker Hub's.
func parseImage(name string) (imageName, error) {
	rest, sum, pinned := strings.Cut(name, "@")
	i := imageName{Host: hubHost, Ref: "latest"}
	if colon := strings.LastIndex(rest, ":"); colon > strings.LastIndex(rest, "/") {
		rest, i.Ref = rest[:colon], rest[colon+1:]
	}
	if !matches(`\w[\w.-]{0,127}`, i.Ref) {
		return imageName{}, fmt.Errorf("%q is no tag: write NAME:TAG", i.Ref)
	}
	if pinned {
		d, err := digest.Parse(sum)
		if err != nil || !d.Pins() {
			return imageName{}, fmt.Errorf("%q is no digest: write NAME@sha256:HEX", sum)
		}
		i.Ref = d.String()
	}
	if first, inside, ok := strings.Cut(rest, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		i.Host, rest = strings.ToLower(first), inside
	}
	if slices.Contains([]string{"docker.io", "index.docker.io", hubHost}, i.Host) {
		i.Host = hubHost
		if !strings.Contains(rest, "/") {
			rest = "library/" + rest
		}
	}
	i.Repo = rest
	const part = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
	const label = `[a-z0-9](?:[a-z0-9-]*[a-z0-9])?`
	if !matches(label+`(?:\.`+label+`)*(?::[0-9]{1,5})?`, i.Host) || !matches(part+`(?:/`+part+`)*`, rest) || len(rest) > 255 {
		return imageName{}, fmt.Errorf("%q is no image: write NAME:TAG in small letters, as nginx:1.27", name)
	}
	return i, nil
}

// matches is for the whole of text.
func matches(pattern, text string) bool {
	return regexp.MustCompile(`\A(?:` + pattern + `)\z`).MatchString(text)
}

// want is the image's manifest, and by way of that all of it.
func (i imageName) want(platforms []Platform, named bool) Want {
	w := i.manifest(i.Ref, func(body []byte) ([]Want, error) { return i.unfold(body, platforms) })
	w.Named = named
	return w
}

func (i imageName) manifest(ref string, more func([]byte) ([]Want, error)) Want {
	return Want{
		Want: project.Want{URL: "https://" + i.Host + "/v2/" + i.Repo + "/manifests/" + ref, Accept: manifestTypes(), Why: whyManifest},
		More: more,
	}
}

// manifestTypes is what engines ask for.
func manifestTypes() []string {
	return []string{
		"application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
		"application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json",
	}
}

// descriptor points at other content (image-spec, descriptor.md).
type descriptor struct {
	MediaType string
	Digest    string
	Size      int64
	URLs      []string // where it is if not in the registry
	Platform  struct{ OS, Architecture, Variant string }
}

// unsaid says that it names no platform.
func (d descriptor) unsaid() bool { return d.Platform.OS+d.Platform.Architecture == "" }

// platform is the one that it names, in Go's words, as engines read it (containerd/platforms, normalizeArch).
func (d descriptor) platform() Platform {
	p := normal(Platform{d.Platform.OS, d.Platform.Architecture, d.Platform.Variant})
	p.Variant = cmp.Or(p.Variant, usualVariant(p.Arch))
	return p
}

// manifest is an index or one platform's manifest; which of them, its fields tell (image-spec, manifest.md and
// image-index.md).
type manifest struct {
	Manifests []descriptor
	Config    descriptor
	Layers    []descriptor
	FSLayers  []json.RawMessage // Docker's first schema, from before 2016
}

func readManifest(body []byte) (manifest, error) {
	var m manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return m, fmt.Errorf("the manifest cannot be read (%w): is this the name of an image?", err)
	}
	switch {
	case len(m.Manifests) > maxLayers || len(m.Layers) > maxLayers:
		return m, fmt.Errorf("the manifest names more than %d parts, which no image has", maxLayers)
	case len(m.FSLayers) > 0:
		return m, errors.New("the image has a manifest of schema 1, which engines do not read any more: push it anew")
	}
	return m, nil
}

// unfold reads what a tag means: an index, of which the manifests of the wanted platforms are taken, or a manifest, which engines take
// whatever its platform is.
func (i imageName) unfold(body []byte, platforms []Platform) ([]Want, error) {
	m, err := readManifest(body)
	if err != nil {
		return nil, err
	}
	if len(m.Manifests) == 0 {
		return i.parts(body)
	}
	return i.choose(m.Manifests, platforms, i.deeper)
}

// choose takes what an index has for platforms. That one is missing does not keep the others from being fetched. next reads what comes;
// unsaid tells that the index does not say of which platform that is.
func (i imageName) choose(list []descriptor, platforms []Platform, next func(platforms []Platform, unsaid bool) func([]byte) ([]Want, error)) ([]Want, error) {
	var sums []digest.Digest
	var missing []Platform
	var problem error
	leads, unsaid := map[digest.Digest][]Platform{}, map[digest.Digest]bool{}
	for _, p := range platforms {
		d, ok := p.pick(list)
		if !ok {
			missing = append(missing, p)
			continue
		}
		sum, err := digest.Parse(d.Digest)
		if err != nil || !sum.Pins() {
			problem = fmt.Errorf("the index names no digest for %s", p)
			continue
		}
		if leads[sum] == nil {
			sums = append(sums, sum)
		}
		leads[sum] = append(leads[sum], p)
		unsaid[sum] = unsaid[sum] || d.unsaid()
	}
	wants := make([]Want, 0, len(sums))
	for _, sum := range sums {
		wants = append(wants, i.manifest(sum.String(), next(leads[sum], unsaid[sum])))
	}
	if len(missing) > 0 {
		problem = notThere(missing, list)
	}
	return wants, problem
}

// notThere says for which platforms an image is not, and for which it is.
func notThere(missing []Platform, list []descriptor) error {
	var names []string
	for _, p := range missing {
		names = append(names, terminal.Plain(p.String()))
	}
	return fmt.Errorf("the image is not there for %s: name one, with --platform or in the FROM line, of %s",
		terminal.Shorten(strings.Join(names, ", "), 400), platformsOf(list))
}

// deeper reads what an index has for platforms: a manifest, or another index, from which engines go on. No further.
func (i imageName) deeper(platforms []Platform, unsaid bool) func([]byte) ([]Want, error) {
	return func(body []byte) ([]Want, error) {
		m, err := readManifest(body)
		if err != nil || len(m.Manifests) == 0 {
			return i.single(platforms, unsaid)(body)
		}
		return i.choose(m.Manifests, platforms, i.single)
	}
}

// single reads the manifest that an index has for platforms. Where the index does not say of which it is, engines ask its configuration
// (containerd, images.Manifest).
func (i imageName) single(platforms []Platform, unsaid bool) func([]byte) ([]Want, error) {
	return func(body []byte) ([]Want, error) {
		wants, err := i.parts(body)
		if len(wants) > 0 && unsaid {
			wants[0].More = func(body []byte) ([]Want, error) { return nil, suits(body, platforms) }
		}
		return wants, err
	}
}

// suits says for which of platforms the image with this configuration is not. One that says nothing is for all.
func suits(config []byte, platforms []Platform) error {
	var d descriptor
	if json.Unmarshal(config, &d.Platform) != nil {
		return nil //nolint:nilerr // it is no image's
	}
	list := []descriptor{d}
	missing := slices.DeleteFunc(slices.Clone(platforms), func(p Platform) bool { _, ok := p.pick(list); return ok })
	if len(missing) == 0 {
		return nil
	}
	return notThere(missing, list)
}

// parts are the configuration and the layers. What is not in the registry (Windows' base layers, once) is not its to give.
func (i imageName) parts(body []byte) ([]Want, error) {
	m, err := readManifest(body)
	if err != nil {
		return nil, err
	}
	if len(m.Manifests) > 0 {
		return nil, errors.New("the index leads to an index of indexes, which is no image of one platform")
	}
	var wants []Want
	for n, d := range append([]descriptor{m.Config}, m.Layers...) {
		sum, err := digest.Parse(d.Digest)
		if err != nil || !sum.Pins() {
			return nil, errors.New("the manifest names a part by something that is no digest")
		}
		if len(d.URLs) > 0 && strings.Contains(d.MediaType, "foreign") {
			continue
		}
		w := Want{Size: max(0, d.Size), Want: project.Want{
			URL: "https://" + i.Host + "/v2/" + i.Repo + "/blobs/" + sum.String(), Bulk: n > 0, Digest: sum, Why: whyLayer,
		}}
		if n == 0 {
			w.Why = whyConfig
		}
		wants = append(wants, w)
	}
	return wants, nil
}

// Platform is what an image runs on, in Go's words.
type Platform struct{ OS, Arch, Variant string }

// ParsePlatforms reads OS/ARCH or OS/ARCH/VARIANT, each once.
func ParsePlatforms(list []string) (out []Platform, err error) {
	for _, text := range list {
		part := strings.Split(strings.ToLower(strings.TrimSpace(text)), "/")
		if len(part) < 2 || len(part) > 3 || slices.Contains(part, "") {
			return nil, fmt.Errorf("--platform %q is not OS/ARCH: write it as linux/arm64", text)
		}
		p := normal(Platform{part[0], part[1], strings.Join(part[2:], "")})
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("--platform is empty: write it as linux/arm64")
	}
	return out, nil
}

// normal is a platform in Go's words, as engines read it (containerd/platforms, normalizeArch).
func normal(p Platform) Platform {
	p = Platform{strings.ToLower(p.OS), strings.ToLower(p.Arch), strings.ToLower(p.Variant)}
	if other, known := otherArch()[p.Arch]; known {
		arch, variant, _ := strings.Cut(other, "/")
		p.Arch, p.Variant = arch, cmp.Or(p.Variant, variant)
	}
	if _, err := strconv.ParseUint(p.Variant, 10, 8); err == nil {
		p.Variant = "v" + p.Variant
	}
	return p
}

// otherArch has Go's words for what others call an architecture.
func otherArch() map[string]string {
	return map[string]string{
		"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "armhf": "arm/v7", "armel": "arm/v6",
	}
}

// String is OS/ARCH[/VARIANT].
func (p Platform) String() string { return path.Join(p.OS, p.Arch, p.Variant) }

// pick takes the first of the best variant that fits, as engines do, or else the first that names no platform.
func (p Platform) pick(list []descriptor) (descriptor, bool) {
	for _, variant := range p.variants() {
		for _, d := range list {
			if of := d.platform(); of.OS == p.OS && of.Arch == p.Arch && (variant == "" || of.Variant == variant) {
				return d, true
			}
		}
	}
	if n := slices.IndexFunc(list, descriptor.unsaid); n >= 0 {
		return list[n], true
	}
	return descriptor{}, false
}

// variants are those that will do, the best first: the wanted or usual one, those before it, which such a machine runs as well
// (containerd/platforms, platformVector), and without a wanted one any, which is empty.
func (p Platform) variants() []string {
	best := cmp.Or(p.Variant, usualVariant(p.Arch))
	list := []string{best}
	if n, err := strconv.ParseUint(strings.TrimPrefix(best, "v"), 10, 4); err == nil {
		for ; n > 1; n-- {
			list = append(list, fmt.Sprint("v", n-1))
		}
	}
	if p.Variant == "" {
		list = append(list, "")
	}
	return list
}

// usualVariant is what is meant where none is named; empty: there are none.
func usualVariant(arch string) string {
	return map[string]string{"arm": "v7", "arm64": "v8", "amd64": "v1"}[arch]
}

// platformsOf names what an index has, for a message. What is unknown is no image: signatures, bills of material.
func platformsOf(list []descriptor) string {
	var names []string
	for _, d := range list {
		p := Platform{d.Platform.OS, d.Platform.Architecture, d.Platform.Variant}
		if name := terminal.Plain(p.String()); p.OS != "unknown" && p.OS != "" && !slices.Contains(names, name) && len(names) < 20 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
