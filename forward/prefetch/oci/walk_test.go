package oci

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"hither/cache/digest"
	"hither/forward/project"
	"hither/rules"
	rulesd "hither/rules.d"
)

const (
	registry = "https://registry-1.docker.io"
	alpine   = "library/alpine"
)

func sumOf(text string) digest.Digest {
	sum := sha256.Sum256([]byte(text))
	return digest.Of(digest.SHA256, sum[:])
}

// manifestText is a manifest as buildx writes it; layers are named by their text.
func manifestText(config string, layers ...string) string {
	var list []string
	for _, l := range layers {
		list = append(list, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":%q,"size":3}`, sumOf(l)))
	}
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":
		{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":9},"layers":[%s]}`, sumOf(config), strings.Join(list, ","))
}

// indexText is an index; each entry is "OS/ARCH/VARIANT=MANIFEST".
func indexText(entries ...string) string {
	var list []string
	for _, e := range entries {
		where, manifest, _ := strings.Cut(e, "=")
		p := strings.Split(where+"//", "/")
		list = append(list, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":5,
			"platform":{"os":%q,"architecture":%q,"variant":%q}}`, sumOf(manifest), p[0], p[1], p[2]))
	}
	return `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` + strings.Join(list, ",") + `]}`
}

type world struct {
	t     *testing.T
	rules *rules.Set
	walk  *Walk
	known map[string]string // texts by the path of their digest, for messages
}

func newWorld(t *testing.T) *world {
	set, err := rules.Load(rulesd.Files)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, rules: set, walk: New(registry), known: make(map[string]string)}
	return w
}

func (w *world) match(path string) rules.Match {
	u, err := url.Parse(registry + path)
	if err != nil {
		w.t.Fatal(err)
	}
	m, ok := w.rules.Match(u.Host, rules.Query{URL: u})
	if !ok {
		w.t.Fatalf("no rule for %s", u)
	}
	return m
}

func pathOf(kind, text string) string {
	return "/v2/" + alpine + "/" + kind + "/" + sumOf(text).String()
}

// say remembers a word for a text, by which wants are told.
func (w *world) say(kind, text, word string) string {
	w.known[registry+pathOf(kind, text)] = word
	return text
}

func (w *world) words(wants []project.Want) string {
	var all []string
	for _, want := range wants {
		word := w.known[want.URL]
		if word == "" || want.Digest != "" || want.Why == "" || want.Bulk != strings.HasPrefix(word, "layer") {
			w.t.Errorf("a want of %+v", want)
		}
		all = append(all, word)
	}
	return strings.Join(all, " ")
}

func (w *world) asked(kind, text string) string {
	return w.words(w.walk.Asked(w.match(pathOf(kind, text))))
}

func (w *world) answered(path, body string, depth int) string {
	m := w.match(path)
	if !w.walk.Reads(m) {
		w.t.Errorf("%s is not read", path)
	}
	return w.words(w.walk.Answered(m, []byte(body), depth))
}

func (w *world) expect(what, got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s\n got %q\nwant %q", what, got, want)
	}
}

const alpineTag = "/v2/" + alpine + "/manifests/latest"

func (w *world) image() (index, manifest string) {
	manifest = w.say("manifests", manifestText(w.say("blobs", "config", "config"), w.say("blobs", "one", "layer1"), w.say("blobs", "two", "layer2"), w.say("blobs", "three", "layer3")), "manifest")
	return indexText("linux/arm64/v8=other", "linux/amd64="+manifest, "unknown/unknown=attestation"), manifest
}

func TestPull(t *testing.T) {
	w := newWorld(t)
	index, manifest := w.image()
	w.expect("podman and crane ask for the tag", w.answered(alpineTag, index, 0), "")
	w.expect("docker for the index", w.asked("manifests", index), "")
	w.expect("which is answered", w.answered(pathOf("manifests", index), index, 0), "")
	w.expect("and then the manifest", w.asked("manifests", manifest), "")
	w.expect("which is answered", w.answered(pathOf("manifests", manifest), manifest, 0), "")
	w.expect("then the config", w.asked("blobs", "config"), "")
	w.expect("and the layers", w.asked("blobs", "one"), "layer2 layer3")
	w.expect("all of them", w.asked("blobs", "two"), "")
}

// TestNoManifestIsAskedForAhead has clients of which none, or another than this machine's, asks for what an index names.
func TestNoManifestIsAskedForAhead(t *testing.T) {
	for _, command := range []string{
		"dockerd", "crane manifest alpine", "skopeo inspect --raw docker://alpine", "skopeo --override-arch=s390x copy docker://alpine dir:x",
		"docker pull --platform=linux/" + runtime.GOARCH + " alpine",
	} {
		w := newWorld(t)
		w.expect(command+" is called", w.words(w.walk.Project("/", strings.Fields(command))), "")
		index := indexText("linux/" + runtime.GOARCH + "=own")
		w.expect(command+" gets an index", w.answered(alpineTag, index, 0), "")
		w.expect(command+" asks for it by its digest", w.asked("manifests", index), "")
		w.expect(command+" gets it", w.answered(pathOf("manifests", index), index, 0), "")
	}
}

// TestEngineThatHasTheBase is not sent for the layers in front of the one that it asks for: those are the largest.
func TestEngineThatHasTheBase(t *testing.T) {
	w := newWorld(t)
	_, manifest := w.image()
	w.answered(pathOf("manifests", manifest), manifest, 0)
	w.expect("it has the first, and misses the config", w.asked("blobs", "config"), "")
	w.expect("and the second", w.asked("blobs", "two"), "layer3")
	w.expect("or it only asked out of order", w.asked("blobs", "one"), "")
}

func TestLayersOfTwoRepositories(t *testing.T) {
	w := newWorld(t)
	_, manifest := w.image()
	other := func(path string) string { return strings.Replace(path, alpine, "other/alpine", 1) }
	w.known[registry+other(pathOf("blobs", "three"))] = "layer3 of the other"
	w.expect("one repository", w.answered(pathOf("manifests", manifest), manifest, 0), "")
	w.expect("a copy of it", w.answered(other(pathOf("manifests", manifest)), manifest, 0), "")
	w.known[registry+other(pathOf("blobs", "two"))] = "layer2 of the other"
	w.expect("of which a layer is asked for", w.words(w.walk.Asked(w.match(other(pathOf("blobs", "one"))))), "layer2 of the other layer3 of the other")
	w.expect("and another of the first", w.asked("blobs", "two"), "layer3")
}

func TestClientThatIsFaster(t *testing.T) {
	w := newWorld(t)
	_, manifest := w.image()
	w.expect("a layer is asked for before its manifest was read", w.asked("blobs", "two"), "")
	w.expect("which then tells the others", w.answered(pathOf("manifests", manifest), manifest, 0), "layer3")
}

func TestLayersAreNotWantedTwice(t *testing.T) {
	w := newWorld(t)
	_, manifest := w.image()
	second := w.say("manifests", manifestText(w.say("blobs", "config2", "config2"), "one", w.say("blobs", "four", "layer4")), "manifest2")
	w.expect("an image", w.answered(pathOf("manifests", manifest), manifest, 0), "")
	w.expect("another that shares a layer", w.answered(pathOf("manifests", second), second, 0), "")
	w.expect("a layer of its own", w.asked("blobs", "two"), "layer3")
	w.expect("again", w.asked("blobs", "two"), "")
	w.expect("the layer they share", w.asked("blobs", "one"), "layer4")
	w.expect("the same manifest again", w.answered(pathOf("manifests", manifest), manifest, 0), "")
}

func TestThingsThatAreNotFetched(t *testing.T) {
	w := newWorld(t)
	layer := func(kind, text, more string) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":1%s}`, kind, sumOf(text), more)
	}
	manifest := `{"config":` + layer("application/vnd.oci.empty.v1+json", "{}", `,"data":"e30="`) + `,"layers":[` + strings.Join([]string{
		layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "foreign", `,"urls":["https://example.org/l"]`),
		layer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "kept back", ""),
		layer("application/vnd.oci.image.layer.v1.tar+zstd", w.say("blobs", "zstd", "layer"), ""),
		layer("application/vnd.in-toto+json", w.say("blobs", "proof", "layer'"), ""),
		`{"digest":"sha256:no","size":1}`, `{"digest":"sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"}`,
	}, ",") + `]}`
	w.expect("an artifact", w.answered(alpineTag, manifest, 0), "")
	w.expect("a layer of it", w.asked("blobs", "zstd"), "layer'")
}

// TestOfABuildsCacheNothingIsFetchedAhead: BuildKit asks for the layers of the steps that it need not run again, in any order.
func TestOfABuildsCacheNothingIsFetchedAhead(t *testing.T) {
	w := newWorld(t)
	_, manifest := w.image()
	cache := strings.Replace(manifest, "vnd.oci.image.config.v1+json", "vnd.buildkit.cacheconfig.v0", 1)
	w.expect("--cache-from", w.answered(alpineTag, cache, 0), "")
	w.expect("what was kept of the steps", w.asked("blobs", "config"), "")
	w.expect("a layer of one", w.asked("blobs", "one"), "")
}

func TestPaths(t *testing.T) {
	for path, want := range map[string]string{
		"/v2/a/b/manifests/latest": "a/b manifests latest",
		"/v2/a/blobs/sha256:x":     "a blobs sha256:x",
		"/v2/a/tags/list":          "",
		"/v2/":                     "",
		"/v2/manifests/latest":     "",
		"/v2/a/manifests/":         "",
		"/other/manifests/latest":  "",
	} {
		repo, kind, ref, ok := cut(path)
		got := ""
		if ok {
			got = repo + " " + kind + " " + ref
		}
		if got != want {
			t.Errorf("%s\n got %q\nwant %q", path, got, want)
		}
	}
}

// TestDocumentsTakeLittle has a registry whose documents name a million things, or things with long names, one after another.
func TestDocumentsTakeLittle(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	layers := readLayers([]byte(`{"layers":[` + strings.Repeat("{},", maxDocument/3-100) + `{}]}`))
	runtime.ReadMemStats(&after)
	same(t, "is read", len(layers), maxBlobs)
	same(t, "entries kept", cap(layers) <= 2*maxBlobs, true)
	atMost(t, "bytes", int(after.TotalAlloc-before.TotalAlloc), 10*maxDocument)

	w := newWorld(t)
	for i := range 200 {
		text := strings.Replace(manifestText("c", fmt.Sprint("layer ", i)), "gzip", strings.Repeat("x", maxDocument/10), 1)
		w.walk.Answered(w.match(pathOf("manifests", text)), []byte(text), 0)
	}
	kept := 0
	for range w.walk.manifests {
		kept += maxDocument / 10
	}
	atMost(t, "bytes of all", kept, maxKept)
}

// Whatever a registry sends, no want leads out of the repository it was asked in.
func FuzzAnswered(f *testing.F) {
	f.Add([]byte(manifestText("c", "l")), "alpine")
	f.Add([]byte(indexText("linux/amd64=m")), "a/b")
	f.Add([]byte(`{"manifests":[{"digest":"sha256:../../x","platform":null}],"layers":[null],"config":[]}`), "a")
	set, err := rules.Load(rulesd.Files)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, repo string) {
		u := &url.URL{Path: "/v2/" + repo + "/manifests/latest"}
		m, ok := set.Match("registry-1.docker.io", rules.Query{URL: u})
		if !ok {
			return
		}
		w := New(registry)
		wants := w.Answered(m, body, 0)
		for _, l := range readLayers(body) {
			if blob, ok := set.Match("registry-1.docker.io", rules.Query{URL: &url.URL{Path: "/v2/" + repo + "/blobs/" + string(l.Digest)}}); ok {
				wants = append(wants, w.Asked(blob)...)
			}
		}
		prefix := registry + strings.TrimSuffix(m.Clean, "/manifests/latest") + "/"
		for _, want := range wants {
			if rest, ok := strings.CutPrefix(want.URL, prefix); !ok || strings.Count(rest, "/") != 1 {
				t.Errorf("%q wants %q", m.Clean, want.URL)
			}
		}
	})
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func atMost(t *testing.T, what string, got, want int) {
	t.Helper()
	if got > want {
		t.Errorf("%s:\n got %v\nwant at most %v", what, got, want)
	}
}
