package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hither/cmd/hither/control"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/settings"
	"hither/cmd/hither/warm"
	"hither/cmd/hither/why"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestStatusIsForPeopleAndPrograms(t *testing.T) {
	w := newWorld(t)
	ready, _ := w.up()
	same(t, "status", w.hither("status"), 0)
	contains(t, w.out.String(), "is up on "+ready.Proxy[0], "40 hit, 2 miss, 3 tunnels", "7 requests for the network", "5 MiB sent, 4 MiB of them saved", "1m30s", "1 MiB in 2 blobs under 2 names, of 20 GiB",
		"https://registry.npmjs.org (origin)", "48ms", "3 MiB/s", "Upstreams not asked yet: 1.", "https://liar.example", "sent wrong bytes; asked last",
		"3 MiB, 100 KiB of them for nothing but speed", "2 requests, because the first source was late; the second one was faster for 1", "1m ago  https://registry.npmjs.org/x  no source answered")
	same(t, "status --json", w.hither("status", "--json"), 0)
	var status control.Status
	if err := json.Unmarshal(w.out.Bytes(), &status); err != nil {
		t.Fatal(err)
	}
	same(t, "pid", status.Ready.PID, os.Getpid())
	same(t, "hits", status.Requests["hit"], 40)
}

func TestUpstreamsThatWereNotAskedAreOneLine(t *testing.T) {
	var out bytes.Buffer
	(&app{out: &out}).printUpstreams([]control.Upstream{{}})
	same(t, "out", out.String(), "\nUpstreams not asked yet: 1.\n")
}

func TestWhyGivesEveryReason(t *testing.T) {
	w := newWorld(t)
	w.up()
	same(t, "why", w.hither("why", "registry.npmjs.org/a/-/a-1.0.0.tgz"), 0)
	contains(t, w.out.String(), "rule npm (npm.toml:31)", "cannot change", "the registry's own list of versions names the bytes (notary npm), so whoever is fastest", "2 KiB sent by https://mirror.example and vouched for by npm, confirmed 1h ago, so it is served at once; fetching it took 310ms.",
		"1m ago, hit, 2 KiB, 310ms saved.", "https://slow.example: broke, 1s to the first byte, 1s in all, 0 B: it stalled.", "Source 1: https://mirror.example/a: fastest lately.", "Source 2: https://registry.npmjs.org/a (the origin).")
	same(t, "why --json", w.hither("why", "--json", "https://registry.npmjs.org/a"), 0)
	var e why.Explanation
	if err := json.Unmarshal(w.out.Bytes(), &e); err != nil {
		t.Fatal(err)
	}
	same(t, "url", e.URL, "https://registry.npmjs.org/a")
	same(t, "lines", len(e.Lines) > 5, true)
	same(t, "no URL", w.hither("why", "ftp://x"), exitUsage)
}

func TestExplanationsOfOtherKinds(t *testing.T) {
	now := time.Now()
	private := explained(now)
	private.Private, private.Rule.Subject = "@corp/*", "@corp/x"
	evicted := explained(now)
	evicted.Present = false
	origin := explained(now)
	origin.Rule.From, origin.Rule.Keep, origin.Cached, origin.Last = "origin", 5*time.Minute, nil, nil
	tag := explained(now)
	tag.Rule.Rule, tag.Rule.From, tag.Rule.Notary, tag.Rule.Keep = "docker", "quorum", "tag", 30*time.Second
	tag.Cached.Vouched, tag.Sources[1].URL = "quorum of a.test and b.test", "https://registry-1.docker.io/v2/a/manifests/1"
	claimed := explained(now)
	claimed.Rule.Notary, claimed.Rule.Why, claimed.Rule.Keep = "", "a wrong list can only hide a version", 0
	for _, row := range []struct {
		says string
		e    why.Explanation
		want string
	}{
		{"in no rule", why.Explanation{Note: "No rule speaks of this host, so it is tunnelled unseen"}, "No rule speaks of this host"},
		{"private", private, "@corp/x is private by your pattern @corp/*, so only the origin is asked."},
		{"evicted", evicted, "it was kept and has been evicted"},
		{"only the origin", origin, "Authority: only the origin may send it."},
		{"kept for a time", origin, "Keep: for 5m at most, then the origin is asked"},
		{"a quorum", tag, "Authority: registry-1.docker.io says which digest a tag means; while it does not answer, two mirrors of different operators that agree, or one alone if your trust-one-mirror names docker."},
		{"kept on the word of mirrors", tag, "vouched for by no authority but, while the origin did not answer, by the quorum of a.test and b.test, confirmed 1h"},
		{"not kept yet", origin, "Cache: nothing is kept."},
		{"never kept", claimed, "Keep: never; each request"},
		{"a reason in words", claimed, "any source may send them, because a wrong list can only hide a version."},
	} {
		if text := strings.Join(row.e.Sentences(now), "\n"); !strings.Contains(text, row.want) {
			t.Errorf("%s\n got %s\nwant in it %s", row.says, text, row.want)
		}
	}
}

func TestTheCacheIsLookedAfter(t *testing.T) {
	w := newWorld(t)
	w.up()
	same(t, "du", w.hither("cache", "du"), 0)
	contains(t, w.out.String(), "1 MiB in 1 blob under 2 names; in memory, until Hither ends")
	same(t, "verify", w.hither("cache", "verify"), 0)
	contains(t, w.out.String(), "2 blobs with 2 MiB read; 0 damaged")
	w.fake.lost = 1
	same(t, "verify with damage", w.hither("cache", "verify"), exitFailed)
	same(t, "rm", w.hither("cache", "rm", "registry.npmjs.org/x"), 0)
	same(t, "removed", w.fake.removed.Load().(string), "https://registry.npmjs.org/x false")
	same(t, "rm --all", w.hither("cache", "rm", "--all"), 0)
	same(t, "removed", w.fake.removed.Load().(string), " true")
	same(t, "rm nothing", w.hither("cache", "rm"), exitUsage)
	same(t, "rm both", w.hither("cache", "rm", "--all", "x"), exitUsage)
}

func TestConfigShowsWhereEachValueComesFrom(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	file := filepath.Join(w.home, "my.toml")
	write(t, file, []byte("cache = \"off\"\n"))
	w.env = append(w.env, "HTTPS_PROXY=http://me:hush@proxy.corp:3128")
	same(t, "config", w.hither("config", "--config", file, "--cache-limit", "1GiB"), 0)
	contains(t, w.out.String(), "# From: ", "From: "+file+":1.\ncache = \"off\"", "From: --cache-limit.\ncache-limit = \"1 GiB\"", "From: HTTPS_PROXY.\nupstream-proxy = \"http://…@proxy.corp:3128\"")
	shown := filepath.Join(w.home, "shown.toml")
	write(t, shown, []byte(strings.ReplaceAll(w.out.String(), "…@", "")))
	same(t, "what it prints is a configuration", w.hither("config", "--json", "--config", shown), 0)
	var list []setting
	if err := json.Unmarshal(w.out.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	same(t, "keys", len(list), len(settings.Keys()))
	for _, s := range list {
		if s.Name == "dns" { // said to be empty, it would be off
			same(t, "where dns comes from then", s.From, "default")
		}
	}
}

func TestWrongCommandLines(t *testing.T) {
	w := newWorld(t)
	for _, row := range []struct {
		args []string
		want int
	}{
		{[]string{"upp"}, exitUsage},
		{[]string{"up", "--no-such-flag"}, exitUsage},
		{[]string{"up", "x"}, exitUsage},
		{[]string{"run"}, exitHither},
		{[]string{"run", "--no-such-flag", "true"}, exitHither},
		{[]string{"help", "upp"}, exitUsage},
		{[]string{"completion", "tcsh"}, exitUsage},
		{[]string{"--version"}, 0},
		{[]string{"why"}, exitUsage},
		{[]string{"env", "--shell", "tcsh"}, exitUsage},
		{[]string{"up", "--listen", "0.0.0.0:1"}, exitUsage},
		{[]string{"run", "--listen", "0.0.0.0:1", "--", "true"}, exitHither},
		{[]string{}, 0},
		{[]string{"version"}, 0},
		{[]string{"completion", "fish"}, 0},
	} {
		same(t, strings.Join(row.args, " "), w.hither(row.args...), row.want)
	}
}

// A wrong command line is answered with how to write it.
func TestWrongCommandLinesAreToldInWords(t *testing.T) {
	w := newWorld(t)
	for line, want := range map[string]string{
		"stat":                   "there is no command `hither stat`, but status: see `hither --help`",
		"cache vrify":            "there is no command `hither cache vrify`, but verify: see `hither cache --help`",
		"help upp":               "there is no command `hither upp`, but up: see `hither --help`",
		"why":                    "an argument is missing: write it as `hither why URL [flags]`",
		"status now":             "\"now\" is one argument too many: write it as `hither status [flags]`",
		"mirrors --count few":    "--count: \"few\" is not a whole number",
		"mirrors --interval 5":   "--interval: \"5\" is not a time such as 10s",
		"status --verbose=maybe": "--verbose: \"maybe\" is not true or false",
		"warm --platform=":       "--platform is empty: write it as linux/arm64",
		"up --cache maybe":       "hither: --cache: \"maybe\" is neither disk nor off",
	} {
		same(t, "status of "+line, w.hither(strings.Fields(line)...), exitUsage)
		contains(t, w.err.String(), want)
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// Half an answer in a file must not pass for a whole one.
func TestAnAnswerThatCannotBeWrittenIsAFailure(t *testing.T) {
	w := newWorld(t)
	w.up()
	for _, line := range []string{"--help", "help up", "version", "version --json", "status", "config", "cache du", "cache rm --all", "completion zsh", "mirrors set --help"} {
		var said bytes.Buffer
		a := &app{in: strings.NewReader(""), out: full{}, err: &said, env: w.env, dir: w.home, serve: w.fake.serve}
		same(t, "status of "+line, a.run(t.Context(), strings.Fields(line)), exitFailed)
		same(t, "what "+line+" says", said.String(), "hither: the answer is not all there: no space left on device; have it written elsewhere\n")
	}
}

// What a flag wants is one word. Backquotes in a description made it the text between them.
func TestHelpSaysWhatAFlagWantsInOneWord(t *testing.T) {
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if kind, _ := pflag.UnquoteUsage(f); strings.Contains(kind, " ") {
				t.Errorf("%s --%s\n got %s\nwant one word", c.CommandPath(), f.Name, kind)
			}
		})
		for _, below := range c.Commands() {
			look(below)
		}
	}
	look((&app{}).root())
}

func TestAdviceFindsTheStateDirectory(t *testing.T) {
	skipElsewhere(t)
	var out, said strings.Builder
	a := &app{out: &out, err: &said, before: environ.List{"HOME=/home/u"}, settings: settings.Settings{State: "/other"}}
	report := warm.Report{Failed: []warm.Failure{{URL: "u", Err: "no room", Next: "look with `hither cache du`, and wait"}}}
	same(t, "failed", a.reportWarm(report, warmFlags{}, nil) != nil, true)
	contains(t, said.String(), "look with `hither cache du --state /other`, and wait")
	same(t, "named already", a.advice("`hither run --state /x -- COMMAND`"), "`hither run --state /x -- COMMAND`")
	same(t, "no call", a.advice("what `hitherto` was"), "what `hitherto` was")
	a.settings.State = "/home/u/.local/state/hither"
	same(t, "the usual one", a.advice("`hither status`"), "`hither status`")
}

// What is told to type finds the state directory that was asked for, and another user's is not told to be ended.
func TestWhoCannotBeAsked(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	same(t, "status", w.hither("status"), exitNotRunning)
	contains(t, w.err.String(), "start it with `hither up`, or for one command with `hither run -- COMMAND`")
	other := filepath.Join(w.home, "other")
	same(t, "why", w.hither("why", "--state", other, "/go/x"), exitNotRunning)
	contains(t, w.err.String(), "start it with `hither up --state "+other+"`")

	mirror := "https://goproxy.cn"
	same(t, "off", w.hither("mirrors", "off", mirror, "--state", other), 0)
	contains(t, w.out.String(), "`hither mirrors on "+mirror+" --state "+other+"` takes that back")
	same(t, "set", w.hither("mirrors", "set", "go", mirror, "--state", other), exitFailed)
	contains(t, w.err.String(), "switch it on first with `hither mirrors on "+mirror+" --state "+other+"`")

	c := control.NewClient(other)
	c.HTTP.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, fs.ErrPermission }
	_, err := c.Status(t.Context())
	contains(t, err.Error(), "permission", other, "ask as that user")
	same(t, "what doctor looks for", errors.Is(err, fs.ErrPermission), true)
}

func TestABrokenConfigurationDoesNotHideTheVersion(t *testing.T) {
	skipElsewhere(t)
	w := newWorld(t)
	write(t, filepath.Join(w.home, ".config/hither/config.toml"), []byte("nonsense = 1"))
	same(t, "status", w.hither("status"), exitFailed)
	contains(t, w.err.String(), "config.toml:1: nonsense")
	same(t, "version", w.hither("version", "--json"), 0)
	contains(t, w.out.String(), `"version": `, `"go": "go`)
	same(t, "help", w.hither("help", "status"), 0)
	same(t, "completion", w.hither("completion", "bash"), 0)
	same(t, "nothing", w.hither(), 0)
	same(t, "the words that fit", w.hither("__complete", "unins"), 0)
	contains(t, w.out.String(), "uninstall\t")
}

func TestWhoIsStoppedBeforeTheBeginEndsWithTheSignal(t *testing.T) {
	err := stoppedBefore(os.Interrupt)
	same(t, "status of warm", exitStatus(err), 130)
	same(t, "status of run", exitStatus(orStatus(exitHither, err)), exitHither)
	same(t, "says", err.Error(), "stopped by a signal (interrupt) before the command began")
}
