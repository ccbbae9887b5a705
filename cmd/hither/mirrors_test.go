package main

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hither/cmd/hither/terminal"
	"hither/forward/measure"
)

// update writes the golden files anew: go test ./cmd/hither -run Mirrors -update
var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		write(t, path, []byte(got))
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s\n got\n%s\nwant\n%s", path, got, want)
	}
}

const ms = time.Millisecond

// surveyed is one good measurement of goproxy.cn.
func surveyed() measure.Result {
	return measure.Result{
		Base: "https://goproxy.cn", Proto: "h2", Outcome: measure.OK, Status: 200, Addr: "203.0.113.7:443", Newest: "v1.9.0",
		Phases: measure.Phases{DNS: 1200 * time.Microsecond, Connect: 30900 * time.Microsecond, TLS: 33 * ms, Wait: 38100 * time.Microsecond, Total: 104200 * time.Microsecond},
	}
}

// surveyOfTwo is a survey with all kinds of upstreams, by hand.
func surveyOfTwo() Survey {
	right := surveyed()
	slow := right
	slow.Base, slow.Phases.Wait, slow.Phases.Total, slow.Proto = "https://proxy.golang.org", 412*ms, 1312*ms, "h2"
	fast := []measure.Result{right, right, right}
	fast[1].Phases.Wait, fast[2].Phases.Wait = 36*ms, 61*ms
	unspoken := measure.Result{Outcome: measure.Canceled, Unspoken: true, Proto: "h3", Err: "goproxy.cn does not speak h3 with us"}
	page := measure.Result{Outcome: measure.Page, Proto: "h1", Err: "a \x1b[31mweb\u202e page\nof 登录"}
	choice := &Choice{
		Base: "https://goproxy.cn", Class: "small", Reason: "p50 TTFB 38 ms over 212 requests", P50: 38 * ms, Requests: 212,
		RunnerUp: "https://mirrors.aliyun.com/goproxy", Then: 61 * ms, Official: 412 * ms,
	}
	one := summary("", fast)
	one.compare([]string{"v1.9.0"})
	one.Rate = 21e6
	behind := summary("", []measure.Result{slow, slow, page})
	behind.Entry = "v1.8.0"
	behind.compare([]string{"v1.9.0"})
	ups := []SurveyUpstream{
		{Base: "https://goproxy.cn", Chosen: true, Measured: []Measurement{one, summary("h3", []measure.Result{unspoken, unspoken, unspoken})}},
		{Base: "https://proxy.golang.org", Origin: true, Measured: []Measurement{behind}},
		{Base: "https://a-mirror-with-a-very-long-name.registry.example.org/and/a/long/path", Measured: []Measurement{summary("", []measure.Result{page, page, page})}},
		{Base: "https://mirrors.huaweicloud.com/goproxy", Off: "suspended since 2025-07-12, see github.com/RubyMetric/chsrc/issues/227 and 231"},
	}
	ups[0].Verdict = ups[0].verdict(measure.Place{}, choice)
	ups[1].Verdict = ups[1].verdict(measure.Place{Reason: "p50 TTFB 412 ms over 30 requests"}, choice)
	ups[2].Verdict = ups[2].verdict(measure.Place{}, choice)
	ups[3].Verdict = "off: " + ups[3].Off
	at := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	return Survey{Schema: surveySchema, When: at, Took: 4 * time.Second, Count: 3, Interval: time.Second, Daemon: true, Rules: []SurveyRule{
		{Rule: "go", Measured: true, Working: true, Choice: choice, Upstreams: ups},
		{Rule: "docker", Note: "docker.toml has no [probe], so there is nothing to measure with; traffic alone tells", Upstreams: []SurveyUpstream{
			{Base: "https://registry-1.docker.io", Origin: true, Verdict: "not asked yet; it is the origin"}}},
		{Rule: "npm", Measured: true, Upstreams: []SurveyUpstream{{Base: "https://registry.npmjs.org", Origin: true, Measured: []Measurement{summary("", []measure.Result{page, page, page})}}}},
	}}
}

func TestTheTableOfMirrors(t *testing.T) {
	var full, brief strings.Builder
	if err := (mirrorTable{}).Print(&full, surveyOfTwo()); err != nil {
		t.Fatal(err)
	}
	if err := (mirrorTable{Brief: true}).Print(&brief, surveyOfTwo()); err != nil {
		t.Fatal(err)
	}
	golden(t, "mirrors.txt", full.String())
	golden(t, "mirrors-brief.txt", brief.String())
}

// No line is wider than 100 columns, and nothing of a stranger's reaches the terminal as a command, whatever they send.
func TestTheTableOfMirrorsFitsWhateverComes(t *testing.T) {
	for name, text := range map[string]string{
		"long":           strings.Repeat("long", 200),
		"wide":           strings.Repeat("镜像站", 60),
		"escapes":        "\x1b[2J\x1b]0;title\a\x9b31m" + strings.Repeat("\x1b[31m", 40),
		"backwards":      strings.Repeat("\u202e", 50) + "txt.exe",
		"marks":          "a" + strings.Repeat("\u0301", 500),
		"invalid":        strings.Repeat("\xff\xc0", 80),
		"lines":          strings.Repeat("one\r\ntwo\t", 40),
		"a wide at edge": strings.Repeat("a", 27) + "宽宽宽",
	} {
		t.Run(name, func(t *testing.T) {
			s := surveyOfTwo()
			s.Rules[0].Choice.Base = "https://" + text
			for i := range s.Rules {
				s.Rules[i].Note = text
				for j := range s.Rules[i].Upstreams {
					u := &s.Rules[i].Upstreams[j]
					u.Base, u.Verdict = "https://"+text, text
					for k := range u.Measured {
						u.Measured[k].Err = text
					}
				}
			}
			for _, line := range (mirrorTable{}).lines(s) {
				if n := terminal.Columns(line); n > tableWidth {
					t.Errorf("a line of %d columns\n got %s\nwant at most %d", n, line, tableWidth)
				}
				if strings.ContainsAny(line, "\x1b\a\r\n\u009b\u202e") || strings.ToValidUTF8(line, "") != line {
					t.Errorf("\n got %q\nwant nothing that a terminal obeys", line)
				}
			}
		})
	}
}

// What the name of the line says already must not push the cause out of it.
func TestTheTableSaysTheCause(t *testing.T) {
	for _, row := range []struct{ name, base, err, want string }{
		{"no such host", "https://goproxy.cn", "connect to goproxy.cn:443: goproxy.cn: there is no such host", "there is no such host"},
		{"refused", "http://127.0.0.1:93/path", "connect to 127.0.0.1:93: dial tcp 127.0.0.1:93: connect: connection refused", "dial tcp 127.0.0.1:93: connect: connection refused"},
		{"unspoken", "http://127.0.0.1:93", "127.0.0.1:93 does not speak h3 with us: HTTP/3 is over TLS alone", "HTTP/3 is over TLS alone"},
		{"an address", "https://a.test", "[::1]:443: write: connection refused", "write: connection refused"},
		{"said twice", "https://a.test", "not done in 10s: not done in 10s", "not done in 10s"},
		{"nothing but the name", "https://a.test", "a.test", "a.test"},
		{"another host", "https://a.test", "b.test: refused", "b.test: refused"},
	} {
		same(t, row.name, gist(row.err, row.base), row.want)
	}
}

// One that wants to be left alone was perhaps not asked at all.
func TestTheTableOfOneThatWasNotAsked(t *testing.T) {
	u := SurveyUpstream{Base: "https://a.test", Verdict: "left alone because it asked for it", Measured: []Measurement{summary("", nil)}}
	contains(t, strings.Join(mirrorTable{}.upstream(u), "\n"), "  a.test", " left alone because it asked for it")
	u.Measured = []Measurement{summary("", []measure.Result{{Outcome: measure.Broken, Err: "connect to a.test:443: a.test: there is no such host"}})}
	contains(t, strings.Join(mirrorTable{}.upstream(u), "\n"), "dead: broken (1 of 1), there is no such host")
}

func TestTheTableHasColoursOnATerminalAlone(t *testing.T) {
	w := newWorld(t)
	same(t, "not a terminal", (&app{out: &w.out, env: w.env}).ink().On, false)
	lines := strings.Join(mirrorTable{Ink: terminal.Ink{On: true}}.lines(surveyOfTwo()), "\n")
	contains(t, lines, "\x1b[32m→ goproxy.cn", "\x1b[31m  ", "\x1b[0m")
}

// What programs rely on: see `hither mirrors --help`.
func TestTheJSONOfMirrorsIsStable(t *testing.T) {
	w := newWorld(t)
	w.fake.survey = surveyOfTwo()
	w.up()
	same(t, "status", w.hither("mirrors", "--json"), exitNoSource) // npm has none
	golden(t, "mirrors.json", w.out.String())
	var s Survey
	if err := json.Unmarshal(w.out.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	same(t, "schema", s.Schema, 1)
	contains(t, w.err.String(), "no source works for npm")
}

func TestTheHelpNamesEveryFieldOfTheJSON(t *testing.T) {
	var document any
	text, err := json.Marshal(surveyOfTwo())
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

func TestTheCSVOfMirrors(t *testing.T) {
	var out strings.Builder
	s := surveyOfTwo()
	s.Rules[0].Upstreams[3].Verdict = "=HYPERLINK(\"x\"), and\na line"
	if err := printCSV(&out, s); err != nil {
		t.Fatal(err)
	}
	golden(t, "mirrors.csv", out.String())
	rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		same(t, "cells of "+row[1], len(row), len(csvHeader()))
	}
}

func TestWrongUsageOfMirrors(t *testing.T) {
	w := newWorld(t)
	w.fake.survey = surveyOfTwo()
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
		want ChoiceChange
	}{
		{[]string{"set", "go", "goproxy.cn"}, ChoiceChange{Verb: "set", Rule: "go", URL: "goproxy.cn"}},
		{[]string{"off", "goproxy.cn", "slow", "in the evening"}, ChoiceChange{Verb: "off", URL: "goproxy.cn", Reason: "slow in the evening"}},
		{[]string{"on", "https://x.example/?a=b&c"}, ChoiceChange{Verb: "on", URL: "https://x.example/?a=b&c"}},
	} {
		same(t, strings.Join(row.args, " "), w.hither(append([]string{"mirrors"}, row.args...)...), 0)
		same(t, "what the daemon heard", w.fake.chose.Load().(ChoiceChange), row.want)
		same(t, "said", w.out.String(), "done as told\n")
	}
}

func TestWatchMeasuresAgain(t *testing.T) {
	w := newWorld(t)
	w.fake.survey = surveyOfTwo()
	w.fake.survey.Rules = w.fake.survey.Rules[:1]
	w.up()
	same(t, "status", w.hither("mirrors", "--watch", "--count", "3", "--interval", "100ms", "--brief"), 0)
	same(t, "tables", strings.Count(w.out.String(), "UPSTREAM"), 3)
	contains(t, w.out.String(), "1 measurement each", "3 measurements each", "again every 100ms")
	if strings.Contains(w.out.String(), "\x1b") {
		t.Errorf("\n got %q\nwant no escape sequences, for this is no terminal", w.out.String())
	}
}
