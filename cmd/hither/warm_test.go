package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache"
	"hither/cache/digest"
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
		same(t, row.name, got, row.want)
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
		{"linux/s390x", "the image is not there for linux/s390x: name one with --platform of linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64"},
		{"linux", `--platform "linux" is not OS/ARCH: write it as linux/arm64`}, {"linux/", `--platform "linux/" is not OS/ARCH: write it as linux/arm64`},
	} {
		var got []string
		platforms, err := parsePlatforms(strings.Fields(row.platforms))
		if err == nil {
			var wants []warmWant
			wants, err = i.unfold(index, platforms)
			for _, w := range wants {
				got = append(got, strings.TrimLeft(strings.TrimPrefix(w.URL, "https://r.test/v2/a/manifests/sha256:"), "0"))
			}
		}
		if err != nil {
			got = append(got, err.Error())
		}
		same(t, row.platforms, strings.Join(got, " "), row.want)
	}
	parts, err := i.parts(fmt.Appendf(nil, `{"config": {"digest": %q, "size": 7}, "layers": [{"digest": %q, "size": 9},
		{"digest": %q, "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "urls": ["https://x.test/"]}]}`, sum(6), sum(7), sum(8)))
	if err != nil || len(parts) != 2 || parts[0].Bulk || !parts[1].Bulk || parts[1].Size != 9 || parts[1].URL != "https://r.test/v2/a/blobs/"+sum(7) {
		t.Errorf("parts of a manifest\n got %+v %v\nwant a configuration and a layer", parts, err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"manifests":[{"digest":"sha256:00","platform":{"os":"linux","architecture":"amd64"}}]}`))
	f.Add([]byte(`{"config":{"digest":"../../x"},"layers":[{"digest":"sha256:` + strings.Repeat("0", 64) + `","size":-1}]}`))
	f.Add([]byte(`{"fsLayers":[{}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		wants, _ := imageName{Host: "r.test", Repo: "a"}.unfold(body, []platform{{OS: "linux", Arch: "amd64"}})
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

func TestArgumentsOfWarm(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go/go.mod"), []byte("module m\n\ngo 1.22\n\nrequire world.test/a v1.0.0\n"))
	write(t, filepath.Join(dir, "docker/prod.Dockerfile"), []byte("FROM alpine:3\n"))
	write(t, filepath.Join(dir, "docker/Dockerfile.dockerignore"), []byte("FROM no:1\n"))
	write(t, filepath.Join(dir, "text.txt"), nil)
	write(t, filepath.Join(dir, "empty/x"), nil)
	write(t, filepath.Join(dir, "broken/go.mod"), []byte("nonsense"))
	read := func(args ...string) string {
		r := &warmReader{Dir: dir, Platforms: []platform{{OS: "linux", Arch: "amd64"}}, Registries: warmRegistries{GoProxy: publicGoProxy}}
		wants, err := r.read(args)
		var out []string
		for _, f := range r.unread {
			out = append(out, "unread "+strings.TrimPrefix(f.URL, plain(dir)+"/"))
		}
		for _, w := range wants {
			out = append(out, w.URL)
		}
		if err != nil {
			wrong := (*warmArgument)(nil)
			out = append(out, fmt.Sprint(errors.As(err, &wrong), " ", err))
		}
		return strings.Join(out, " ")
	}
	goes := "https://proxy.golang.org/world.test/a/@v/v1.0.0.mod https://proxy.golang.org/world.test/a/@v/v1.0.0.info https://proxy.golang.org/world.test/a/@v/v1.0.0.zip"
	same(t, "a module", read("go"), goes)
	same(t, "its go.mod", read("go/go.mod"), goes)
	same(t, "a directory with a Dockerfile", read("docker"), "https://registry-1.docker.io/v2/library/alpine/manifests/3")
	same(t, "two", read("go", "docker/prod.Dockerfile"), goes+" https://registry-1.docker.io/v2/library/alpine/manifests/3")
	same(t, "an image", read("ghcr.io/a/b:1"), "https://ghcr.io/v2/a/b/manifests/1")
	for _, wrong := range []string{"package-lock.json", "./nowhere", "Dockrfile", "text.txt", "empty", "UPPER", "/dev/null", "go.sum", "x.yaml"} {
		if got := read(wrong); !strings.HasPrefix(got, "true ") {
			t.Errorf("%s\n got %s\nwant a usage error", wrong, got)
		}
	}
	same(t, "a broken go.mod beside others", read("broken", "go/go.mod"), "unread broken/go.mod "+goes)
	write(t, filepath.Join(dir, "broken/Dockerfile"), []byte("FROM alpine:3\n"))
	write(t, filepath.Join(dir, "broken/yarn.lock"), []byte(strings.Repeat("x", 1<<10)))
	write(t, filepath.Join(dir, "broken/package-lock.json"), []byte("[]"))
	write(t, filepath.Join(dir, "broken/a.Dockerfile"), bytes.Repeat([]byte("x"), 2<<20))
	same(t, "a directory of broken files and a whole one", read("broken"),
		"unread broken/go.mod unread broken unread broken/a.Dockerfile https://registry-1.docker.io/v2/library/alpine/manifests/3")
}

// warmWorld is a Hither that answers as a function says.
type warmWorld struct {
	*warmer
	asked atomic.Int64
	kept  sync.Map // URL → Explanation of what is here
}

func newWarmWorld(t *testing.T, answer func(url string, n int64) (status int, body string)) *warmWorld {
	w := &warmWorld{}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		u, n := r.RequestURI, w.asked.Add(1)
		status, body := answer(u, n)
		rw.Header().Set("Cache-Status", "Hither; fwd=uri-miss; stored; detail=miss")
		rw.Header().Set("Hither-Source", "https://near.test")
		if status == http.StatusOK && body != "not kept" {
			w.kept.Store(u, true)
		}
		rw.WriteHeader(status)
		fmt.Fprint(rw, body)
	}))
	t.Cleanup(server.Close)
	w.warmer = &warmer{
		Proxy: server.Listener.Addr().String(), Why: w.why, Private: []string{"corp.test/*"},
		Tally: &warmTally{Began: time.Now()}, Pauses: []time.Duration{time.Millisecond, time.Millisecond},
	}
	t.Cleanup(w.warmer.close)
	return w
}

func (w *warmWorld) why(_ context.Context, u string) (Explanation, error) {
	switch {
	case strings.Contains(u, "unruled"):
		return Explanation{Note: "none"}, nil
	case strings.Contains(u, "unsaid"):
		return Explanation{}, errors.New("the running Hither went away")
	}
	e := Explanation{Rule: &RulePart{Keep: -1}}
	if strings.Contains(u, "never") {
		e.Rule.Keep = 0
	}
	if strings.Contains(u, "corp.test") {
		e.Rule.Subject = "corp.test/secret"
	}
	if _, e.Present = w.kept.Load(u); e.Present {
		e.Fresh, e.Cached = true, &cache.Entry{Size: 2}
	}
	return e, nil
}

func wantURL(u string) warmWant {
	return warmWant{Want: project.Want{URL: "https://r.test/" + u, Why: "test"}}
}

func TestWhatBecomesOfAWant(t *testing.T) {
	w := newWarmWorld(t, func(u string, n int64) (int, string) {
		switch {
		case strings.HasSuffix(u, "missing"):
			return http.StatusNotFound, "no"
		case strings.HasSuffix(u, "shaky"):
			return map[bool]int{true: http.StatusBadGateway, false: http.StatusOK}[n%2 == 1], "Nobody gave it."
		case strings.HasSuffix(u, "dead"):
			return http.StatusBadGateway, "Nobody gave it."
		case strings.HasSuffix(u, "full"):
			return http.StatusOK, "not kept"
		}
		return http.StatusOK, "ok"
	})
	w.kept.Store("https://r.test/here", true)
	bulk := wantURL("bulk")
	bulk.Bulk = true
	tree := wantURL("tree")
	tree.More = func(body []byte) ([]warmWant, error) {
		return []warmWant{wantURL("leaf-" + string(body)), wantURL("here"), tree}, nil
	}
	named := wantURL("unruled-but-named")
	named.Named = true
	w.run(t.Context(), []warmWant{wantURL("here"), bulk, bulk, tree, wantURL("unruled"), wantURL("unsaid"), wantURL("never"),
		wantURL("corp.test"), named, wantURL("missing"), wantURL("dead"), wantURL("full")})
	r := w.Tally.report()
	var failed []string
	for _, f := range r.Failed {
		failed = append(failed, strings.TrimPrefix(f.URL, "https://r.test/")+": "+f.Err)
	}
	slices.Sort(failed)
	same(t, "objects", r.Objects, 12)
	same(t, "already", r.Already, 1)
	same(t, "fetched", r.Fetched, 3)
	same(t, "bytes", r.Bytes, 8)
	same(t, "skipped", fmt.Sprint(r.Skipped), "map[never_kept:1 no_rule:1 private:1]")
	same(t, "failed", strings.Join(failed, "\n"), strings.Join([]string{
		"dead: Nobody gave it",
		"full: it came, but there was no room to keep it",
		"missing: the registry does not have it (404)",
		"unruled-but-named: no rule speaks of it",
		"unsaid: the running Hither went away",
	}, "\n"))
	s := w.Tally.stand()
	same(t, "done", s.Done, s.Objects)
	same(t, "known", s.Known, s.Bytes)
	same(t, "requests", w.asked.Load(), 4+1+3) // three that came and one that did not stay, one refusal, three tries
}

func TestAnObjectIsTriedAgain(t *testing.T) {
	w := newWarmWorld(t, func(_ string, n int64) (int, string) {
		return map[bool]int{true: http.StatusBadGateway, false: http.StatusOK}[n < 3], "ok"
	})
	w.run(t.Context(), []warmWant{wantURL("shaky")})
	same(t, "fetched", w.Tally.report().Fetched, 1)
	same(t, "requests", w.asked.Load(), 3)
}

// With the line cut, each object takes as long as Hither waits for all its sources: five thousand would take hours.
func TestAHostOfWhichNothingComesIsGivenUp(t *testing.T) {
	w := newWarmWorld(t, func(u string, _ int64) (int, string) {
		return map[bool]int{true: http.StatusOK, false: http.StatusBadGateway}[strings.Contains(u, "other.test")], "Nobody gave it."
	})
	var wants []warmWant
	for n := range 1000 {
		wants = append(wants, wantURL(fmt.Sprint(n)))
	}
	other := warmWant{Want: project.Want{URL: "https://other.test/x", Why: "test", Bulk: true}}
	w.run(t.Context(), append(wants, other))
	r := w.Tally.report()
	same(t, "failed", len(r.Failed), 1000)
	same(t, "fetched", r.Fetched, 1)
	if asked, most := w.asked.Load(), int64(1+3*(warmGiveUp+warmSmall)); asked > most {
		t.Errorf("requests\n got %d\nwant at most %d", asked, most)
	}
}

func TestADryRunFetchesNothing(t *testing.T) {
	w := newWarmWorld(t, func(string, int64) (int, string) { return http.StatusOK, "ok" })
	w.Dry = true
	w.kept.Store("https://r.test/here", true)
	w.run(t.Context(), []warmWant{wantURL("here"), wantURL("b"), wantURL("a")})
	same(t, "missing", join(w.Tally.report().Missing), "https://r.test/a, https://r.test/b")
	same(t, "requests", w.asked.Load(), 0)
}

func TestWhatIsHereAgreesWithWhatItsClientExpects(t *testing.T) {
	one, other := digest.Of(digest.SHA512, make([]byte, 64)), digest.Of(digest.SHA256, make([]byte, 32))
	entry := &cache.Entry{Digest: one}
	for _, row := range []struct {
		says  string
		claim digest.Digest
		e     Explanation
		want  bool
	}{
		{"fresh", "", Explanation{Cached: entry, Present: true, Fresh: true}, true},
		{"too old", "", Explanation{Cached: entry, Present: true}, false},
		{"evicted", "", Explanation{Cached: entry}, false},
		{"on a client's word, to the same", one, Explanation{Cached: entry, Present: true}, true},
		{"on a client's word, to another", other, Explanation{Cached: entry, Present: true, Fresh: true}, false},
		{"nothing", "", Explanation{}, false},
	} {
		same(t, row.says, isHere(warmWant{Claim: row.claim}, row.e), row.want)
	}
	same(t, "as npm writes it", sriOf(one), "sha512-"+strings.Repeat("A", 86)+"==")
}

func TestTheEndOfTheWorkIsTheEndOfTheWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var q warmQueue
		var done atomic.Int64
		time.AfterFunc(time.Second, cancel)
		q.run(ctx, []warmWant{wantURL("quick"), wantURL("slow"), wantURL("quick")}, func(ctx context.Context, w warmWant) {
			if w.URL == "https://r.test/slow" {
				<-ctx.Done()
			}
			done.Add(1)
		})
		same(t, "worked at", done.Load(), 2)
	})
}

func TestWarmSaysHowItEnded(t *testing.T) {
	w := newWorld(t)
	w.up()
	same(t, "a wrong argument", w.hither("warm", "./nowhere"), exitUsage)
	same(t, "a wrong platform", w.hither("warm", "--platform", "arm", "nginx"), exitUsage)
	same(t, "an empty directory", w.hither("warm"), exitUsage)
	contains(t, w.err.String(), "go where there is go.mod")
	write(t, filepath.Join(w.home, "Dockerfile"), []byte("FROM scratch\n"))
	same(t, "nothing to fetch", w.hither("warm"), 0)
	contains(t, w.out.String(), "There is nothing to fetch")
	same(t, "quiet", w.hither("warm", "--quiet"), 0)
	same(t, "words", w.out.String()+w.err.String(), "")
	same(t, "json", w.hither("warm", "--json"), 0)
	var r map[string]any
	if err := json.Unmarshal(w.out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"schema", "objects", "already", "fetched", "skipped", "failed", "bytes", "fetched_bytes", "sources", "took_ms", "interrupted"} {
		if value, ok := r[key]; !ok || value == nil {
			t.Errorf("--json has no %s", key)
		}
		contains(t, warmHelp(), key)
	}
}

func TestAWarmerKeepsWhatEitherSideCallsPrivate(t *testing.T) {
	a := &app{settings: Settings{Private: []string{"a.test"}}}
	w := a.newWarmer(session{Ready: Ready{Proxy: []string{"x"}}}, warmFlags{}, newWarmTally(nil), []string{"@corp"})
	same(t, "patterns", join(w.Private), "a.test, @corp")
}

func TestWarmNeedsACacheThatStays(t *testing.T) {
	w := newWorld(t)
	same(t, "status", w.hither("warm", "--cache", "off", "--listen", "127.0.0.1:0", "nginx"), exitUsage)
	contains(t, w.err.String(), "--cache", "nothing would stay")
}
