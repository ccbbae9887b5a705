package warm

import (
	"bytes"
	"context"
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
	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/terminal"
	"hither/cmd/hither/why"
	"hither/forward/project"
)

func TestArgumentsOfWarm(t *testing.T) {
	dir := t.TempDir()
	hithertest.Write(t, filepath.Join(dir, "go/go.mod"), []byte("module m\n\ngo 1.22\n\nrequire world.test/a v1.0.0\n"))
	hithertest.Write(t, filepath.Join(dir, "docker/prod.Dockerfile"), []byte("FROM alpine:3\n"))
	hithertest.Write(t, filepath.Join(dir, "docker/Dockerfile.dockerignore"), []byte("FROM no:1\n"))
	hithertest.Write(t, filepath.Join(dir, "text.txt"), nil)
	hithertest.Write(t, filepath.Join(dir, "empty/x"), nil)
	hithertest.Write(t, filepath.Join(dir, "broken/go.mod"), []byte("nonsense"))
	read := func(args ...string) string {
		r := &Reader{Dir: dir, Platforms: []Platform{{OS: "linux", Arch: "amd64"}}, Registries: Registries{GoProxy: "https://proxy.golang.org"}}
		wants, err := r.Read(args)
		var out []string
		for _, f := range r.Unread {
			out = append(out, "unread "+strings.TrimPrefix(f.URL, terminal.Plain(dir)+"/"))
		}
		for _, w := range wants {
			out = append(out, w.URL)
		}
		if err != nil {
			wrong := (*argumentError)(nil)
			out = append(out, fmt.Sprint(errors.As(err, &wrong), " ", err))
		}
		return strings.Join(out, " ")
	}
	goes := "https://proxy.golang.org/world.test/a/@v/v1.0.0.mod https://proxy.golang.org/world.test/a/@v/v1.0.0.info https://proxy.golang.org/world.test/a/@v/v1.0.0.zip"
	hithertest.Same(t, "a module", read("go"), goes)
	hithertest.Same(t, "its go.mod", read("go/go.mod"), goes)
	hithertest.Same(t, "a directory with a Dockerfile", read("docker"), "https://registry-1.docker.io/v2/library/alpine/manifests/3")
	hithertest.Same(t, "two", read("go", "docker/prod.Dockerfile"), goes+" https://registry-1.docker.io/v2/library/alpine/manifests/3")
	hithertest.Same(t, "an image", read("ghcr.io/a/b:1"), "https://ghcr.io/v2/a/b/manifests/1")
	for _, wrong := range []string{"package-lock.json", "./nowhere", "Dockrfile", "text.txt", "empty", "UPPER", "/dev/null", "go.sum", "x.yaml"} {
		if got := read(wrong); !strings.HasPrefix(got, "true ") {
			t.Errorf("%s\n got %s\nwant a usage error", wrong, got)
		}
	}
	hithertest.Same(t, "a broken go.mod beside others", read("broken", "go/go.mod"), "unread broken/go.mod "+goes)
	hithertest.Write(t, filepath.Join(dir, "broken/Dockerfile"), []byte("FROM alpine:3\n"))
	hithertest.Write(t, filepath.Join(dir, "broken/yarn.lock"), []byte(strings.Repeat("x", 1<<10)))
	hithertest.Write(t, filepath.Join(dir, "broken/package-lock.json"), []byte("[]"))
	hithertest.Write(t, filepath.Join(dir, "broken/a.Dockerfile"), bytes.Repeat([]byte("x"), 2<<20))
	hithertest.Same(t, "a directory of broken files and a whole one", read("broken"),
		"unread broken/go.mod unread broken unread broken/a.Dockerfile https://registry-1.docker.io/v2/library/alpine/manifests/3")
}

// world is a Hither that answers as a function says.
type world struct {
	*Warmer
	asked atomic.Int64
	kept  sync.Map // URL → Explanation of what is here
}

func newWorld(t *testing.T, answer func(url string, n int64) (status int, body string)) *world {
	w := &world{}
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
	w.Warmer = &Warmer{
		Proxy: server.Listener.Addr().String(), Why: w.why, Private: []string{"corp.test/*"},
		Tally: &Tally{Began: time.Now()}, Pauses: []time.Duration{time.Millisecond, time.Millisecond},
	}
	t.Cleanup(w.Warmer.Close)
	return w
}

func (w *world) why(_ context.Context, u string) (why.Explanation, error) {
	switch {
	case strings.Contains(u, "unruled"):
		return why.Explanation{Note: "none"}, nil
	case strings.Contains(u, "unsaid"):
		return why.Explanation{}, errors.New("the running Hither went away")
	}
	e := why.Explanation{Rule: &why.RulePart{Keep: -1}}
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

func wantURL(u string) Want {
	return Want{Want: project.Want{URL: "https://r.test/" + u, Why: "test"}}
}

func TestWhatBecomesOfAWant(t *testing.T) {
	w := newWorld(t, func(u string, n int64) (int, string) {
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
	tree.More = func(body []byte) ([]Want, error) {
		return []Want{wantURL("leaf-" + string(body)), wantURL("here"), tree}, nil
	}
	named := wantURL("unruled-but-named")
	named.Named = true
	w.Run(t.Context(), []Want{wantURL("here"), bulk, bulk, tree, wantURL("unruled"), wantURL("unsaid"), wantURL("never"),
		wantURL("corp.test"), named, wantURL("missing"), wantURL("dead"), wantURL("full")})
	r := w.Tally.Report()
	var failed []string
	for _, f := range r.Failed {
		failed = append(failed, strings.TrimPrefix(f.URL, "https://r.test/")+": "+f.Err)
	}
	slices.Sort(failed)
	hithertest.Same(t, "objects", r.Objects, 12)
	hithertest.Same(t, "already", r.Already, 1)
	hithertest.Same(t, "fetched", r.Fetched, 3)
	hithertest.Same(t, "bytes", r.Bytes, 8)
	hithertest.Same(t, "skipped", fmt.Sprint(r.Skipped), "map[never_kept:1 no_rule:1 private:1]")
	hithertest.Same(t, "failed", strings.Join(failed, "\n"), strings.Join([]string{
		"dead: Nobody gave it",
		"full: it came, but there was no room to keep it",
		"missing: the registry does not have it (404)",
		"unruled-but-named: no rule speaks of it",
		"unsaid: the running Hither went away",
	}, "\n"))
	s := w.Tally.Stand()
	hithertest.Same(t, "done", s.Done, s.Objects)
	hithertest.Same(t, "known", s.Known, s.Bytes)
	hithertest.Same(t, "requests", w.asked.Load(), 4+1+3) // three that came and one that did not stay, one refusal, three tries
}

func TestAnObjectIsTriedAgain(t *testing.T) {
	w := newWorld(t, func(_ string, n int64) (int, string) {
		return map[bool]int{true: http.StatusBadGateway, false: http.StatusOK}[n < 3], "ok"
	})
	w.Run(t.Context(), []Want{wantURL("shaky")})
	hithertest.Same(t, "fetched", w.Tally.Report().Fetched, 1)
	hithertest.Same(t, "requests", w.asked.Load(), 3)
}

// With the line cut, each object takes as long as Hither waits for all its sources: five thousand would take hours.
func TestAHostOfWhichNothingComesIsGivenUp(t *testing.T) {
	w := newWorld(t, func(u string, _ int64) (int, string) {
		return map[bool]int{true: http.StatusOK, false: http.StatusBadGateway}[strings.Contains(u, "other.test")], "Nobody gave it."
	})
	var wants []Want
	for n := range 1000 {
		wants = append(wants, wantURL(fmt.Sprint(n)))
	}
	other := Want{Want: project.Want{URL: "https://other.test/x", Why: "test", Bulk: true}}
	w.Run(t.Context(), append(wants, other))
	r := w.Tally.Report()
	hithertest.Same(t, "failed", len(r.Failed), 1000)
	hithertest.Same(t, "fetched", r.Fetched, 1)
	if asked, most := w.asked.Load(), int64(1+3*(giveUpAfter+smallAtOnce)); asked > most {
		t.Errorf("requests\n got %d\nwant at most %d", asked, most)
	}
}

func TestADryRunFetchesNothing(t *testing.T) {
	w := newWorld(t, func(string, int64) (int, string) { return http.StatusOK, "ok" })
	w.Dry = true
	w.kept.Store("https://r.test/here", true)
	w.Run(t.Context(), []Want{wantURL("here"), wantURL("b"), wantURL("a")})
	hithertest.Same(t, "missing", strings.Join(w.Tally.Report().Missing, ", "), "https://r.test/a, https://r.test/b")
	hithertest.Same(t, "requests", w.asked.Load(), 0)
}

// What Hither says of a URL is of one of its documents, and its client may ask for another.
func TestADocumentOfSeveralIsAskedFor(t *testing.T) {
	for _, row := range []struct {
		says            string
		dry             bool
		status          int
		missing, failed int
	}{
		{"it is fetched", false, http.StatusOK, 0, 0},
		{"a dry run finds it", true, http.StatusOK, 0, 0},
		{"a dry run does not", true, http.StatusGatewayTimeout, 1, 0},
	} {
		w := newWorld(t, func(string, int64) (int, string) { return row.status, "ok" })
		w.Dry = row.dry
		w.kept.Store("https://r.test/a", true)
		want := wantURL("a")
		want.Accept = []string{"application/vnd.npm.install-v1+json"}
		w.Run(t.Context(), []Want{want})
		r := w.Tally.Report()
		hithertest.Same(t, row.says+": requests", w.asked.Load(), 1)
		hithertest.Same(t, row.says+": missing", len(r.Missing), row.missing)
		hithertest.Same(t, row.says+": failed", len(r.Failed), row.failed)
	}
}

func TestWhatIsHereAgreesWithWhatItsClientExpects(t *testing.T) {
	one, other := digest.Of(digest.SHA512, make([]byte, 64)), digest.Of(digest.SHA256, make([]byte, 32))
	entry := &cache.Entry{Digest: one}
	for _, row := range []struct {
		says  string
		claim digest.Digest
		e     why.Explanation
		want  bool
	}{
		{"fresh", "", why.Explanation{Cached: entry, Present: true, Fresh: true}, true},
		{"too old", "", why.Explanation{Cached: entry, Present: true}, false},
		{"evicted", "", why.Explanation{Cached: entry}, false},
		{"on a client's word, to the same", one, why.Explanation{Cached: entry, Present: true}, true},
		{"on a client's word, to another", other, why.Explanation{Cached: entry, Present: true, Fresh: true}, false},
		{"nothing", "", why.Explanation{}, false},
	} {
		hithertest.Same(t, row.says, isHere(Want{Claim: row.claim}, row.e), row.want)
	}
	hithertest.Same(t, "as npm writes it", sriOf(one), "sha512-"+strings.Repeat("A", 86)+"==")
}

func TestTheEndOfTheWorkIsTheEndOfTheWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var q queue
		var done atomic.Int64
		time.AfterFunc(time.Second, cancel)
		q.run(ctx, []Want{wantURL("quick"), wantURL("slow"), wantURL("quick")}, func(ctx context.Context, w Want) {
			if w.URL == "https://r.test/slow" {
				<-ctx.Done()
			}
			done.Add(1)
		})
		hithertest.Same(t, "worked at", done.Load(), 2)
	})
}

func TestWarmSaysHowMuchIsHere(t *testing.T) {
	for _, row := range []struct {
		r    Report
		want string
	}{
		{Report{Objects: 1}, "0 of 1 object is here, with 0 B: 0 from before, and 0 that came in 0s."},
		{Report{Objects: 12, Fetched: 1, Bytes: 5}, "1 of 12 objects is here, with 5 B: 0 from before, and 1 that came in 0s."},
		{Report{Objects: 12, Already: 3}, "3 of 12 objects are here, with 0 B: 3 from before, and 0 that came in 0s."},
	} {
		hithertest.Same(t, "summary", row.r.Sentences()[0], row.want)
	}
}
