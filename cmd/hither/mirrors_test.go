package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hither/cmd/hither/mirrors"
	"hither/forward/measure"
)

const ms = time.Millisecond

// surveyed is one good measurement of goproxy.cn.
func surveyed() measure.Result {
	return measure.Result{
		Base: "https://goproxy.cn", Proto: "h2", Outcome: measure.OK, Status: 200, Addr: "203.0.113.7:443", Newest: "v1.9.0",
		Phases: measure.Phases{DNS: 1200 * time.Microsecond, Connect: 30900 * time.Microsecond, TLS: 33 * ms, Wait: 38100 * time.Microsecond, Total: 104200 * time.Microsecond},
	}
}

// surveyOfTwo is a survey with all kinds of upstreams.
func surveyOfTwo(t *testing.T) (s mirrors.Survey) {
	t.Helper()
	if err := json.Unmarshal([]byte(surveyDocument(t)), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// surveyDocument is its JSON, which the tests of package mirrors keep.
func surveyDocument(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("mirrors", "testdata", "mirrors.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestOnlyATerminalGetsColours(t *testing.T) {
	w := newWorld(t)
	same(t, "not a terminal", (&app{out: &w.out, env: w.env}).ink().On, false)
}

// What programs rely on: see `hither mirrors --help`.
func TestTheJSONOfMirrorsIsStable(t *testing.T) {
	w := newWorld(t)
	w.fake.survey = surveyOfTwo(t)
	w.up()
	same(t, "status", w.hither("mirrors", "--json"), exitNoSource) // npm has none
	same(t, "the document", w.out.String(), surveyDocument(t))
	var s mirrors.Survey
	if err := json.Unmarshal(w.out.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	same(t, "schema", s.Schema, 1)
	contains(t, w.err.String(), "no source works for npm")
}

func TestTheHelpNamesEveryFieldOfTheJSON(t *testing.T) {
	var document any
	text, err := json.Marshal(surveyOfTwo(t))
	if err != nil || json.Unmarshal(text, &document) != nil {
		t.Fatal(err)
	}
	outcomes := map[string]bool{"ok": true, "web page": true, "not spoken": true}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				if !strings.Contains(mirrorsHelp(), key) && !outcomes[key] {
					t.Errorf("the help\n got nothing of %s\nwant it named", key)
				}
				walk(value)
			}
		case []any:
			for _, value := range v {
				walk(value)
			}
		}
	}
	walk(document)
}

func TestWrongUsageOfMirrors(t *testing.T) {
	w := newWorld(t)
	w.fake.survey = surveyOfTwo(t)
	w.up()
	for _, row := range []struct{ line, says string }{
		{"mirrors --json --csv", "choose one"},
		{"mirrors --watch --heat", "leave out --csv and --heat"},
		{"mirrors --count 0", "ask for 1 to 100"},
		{"mirrors --interval 1ms", "between 100ms and 1h"},
		{"mirrors --interval soon", "is not a time"},
		{"mirrors set go", "an argument is missing: write it as `hither mirrors set RULE URL|auto"},
		{"mirrors off", "an argument is missing: write it as `hither mirrors off URL"},
		{"mirrors --heat nothing", "there is no rule \"nothing\": name one of docker"},
		{"mirrors nothing", "there is no rule \"nothing\": name one of go, npm"},
	} {
		same(t, row.line, w.hither(strings.Fields(row.line)...), exitUsage)
		contains(t, w.err.String(), row.says)
	}
}

func TestChoosingGoesToTheRunningHither(t *testing.T) {
	w := newWorld(t)
	w.up()
	for _, row := range []struct {
		args []string
		want mirrors.Change
	}{
		{[]string{"set", "go", "goproxy.cn"}, mirrors.Change{Verb: "set", Rule: "go", URL: "goproxy.cn"}},
		{[]string{"off", "goproxy.cn", "slow", "in the evening"}, mirrors.Change{Verb: "off", URL: "goproxy.cn", Reason: "slow in the evening"}},
		{[]string{"on", "https://x.example/?a=b&c"}, mirrors.Change{Verb: "on", URL: "https://x.example/?a=b&c"}},
	} {
		same(t, strings.Join(row.args, " "), w.hither(append([]string{"mirrors"}, row.args...)...), 0)
		same(t, "what the daemon heard", w.fake.chose.Load().(mirrors.Change), row.want)
		same(t, "said", w.out.String(), "done as told\n")
	}
}

func TestWatchMeasuresAgain(t *testing.T) {
	w := newWorld(t)
	w.fake.survey = surveyOfTwo(t)
	w.fake.survey.Rules = w.fake.survey.Rules[:1]
	w.up()
	same(t, "status", w.hither("mirrors", "--watch", "--count", "3", "--interval", "100ms", "--brief"), 0)
	same(t, "tables", strings.Count(w.out.String(), "UPSTREAM"), 3)
	contains(t, w.out.String(), "1 measurement each", "3 measurements each", "again every 100ms")
	if strings.Contains(w.out.String(), "\x1b") {
		t.Errorf("\n got %q\nwant no escape sequences, for this is no terminal", w.out.String())
	}
}
