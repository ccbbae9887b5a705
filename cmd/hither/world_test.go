package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hither/cache"
	"hither/cache/digest"
	"hither/cmd/hither/control"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/mirrors"
	"hither/cmd/hither/port"
	"hither/cmd/hither/projects"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/why"
	"hither/forward/fetch"
	"hither/forward/measure"
	"hither/install/stage"
)

// TestMain lets the test binary be the program, so that signals and exit statuses are the real ones.
func TestMain(m *testing.M) {
	if os.Getenv("BE_HITHER") == "" {
		hithertest.HearSignals()
		os.Exit(m.Run())
	}
	dir, _ := os.Getwd()
	serve := (&fakeHither{}).serve
	if os.Getenv("BE_DEAF") != "" {
		serve = func(_ context.Context, _ settings.Settings, _ *slog.Logger, ready func(control.Ready)) error {
			ready(control.Ready{Proxy: []string{"127.0.0.1:1"}})
			select {}
		}
	}
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Environ(), dir: dir, serve: serve}
	os.Exit(a.run(context.Background(), os.Args[1:]))
}

// world is one user with an empty home.
type world struct {
	t    *testing.T
	home string
	dir  string // the working directory; empty: home
	env  environ.List
	fake *fakeHither
	out  bytes.Buffer
	err  bytes.Buffer
}

func newWorld(t *testing.T) *world {
	home := t.TempDir()
	roots := filepath.Join(home, "system.pem")
	write(t, roots, stage.RootPEM("System Root"))
	return &world{t: t, home: home, fake: &fakeHither{}, env: environ.List{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "SSL_CERT_FILE=" + roots, "SSL_CERT_DIR=" + filepath.Join(home, "none"), "GOENV=off",
		"npm_config_globalconfig=" + filepath.Join(home, "none"), "PIP_CONFIG_FILE=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1", // this machine's own
	}}
}

func (w *world) state() string { return filepath.Join(w.home, ".local", "state", "hither") }

// hither runs one command line and returns its exit status; out and err hold what it printed.
func (w *world) hither(args ...string) int {
	w.t.Helper()
	w.out.Reset()
	w.err.Reset()
	a := &app{in: strings.NewReader(""), out: &w.out, err: &w.err, env: w.env, dir: cmp.Or(w.dir, w.home), serve: w.fake.serve}
	return a.run(w.t.Context(), append([]string{}, args...)) // nil would be those of this test
}

// up runs the fake Hither until the test ends, or until the returned function is called.
func (w *world) up() (control.Ready, func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan control.Ready, 1)
	done := make(chan error, 1)
	s := settings.Settings{State: w.state(), Listen: []string{"127.0.0.1:0"}}
	go func() {
		done <- w.fake.serve(ctx, s, slog.New(slog.DiscardHandler), func(r control.Ready) { ready <- r })
	}()
	stop := func() { cancel(); <-done; done <- nil }
	w.t.Cleanup(stop)
	select {
	case <-ready:
		r, err := control.NewClient(w.state()).Ready(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		return r, stop
	case err := <-done:
		done <- nil
		w.t.Fatal(err)
	}
	return control.Ready{}, nil
}

// fakeHither does what serve.go does, with nothing behind the proxy.
type fakeHither struct {
	asked   atomic.Int64 // requests at the proxy
	starts  atomic.Int64
	lasting atomic.Bool    // what the last start was told
	removed atomic.Value   // what Remove was asked for
	lost    int64          // what Verify finds
	survey  mirrors.Survey // what Survey finds
	chose   atomic.Value   // what Choose was asked for
}

func (f *fakeHither) serve(ctx context.Context, s settings.Settings, log *slog.Logger, ready func(control.Ready)) error {
	f.starts.Add(1)
	f.lasting.Store(s.Lasting)
	c, err := control.Open(s.State)
	if err != nil {
		return err
	}
	defer c.Close()
	listeners, err := port.Listen(ctx, s.Listen, nil)
	if err != nil {
		return err
	}
	r := control.Ready{PID: os.Getpid(), Version: version(), Since: time.Now(), CA: filepath.Join(s.State, "ca.pem"), State: s.State, Upstream: s.UpstreamProxy}
	if err := os.WriteFile(r.CA, stage.RootPEM("Hither Root"), 0o600); err != nil {
		return err
	}
	at := projects.New(s.ReadProjects, s.Listen, s.Runner)
	c.Enter = at.Enter
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked.Add(1)
		if r.URL.Path == "/where" {
			fmt.Fprint(w, "you work in "+where(at, r))
			return
		}
		fmt.Fprint(w, "through hither")
	})}
	defer server.Close()
	for _, l := range listeners {
		r.Proxy = append(r.Proxy, l.Addr().String())
		go server.Serve(l)
	}
	log.Info("ready")
	return c.Serve(ctx, f, r, ready)
}

func (f *fakeHither) Status(context.Context) (control.Status, error) {
	now := time.Now()
	return control.Status{
		Requests: map[fetch.State]int64{fetch.Miss: 2, fetch.Hit: 40}, Tunnels: 3, Waiting: 7, Served: 5 << 20, Saved: 4 << 20, TimeSaved: 90 * time.Second,
		Fetched: 3 << 20, Extra: 100 << 10, Hedges: measure.Hedges{Requests: 42, Hedges: 2, Won: 1},
		Upstreams: []control.Upstream{{Rule: "npm", Base: "https://liar.example", Note: "sent wrong bytes; asked last for another 71h"}, {Rule: "npm", Base: "https://registry.npmjs.org", Origin: true, Requests: 2, Wait: 48 * time.Millisecond, Speed: 3 << 20}, {Rule: "npm", Base: "https://idle.example"}},
		Errors:    []control.Failure{{When: now.Add(-time.Minute), URL: "https://registry.npmjs.org/x", Err: "no source answered"}},
		Cache:     cache.Usage{Names: 2, Blobs: 2, Bytes: 1 << 20, Limit: 20 << 30},
	}, nil
}

func (f *fakeHither) Why(_ context.Context, url string) (why.Explanation, error) {
	if strings.Contains(url, "broken") {
		return why.Explanation{}, errors.New("the store cannot be read; see https://user:secret@host/?token=abc")
	}
	return explained(time.Now()), nil
}

func (f *fakeHither) Usage(context.Context) (cache.Usage, error) {
	return cache.Usage{Names: 2, Blobs: 1, Bytes: 1 << 20}, nil
}

func (f *fakeHither) Verify(_ context.Context, progress func(control.Verification)) error {
	progress(control.Verification{Blobs: 1})
	progress(control.Verification{Blobs: 2, Bytes: 2 << 20, Lost: f.lost, Done: true})
	return nil
}

func (f *fakeHither) Survey(ctx context.Context, ask mirrors.Ask, progress func(mirrors.SurveyLine)) (mirrors.Survey, error) {
	r := surveyed()
	for i := range ask.Count {
		progress(mirrors.SurveyLine{Done: i + 1, Total: ask.Count, Rule: "go", Result: &r})
	}
	if slices.Contains(ask.Rules, "nothing") {
		return mirrors.Survey{}, mirrors.Unknownf("there is no rule %q: name one of go, npm", "nothing")
	}
	return f.survey, ctx.Err()
}

func (f *fakeHither) History(context.Context) ([]mirrors.History, error) { return nil, nil }

func (f *fakeHither) Choose(_ context.Context, c mirrors.Change) (string, error) {
	f.chose.Store(c)
	return "done as told", nil
}

func (f *fakeHither) Remove(_ context.Context, url string, all bool) (control.Removal, error) {
	f.removed.Store(fmt.Sprint(url, " ", all))
	return control.Removal{Names: 1, Bytes: 1024}, nil
}

// explained is an npm tarball that a mirror sent.
func explained(now time.Time) why.Explanation {
	return why.Explanation{
		URL:     "https://registry.npmjs.org/a/-/a-1.0.0.tgz",
		Rule:    &why.RulePart{Rule: "npm", File: "npm.toml", Line: 31, Pattern: "/{package}/-/{file}", Keep: -1, From: "any", Notary: "npm", Name: "npm/a"},
		Cached:  &cache.Entry{Digest: digest.Of(digest.SHA256, make([]byte, 32)), Size: 2048, Source: "https://mirror.example", Vouched: "npm", Checked: now.Add(-time.Hour), Took: 310 * time.Millisecond},
		Present: true, Fresh: true,
		Last: &fetch.Report{State: fetch.Hit, When: now.Add(-time.Minute), Bytes: 2048, Saved: 310 * time.Millisecond,
			Tries: []fetch.Try{{Base: "https://slow.example", Outcome: measure.Broken, Wait: time.Second, Took: time.Second, Err: "it stalled"}}},
		Sources: []why.Source{{URL: "https://mirror.example/a", Why: "fastest lately"}, {URL: "https://registry.npmjs.org/a", Origin: true}},
	}
}

// rootNames lists whose certificates a bundle holds.
func rootNames(t *testing.T, path string) string {
	t.Helper()
	return hithertest.RootNames(t, path)
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	hithertest.Write(t, path, data)
}

// same fails with both values on lines of their own.
func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	hithertest.Same(t, what, got, want)
}

// contains fails unless text has every part.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	hithertest.Contains(t, text, parts...)
}

// skipElsewhere leaves out what speaks of paths and permissions as Linux has them.
func skipElsewhere(t *testing.T) {
	t.Helper()
	hithertest.SkipElsewhere(t)
}

// rule is a rule file for one host.
func rule(name, host string) []byte { return hithertest.Rule(name, host) }
