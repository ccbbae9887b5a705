package mirrors

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"strings"
	"testing"
	"time"

	"hither/cmd/hither/hithertest"
	"hither/cmd/hither/terminal"
	"hither/forward/measure"
)

// update writes the golden files anew: go test ./cmd/hither/mirrors -update
var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	hithertest.Golden(t, name, got, *update)
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
	one := Summary("", fast)
	one.compare([]string{"v1.9.0"})
	one.Rate = 21e6
	behind := Summary("", []measure.Result{slow, slow, page})
	behind.Entry = "v1.8.0"
	behind.compare([]string{"v1.9.0"})
	ups := []SurveyUpstream{
		{Base: "https://goproxy.cn", Chosen: true, Measured: []Measurement{one, Summary("h3", []measure.Result{unspoken, unspoken, unspoken})}},
		{Base: "https://proxy.golang.org", Origin: true, Measured: []Measurement{behind}},
		{Base: "https://a-mirror-with-a-very-long-name.registry.example.org/and/a/long/path", Measured: []Measurement{Summary("", []measure.Result{page, page, page})}},
		{Base: "https://mirrors.huaweicloud.com/goproxy", Off: "suspended since 2025-07-12, see github.com/RubyMetric/chsrc/issues/227 and 231"},
	}
	ups[0].Verdict = ups[0].verdict(measure.Place{}, choice)
	ups[1].Verdict = ups[1].verdict(measure.Place{Reason: "p50 TTFB 412 ms over 30 requests"}, choice)
	ups[2].Verdict = ups[2].verdict(measure.Place{}, choice)
	ups[3].Verdict = "off: " + ups[3].Off
	at := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	return Survey{Schema: schema, When: at, Took: 4 * time.Second, Count: 3, Interval: time.Second, Daemon: true, Rules: []SurveyRule{
		{Rule: "go", Measured: true, Working: true, Choice: choice, Upstreams: ups},
		{Rule: "docker", Note: "docker.toml has no [probe], so there is nothing to measure with; traffic alone tells", Upstreams: []SurveyUpstream{
			{Base: "https://registry-1.docker.io", Origin: true, Verdict: "not asked yet; it is the origin"}}},
		{Rule: "npm", Measured: true, Upstreams: []SurveyUpstream{{Base: "https://registry.npmjs.org", Origin: true, Measured: []Measurement{Summary("", []measure.Result{page, page, page})}}}},
	}}
}

func TestTheTableOfMirrors(t *testing.T) {
	var full, brief strings.Builder
	if err := (Table{}).Print(&full, surveyOfTwo()); err != nil {
		t.Fatal(err)
	}
	if err := (Table{Brief: true}).Print(&brief, surveyOfTwo()); err != nil {
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
			for _, line := range (Table{}).Lines(s) {
				if n := terminal.Columns(line); n > terminal.Width {
					t.Errorf("a line of %d columns\n got %s\nwant at most %d", n, line, terminal.Width)
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
		hithertest.Same(t, row.name, gist(row.err, row.base), row.want)
	}
}

// One that wants to be left alone was perhaps not asked at all.
func TestTheTableOfOneThatWasNotAsked(t *testing.T) {
	u := SurveyUpstream{Base: "https://a.test", Verdict: "left alone because it asked for it", Measured: []Measurement{Summary("", nil)}}
	hithertest.Contains(t, strings.Join(Table{}.upstream(u), "\n"), "  a.test", " left alone because it asked for it")
	u.Measured = []Measurement{Summary("", []measure.Result{{Outcome: measure.Broken, Err: "connect to a.test:443: a.test: there is no such host"}})}
	hithertest.Contains(t, strings.Join(Table{}.upstream(u), "\n"), "dead: broken (1 of 1), there is no such host")
}

func TestTheCSVOfMirrors(t *testing.T) {
	var out strings.Builder
	s := surveyOfTwo()
	s.Rules[0].Upstreams[3].Verdict = "=HYPERLINK(\"x\"), and\na line"
	if err := PrintCSV(&out, s); err != nil {
		t.Fatal(err)
	}
	golden(t, "mirrors.csv", out.String())
	rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		hithertest.Same(t, "cells of "+row[1], len(row), len(csvHeader()))
	}
}

func TestTheTableHasColours(t *testing.T) {
	lines := strings.Join(Table{Ink: terminal.Ink{On: true}}.Lines(surveyOfTwo()), "\n")
	hithertest.Contains(t, lines, "\x1b[32m→ goproxy.cn", "\x1b[31m  ", "\x1b[0m")
}

// What programs rely on: see `hither mirrors --help`.
func TestTheJSONOfASurveyIsStable(t *testing.T) {
	var out strings.Builder
	document := json.NewEncoder(&out)
	document.SetIndent("", "  ")
	document.SetEscapeHTML(false)
	if err := document.Encode(surveyOfTwo()); err != nil {
		t.Fatal(err)
	}
	golden(t, "mirrors.json", out.String())
}

// surveyed is one good measurement of goproxy.cn.
func surveyed() measure.Result {
	return measure.Result{
		Base: "https://goproxy.cn", Proto: "h2", Outcome: measure.OK, Status: 200, Addr: "203.0.113.7:443", Newest: "v1.9.0",
		Phases: measure.Phases{DNS: 1200 * time.Microsecond, Connect: 30900 * time.Microsecond, TLS: 33 * ms, Wait: 38100 * time.Microsecond, Total: 104200 * time.Microsecond},
	}
}
