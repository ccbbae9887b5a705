package warm

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"hither/cmd/hither/hithertest"
	"hither/forward/project"
)

func TestImageNamesMeanWhatTheyMeanToDocker(t *testing.T) {
	sum := "sha256:" + strings.Repeat("0a", 32)
	for _, row := range []struct{ name, want string }{
		{"nginx", "registry-1.docker.io library/nginx latest"},
		{"nginx:1.27", "registry-1.docker.io library/nginx 1.27"},
		{"docker.io/nginx:1.27-alpine", "registry-1.docker.io library/nginx 1.27-alpine"},
		{"docker.io/library/nginx@" + sum, "registry-1.docker.io library/nginx " + sum},
		{"nginx:1.27@" + sum, "registry-1.docker.io library/nginx " + sum},
		{"corp/team/app", "registry-1.docker.io corp/team/app latest"},
		{"ghcr.io/Corp/app", ""},
		{"ghcr.io/corp/app:v1", "ghcr.io corp/app v1"},
		{"GHCR.io/corp/app:v1", "ghcr.io corp/app v1"},
		{"localhost/app", "localhost app latest"},
		{"127.0.0.1:5000/app:x", "127.0.0.1:5000 app x"},
		{"127.0.0.1:5000/app", "127.0.0.1:5000 app latest"},
		{"", ""}, {":", ""}, {"a:", ""}, {"nginx:1.27:2", ""}, {"a//b", ""}, {"../a", ""}, {"a@sha256:00", ""}, {"a@h1:x", ""},
		{"example.com:99999999/a", ""}, {"a b", ""}, {"a?ns=b", ""}, {"a/" + strings.Repeat("b", 300), ""}, {"nginx:1.27\n", ""},
	} {
		got := ""
		if i, err := parseImage(row.name); err == nil {
			got = i.Host + " " + i.Repo + " " + i.Ref
		}
		hithertest.Same(t, row.name, got, row.want)
	}
}

func TestAnIndexIsUnfoldedForThePlatformsThatAreWanted(t *testing.T) {
	sum := func(n int) string { return fmt.Sprintf("sha256:%064x", n) }
	index := fmt.Appendf(nil, `{"manifests": [
		{"digest": %q, "platform": {"os": "linux", "architecture": "amd64"}},
		{"digest": %q, "platform": {"os": "linux", "architecture": "arm", "variant": "v6"}},
		{"digest": %q, "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
		{"digest": %q, "platform": {"os": "linux", "architecture": "arm64"}},
		{"digest": %q, "platform": {"os": "unknown", "architecture": "unknown"}}]}`, sum(1), sum(2), sum(3), sum(4), sum(5))
	i := imageName{Host: "r.test", Repo: "a"}
	for _, row := range []struct{ platforms, want string }{
		{"linux/amd64", "1"}, {"linux/arm", "3"}, {"linux/arm/v6", "2"}, {"linux/arm64", "4"}, {"linux/arm64/v8", "4"},
		{"linux/amd64 linux/arm64 linux/amd64", "1 4"},
		{"linux/s390x", "the image is not there for linux/s390x: name one, with --platform or in the FROM line, of linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64"},
		{"linux", `--platform "linux" is not OS/ARCH: write it as linux/arm64`}, {"linux/", `--platform "linux/" is not OS/ARCH: write it as linux/arm64`},
	} {
		var got []string
		platforms, err := ParsePlatforms(strings.Fields(row.platforms))
		if err == nil {
			var wants []Want
			wants, err = i.unfold(index, platforms)
			for _, w := range wants {
				got = append(got, strings.TrimLeft(strings.TrimPrefix(w.URL, "https://r.test/v2/a/manifests/sha256:"), "0"))
			}
		}
		if err != nil {
			got = append(got, err.Error())
		}
		hithertest.Same(t, row.platforms, strings.Join(got, " "), row.want)
	}
	parts, err := i.parts(fmt.Appendf(nil, `{"config": {"digest": %q, "size": 7}, "layers": [{"digest": %q, "size": 9},
		{"digest": %q, "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "urls": ["https://x.test/"]}]}`, sum(6), sum(7), sum(8)))
	if err != nil || len(parts) != 2 || parts[0].Bulk || !parts[1].Bulk || parts[1].Size != 9 || parts[1].URL != "https://r.test/v2/a/blobs/"+sum(7) {
		t.Errorf("parts of a manifest\n got %+v %v\nwant a configuration and a layer", parts, err)
	}
}

// A FROM line may say for which platform it is, and another may want the same image for another one.
func TestAnImageIsWantedForAllThePlatformsThatAnythingNames(t *testing.T) {
	dir := t.TempDir()
	hithertest.Write(t, filepath.Join(dir, "Dockerfile"), []byte("FROM --platform=linux/aarch64 a\nFROM a\nFROM --platform=$BUILDPLATFORM b\nFROM --platform=any c:$TARGETARCH\nFROM $NONE\nFROM UPPER\n"))
	r := &Reader{Dir: dir, Platforms: []Platform{{OS: "linux", Arch: "s390x"}, {OS: "linux", Arch: "arm", Variant: "v7"}}}
	wants, err := r.Read([]string{"Dockerfile", "b"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range r.images {
		got = append(got, fmt.Sprintf("%s:%s%v%t", i.Repo, i.Ref, i.platforms, i.named))
	}
	here := project.BuildPlatform
	hithertest.Same(t, "images", strings.Join(got, "\n"), strings.Join([]string{
		"library/a:latest[linux/arm64 linux/s390x linux/arm/v7]false", "library/b:latest[" + here + " linux/s390x linux/arm/v7]true",
		"library/c:s390x[linux/s390x]false", "library/c:arm[linux/arm/v7]false",
	}, "\n"))
	hithertest.Same(t, "wants", len(wants), 4)
	hithertest.Same(t, "unnamed", r.Unnamed, 2)
	tally := NewTally(r.Unread, r.Unnamed).Report()
	hithertest.Same(t, "said", strings.Join(tally.Sentences()[1:], ", "), "2 objects are named only by an argument of the build, or not as an image is, and were left out.")
}

// The same image may be wanted for a platform by --platform, and for another by a FROM line.
func TestAPlatformThatIsMissingKeepsNoOtherFromComing(t *testing.T) {
	body := []byte(`{"manifests":[{"digest":"sha256:` + strings.Repeat("0", 64) + `","platform":{"os":"linux","architecture":"amd64"}}]}`)
	wants, err := imageName{Host: "r.test", Repo: "a"}.unfold(body, []Platform{{OS: "linux", Arch: "s390x"}, {OS: "linux", Arch: "amd64"}, {OS: "plan9", Arch: "386"}})
	hithertest.Same(t, "wants", len(wants), 1)
	hithertest.Contains(t, fmt.Sprint(err), "not there for linux/s390x, plan9/386: ", "of linux/amd64")
}

// What an index names without a platform, engines take where nothing fits better, and go on if it is another index.
func TestAnIndexMayLeadToAnother(t *testing.T) {
	named := func(n int, platform string) string {
		return fmt.Sprintf(`{"digest":"sha256:%064d"%s}`, n, platform)
	}
	of := func(machine string) string { return `,"platform":{"os":"linux","architecture":"` + machine + `"}` }
	amd64, arm64, s390x := of("amd64"), of("arm64"), of("s390x")
	i, platforms := imageName{Host: "r.test", Repo: "a"}, []Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "s390x"}}
	for _, row := range []struct{ name, index, want string }{
		{"none without a platform is needed", named(1, "") + "," + named(2, amd64) + "," + named(3, s390x), "2 3"},
		{"the first without one, for both", named(1, arm64) + "," + named(2, "") + "," + named(3, ""), "2"},
	} {
		wants, err := i.unfold([]byte(`{"manifests":[`+row.index+`]}`), platforms)
		hithertest.Same(t, row.name, said(wants, err), row.want)
	}
	wants, _ := i.unfold([]byte(`{"manifests":[`+named(1, "")+`]}`), platforms)
	inner, err := wants[0].More([]byte(`{"manifests":[` + named(4, arm64) + "," + named(5, amd64) + "," + named(6, s390x) + `]}`))
	hithertest.Same(t, "the inner index", said(inner, err), "5 6")
	parts, err := inner[0].More([]byte(`{"config":` + named(7, "") + `}`))
	hithertest.Same(t, "its manifest", said(parts, err), "7")
	_, err = inner[0].More([]byte(`{"manifests":[` + named(8, amd64) + `]}`))
	hithertest.Contains(t, fmt.Sprint(err), "an index of indexes")
}

// Engines take what is for an older variant, too, where there is no better one, know the words of others, and take 32-bit ARM for v7
// and amd64 for v1 where no variant is named.
func TestPlatformsAreReadAsEnginesDo(t *testing.T) {
	for _, row := range []struct{ platform, index, want string }{
		{"linux/arm/v7", "linux/arm", "linux/arm"},
		{"linux/arm/v7", "linux/arm/v6", "linux/arm/v6"},
		{"linux/arm/v7", "linux/arm/v5 linux/arm/v6 linux/arm/v8", "linux/arm/v6"},
		{"linux/arm/v6", "linux/arm linux/arm/v7", ""},
		{"linux/arm/7", "linux/arm/v6 linux/arm/v7", "linux/arm/v7"},
		{"linux/arm", "linux/arm/v6 linux/arm", "linux/arm"},
		{"linux/arm64/v8", "linux/aarch64", "linux/aarch64"},
		{"linux/arm64", "linux/arm64/8", "linux/arm64/8"},
		{"linux/amd64", "linux/amd64/v3 linux/x86_64", "linux/x86_64"},
		{"linux/amd64/v2", "linux/amd64/v3 linux/amd64", "linux/amd64"},
		{"linux/amd64", "Linux/AMD64", "Linux/AMD64"},
		{"linux/s390x", "linux/amd64 linux/s390x", "linux/s390x"},
	} {
		platforms, err := ParsePlatforms([]string{row.platform})
		if err != nil {
			t.Fatal(err)
		}
		var list []descriptor
		for _, name := range strings.Fields(row.index) {
			var d descriptor
			part := append(strings.Split(name, "/"), "")
			d.Platform.OS, d.Platform.Architecture, d.Platform.Variant = part[0], part[1], part[2]
			list = append(list, d)
		}
		d, _ := platforms[0].pick(list)
		hithertest.Same(t, row.platform+" of "+row.index, platformsOf([]descriptor{d}), row.want)
	}
}

// What an index names without a platform is for the one that its configuration says; engines find none other there.
func TestTheConfigurationSaysWhatAnIndexDoesNot(t *testing.T) {
	named := func(n int, more string) string { return fmt.Sprintf(`{"digest":"sha256:%064d"%s}`, n, more) }
	i, platforms := imageName{Host: "r.test", Repo: "a"}, []Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "s390x"}}
	for _, row := range []struct{ name, index, inner, config, want string }{
		{"of the one", named(1, ""), "", `{"os":"linux","architecture":"amd64"}`, "not there for linux/s390x: name one, with --platform or in the FROM line, of linux/amd64"},
		{"of neither", named(1, ""), "", `{"os":"linux","architecture":"arm","variant":"v7"}`, "not there for linux/amd64, linux/s390x: name one, with --platform or in the FROM line, of linux/arm/v7"},
		{"in others' words", named(1, ""), "", `{"os":"linux","architecture":"x86_64"}`, "not there for linux/s390x: "},
		{"one deeper", named(1, ""), named(2, ""), `{"os":"linux","architecture":"s390x"}`, "not there for linux/amd64: "},
		{"of all", named(1, ""), "", `{}`, ""},
		{"not an image's", named(1, ""), "", "\x1f\x8b", ""},
		{"said by the index", named(1, `,"platform":{"os":"linux","architecture":"amd64"}`), "", "", ""},
	} {
		wants, err := i.unfold([]byte(`{"manifests":[`+row.index+`]}`), platforms)
		if row.inner != "" && err == nil {
			wants, err = wants[0].More([]byte(`{"manifests":[` + row.inner + `]}`))
		}
		if len(wants) != 1 {
			t.Fatalf("%s\n got %s\nwant one manifest", row.name, said(wants, err))
		}
		parts, err := wants[0].More([]byte(`{"config":` + named(7, "") + `,"layers":[` + named(8, "") + `]}`))
		hithertest.Same(t, row.name+": its parts", said(parts, err), "7 8")
		hithertest.Same(t, row.name+": the configuration is read", parts[0].More != nil, row.config != "")
		if parts[0].More == nil {
			continue
		}
		more, err := parts[0].More([]byte(row.config))
		hithertest.Same(t, row.name+": it leads on", len(more), 0)
		hithertest.Same(t, row.name+": it is wrong", err != nil, row.want != "")
		hithertest.Contains(t, fmt.Sprint(err), row.want)
	}
}

// said is the last figure of each digest that is wanted, and the error if there is one.
func said(wants []Want, err error) string {
	var all []string
	for _, w := range wants {
		all = append(all, w.URL[len(w.URL)-1:])
	}
	if err != nil {
		all = append(all, err.Error())
	}
	return strings.Join(all, " ")
}

// Each line of a Dockerfile may name a platform of its own.
func TestAnImageIsWantedForNoMorePlatformsThanThereAre(t *testing.T) {
	r := &Reader{}
	for n := range 2 * maxPlatforms {
		r.image(imageName{Repo: "a"}, []Platform{{OS: "linux", Arch: fmt.Sprint(n)}}, false)
	}
	hithertest.Same(t, "platforms", len(r.images[0].platforms), maxPlatforms)
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"manifests":[{"digest":"sha256:00","platform":{"os":"linux","architecture":"amd64"}}]}`))
	f.Add([]byte(`{"config":{"digest":"../../x"},"layers":[{"digest":"sha256:` + strings.Repeat("0", 64) + `","size":-1}]}`))
	f.Add([]byte(`{"fsLayers":[{}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		wants, _ := imageName{Host: "r.test", Repo: "a"}.unfold(body, []Platform{{OS: "linux", Arch: "amd64"}})
		for _, w := range wants {
			if !strings.HasPrefix(w.URL, "https://r.test/v2/a/") || strings.Contains(w.URL, "..") || w.Size < 0 {
				t.Errorf("a manifest led to %+v", w)
			}
		}
	})
}

func FuzzImageName(f *testing.F) {
	f.Add("docker.io/library/nginx:1.27@sha256:" + strings.Repeat("0", 64))
	f.Add("a:b/c")
	f.Fuzz(func(t *testing.T, name string) {
		i, err := parseImage(name)
		if err == nil && strings.ContainsAny(i.Host+i.Repo+i.Ref, " \n\\?#@") {
			t.Errorf("%q was read as %+v", name, i)
		}
	})
}
