//go:build linux

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"hither/rules"
	rulesd "hither/rules.d"
)

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s\ngot  %v\nwant %v", what, got, want)
	}
}

func TestRowsAndCellsAreNamed(t *testing.T) {
	for _, c := range []struct {
		only      string
		row, cell string
		want      bool
	}{
		{"", "1", "list", true},
		{"1", "1", "list", true},
		{"1.list", "1", "list", true},
		{"1.list", "1", "download", false},
		{"1.list", "1", "", true},
		{"1.list", "2", "", false},
		{"3.image0.1", "3", "image0.1", true},
		{"3.image0.1", "3", "image0", false},
	} {
		o, err := parse([]string{"-run", c.only, "-cache", "x"}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		same(t, c.only+" wants "+c.row+"."+c.cell, o.wants(c.row, c.cell), c.want)
	}
	for _, bad := range [][]string{{"-run", "17"}, {"1"}, {"-rounds", "x"}, {"-rounds", "-1"}} {
		if _, err := parse(bad, io.Discard); err == nil {
			t.Errorf("%v\ngot  no error\nwant one", bad)
		}
	}
}

// TestACellThatIsNotThereIsNoSuccess: nothing was measured, so that nothing could miss.
func TestACellThatIsNotThereIsNoSuccess(t *testing.T) {
	o, err := parse([]string{"-run", "1,1.lits,1.list,3.capped", "-cache", "x"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	o.wants("1", "list")
	o.wantsAny("3", "blob1", "capped", "shared")
	for _, c := range []struct{ name, want string }{
		{"1", ""},
		{"1.list", ""},
		{"3.capped", ""},
		{"3.shared", ""},
		{"1.lits", `there is no cell "1.lits"; there are 1.list`},
		{"8.idle", `there is no cell "8.idle": name the whole row, -run 8`},
	} {
		got := ""
		if err := o.unknown(c.name); err != nil {
			got = err.Error()
		}
		same(t, c.name, got, c.want)
	}
}

// TestTheRulesAreTheProductsOwn: the rules of the bench load, have the paths of the real ones, and no mirror that is out of
// reach.
func TestTheRulesAreTheProductsOwn(t *testing.T) {
	for _, name := range []string{"go.toml", "npm.toml", "docker.toml"} {
		text, err := fs.ReadFile(rulesd.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		changed := withMirrors(string(text), []string{"https://east.hither.test"})
		if _, err := rules.Load(fstest.MapFS{name: {Data: []byte(changed)}}); err != nil {
			t.Errorf("%s\ngot  %v\nwant rules that load", name, err)
		}
		same(t, name+": mirrors", strings.Count(changed, "[[mirror]]"), 1)
		same(t, name+": paths", strings.Count(changed, "\n[[path]]"), strings.Count(string(text), "\n[[path]]"))
		same(t, name+": hosts", strings.Count(changed, "\n[[host]]"), strings.Count(string(text), "\n[[host]]"))
		same(t, name+": probes", strings.Count(changed, "\n[probe]"), strings.Count(string(text), "\n[probe]"))
	}
}

func TestMedians(t *testing.T) {
	same(t, "of none", middle(nil), 0)
	same(t, "of three", middle([]float64{3, 1, 2}), 2)
	same(t, "of four", middle([]float64{4, 1, 2, 3}), 2.5)
}

func TestAMissIsAMiss(t *testing.T) {
	r := &report{text: io.Discard}
	r.atMost(result{Got: 0.3}, 0.3)
	r.atLeast(result{Got: 1}, 0.9)
	r.add(result{Got: 17})
	same(t, "all kept", r.Held(), true)
	r.atMost(result{Got: 0.31}, 0.3)
	same(t, "one missed", r.Held(), false)
	r.Lines = nil
	r.fail(errors.New("no network"))
	same(t, "a row that ended early", r.Held(), false)
}

// world0 is a world without any network: a store that is told what was recorded, and the shelf.
func world0(t *testing.T) *server {
	t.Helper()
	store, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &server{world: &world{site: &site{store: store}, shelf: newShelf()}}
	s.reset(nil)
	return s
}

func get(t *testing.T, h http.Handler, url string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestRecordingsAreServedAsTheyCame(t *testing.T) {
	s := world0(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, `{"name":"x"}`)
	z.Close()
	full := &answer{Status: 200, Header: map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip", "Etag": `"e"`}, body: packed.Bytes()}
	for w, a := range map[wish]*answer{
		{npmHost, "/x", false}:    full,
		{npmHost, "/x", true}:     {Status: 200, body: []byte("short")},
		{sumHost, "/tile", false}: {Status: 200, body: []byte("tile")},
		{goHost, "/gone", false}:  {Status: 410, body: []byte("gone")},
	} {
		if err := s.world.store.keep(w.key(), a); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, url, headers string
		status             int
		body               string
	}{
		{"packed for who can read it", "https://" + npmHost + "/x", "Accept-Encoding: gzip", 200, packed.String()},
		{"unpacked for others", "https://" + npmHost + "/x", "", 200, `{"name":"x"}`},
		{"the short document", "https://" + npmHost + "/x", "Accept: " + shortPackument + "; q=1", 200, "short"},
		{"not again to who has it", "https://" + npmHost + "/x", `If-None-Match: "e"`, 304, ""},
		{"a part", "https://" + sumHost + "/tile", "Range: bytes=1-2", 206, "il"},
		{"the database through the proxy", "https://" + goHost + "/sumdb/" + sumHost + "/tile", "", 200, "tile"},
		{"what was gone", "https://" + goHost + "/gone", "", 410, "gone"},
	} {
		name, value, _ := strings.Cut(c.headers, ": ")
		resp := get(t, s, c.url, name, value)
		body, _ := io.ReadAll(resp.Body)
		same(t, c.name+": status", resp.StatusCode, c.status)
		same(t, c.name+": body", string(body), c.body)
	}
	tally := s.reset(nil)
	same(t, "requests", tally.Requests, 7)
	same(t, "recorded meanwhile", tally.Recorded, 0)
}

func TestWhatIsMissingIsRecordedOnce(t *testing.T) {
	s := world0(t)
	asked := 0
	s.world.store.client = &http.Client{Transport: roundTripper(func(r *http.Request) *http.Response {
		asked++
		same(t, "asked", r.URL.String(), "https://"+goHost+"/sumdb/"+sumHost+"/lookup/x@v1.0.0")
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Etag": {`"e"`}, "Set-Cookie": {"no"}}, Body: io.NopCloser(strings.NewReader("found"))}
	})}
	for range 2 {
		resp := get(t, s, "https://"+sumHost+"/lookup/x@v1.0.0")
		body, _ := io.ReadAll(resp.Body)
		same(t, "body", string(body), "found")
		same(t, "cookie", resp.Header.Get("Set-Cookie"), "")
	}
	same(t, "times", asked, 1)
	same(t, "recorded", s.reset(nil).Recorded, 1)
	again, err := openStore(s.world.store.dir)
	if err != nil {
		t.Fatal(err)
	}
	a, recorded, err := again.get(t.Context(), wish{sumHost, "/lookup/x@v1.0.0", false})
	if err != nil || recorded || string(a.body) != "found" {
		t.Errorf("from disk\ngot  %v, recorded %v, %v\nwant what was recorded", a, recorded, err)
	}
}

func TestADisturbedRunIsNoResult(t *testing.T) {
	for _, recorded := range []int64{0, 3} {
		r := &report{text: io.Discard}
		r.compared(cell{bounds: []bound{{level1, 1}}}, map[way][]outcome{direct: {{Seconds: 9}}, level1: {{Seconds: 1, recorded: recorded}}})
		same(t, fmt.Sprint("held with ", recorded, " recorded meanwhile"), r.Held(), recorded == 0)
	}
}

// TestARefusalIsRecorded: else each run would ask for it again, and none would be undisturbed.
func TestARefusalIsRecorded(t *testing.T) {
	s := world0(t)
	s.world.store.client = &http.Client{Transport: roundTripper(func(*http.Request) *http.Response {
		return &http.Response{StatusCode: http.StatusForbidden, Status: "403 Forbidden", Body: http.NoBody}
	})}
	for _, disturbed := range []int64{1, 0} {
		same(t, "status", get(t, s, "https://"+goHost+"/x").StatusCode, 403)
		same(t, "runs that it disturbed", s.reset(nil).Recorded, disturbed)
	}
}

func TestAnErrorIsNotRecorded(t *testing.T) {
	s := world0(t)
	s.world.store.client = &http.Client{Transport: roundTripper(func(*http.Request) *http.Response {
		return &http.Response{StatusCode: http.StatusServiceUnavailable, Status: "503 later", Body: http.NoBody}
	})}
	same(t, "status", get(t, s, "https://"+goHost+"/x").StatusCode, 502)
	same(t, "runs that it disturbed", s.reset(nil).Recorded, 1)
	left, _ := os.ReadDir(s.world.store.dir)
	same(t, "files", len(left), 0)
}

type roundTripper func(*http.Request) *http.Response

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// TestAnImageIsPulledAsFromDockerHub walks the way of a client: challenge, token, index, manifest, config, layers.
func TestAnImageIsPulledAsFromDockerHub(t *testing.T) {
	s := world0(t)
	if _, err := s.world.shelf.addImage("app", 2, 20_000); err != nil {
		t.Fatal(err)
	}
	base := "https://" + ociHost + "/v2/library/app/"
	refused := get(t, s, base+"manifests/latest")
	same(t, "without a token", refused.StatusCode, 401)
	if how := refused.Header.Get("Www-Authenticate"); !strings.Contains(how, tokenHost) || !strings.Contains(how, "repository:library/app:pull") {
		t.Errorf("challenge\ngot  %s\nwant the token server and the scope", how)
	}
	token := token([]string{"repository:library/app:pull"})
	index := get(t, s, base+"manifests/latest", "Authorization", "Bearer "+token)
	same(t, "index", index.Header.Get("Content-Type"), indexType)
	for digest := range s.world.shelf.blobs {
		sent := get(t, s, base+"blobs/"+digest, "Authorization", "Bearer "+token)
		same(t, "blob", sent.StatusCode, 307)
		body, _ := io.ReadAll(get(t, s, sent.Header.Get("Location")).Body)
		same(t, "its digest", digestOf(body), digest)
	}
	same(t, "blobs", len(s.world.shelf.blobs), 3)
	same(t, "unknown", get(t, s, "https://"+cdnHost+"/v2/library/app/blobs/sha256:00").StatusCode, 404)
}

func TestWasteIsWhatTheClientAloneDoesNotAskFor(t *testing.T) {
	names, size := unasked(map[string]int64{
		"a/1": 10, "a/2": 20, sumHost + "/lookup": 5, npmHost + "/a/1.0.0": 5, yarnHost + "/@s/a/1.0.0": 5,
	}, map[string]int64{"a/1": 1})
	same(t, "names", names, 1)
	same(t, "bytes", size, 20)
	names, _ = unasked(map[string]int64{npmHost + "/7zip-bin": 1, npmHost + "/@s/7zip": 1, npmHost + "/a/-/a-1.0.0.tgz": 1, npmHost + "/a/latest": 1}, nil)
	same(t, "names of packages", names, 4)
}

func TestThisProcessUsesTimeAndMemory(t *testing.T) {
	used, err := cpuTime(os.Getpid())
	if err != nil || used < 0 {
		t.Errorf("processor time\ngot  %v %v\nwant some", used, err)
	}
	m, err := readMemory(os.Getpid())
	if err != nil || m.anonymous <= 0 || m.anonymous > 10_000 {
		t.Errorf("memory\ngot  %+v %v\nwant some MiB", m, err)
	}
	if n, err := switches(os.Getpid()); err != nil || n <= 0 {
		t.Errorf("context switches\ngot  %d %v\nwant some", n, err)
	}
}

// TestOnlyWholeAnswersCount has h2load's own words.
func TestOnlyWholeAnswersCount(t *testing.T) {
	text := func(requests, codes, data string) string {
		return "finished in 8.91ms, 1122.08 req/s, 1.07MB/s\nrequests: " + requests + "\nstatus codes: " + codes +
			", 0 3xx, 0 4xx, 0 5xx\ntraffic: 10.2KB (10457) total, 86B (86) headers (space savings 91.40%), 9.77KB (" + data + ") data\n"
	}
	const fine = "10 total, 10 started, 10 done, 10 succeeded, 0 failed, 0 errored, 0 timeout"
	for _, c := range []struct {
		name, said string
		want       float64
	}{
		{"all came", text(fine, "10 2xx", "10240"), 10},
		{"all were broken off", text("10 total, 10 started, 10 done, 0 succeeded, 10 failed, 10 errored, 0 timeout", "10 2xx", "10000"), 0},
		{"most were not asked for", text("10 total, 1 started, 0 done, 0 succeeded, 10 failed, 10 errored, 0 timeout", "1 2xx", "1000"), 0},
		{"one was late", text("10 total, 10 started, 10 done, 9 succeeded, 0 failed, 0 errored, 1 timeout", "10 2xx", "10240"), 0},
		{"all were of one byte", text(fine, "10 2xx", "10"), 0},
	} {
		n, err := good(c.said, 1024)
		same(t, c.name, n, c.want)
		same(t, c.name+": an error", err != nil, c.want == 0)
	}
}

func TestHomesArePlaced(t *testing.T) {
	same(t, "words", strings.Join(placed([]string{"GOMODCACHE={home}/mod", "HOME"}, "/x"), " "), "GOMODCACHE=/x/mod HOME")
	same(t, "the blob's way", nearest(blob("b", "library/b", "sha256:1").argv)[5], "https://east.hither.test/v2/library/b/blobs/sha256:1")
}

// TestAShortRun runs everything, small. The machine must be quiet, so that nobody runs it by accident.
func TestAShortRun(t *testing.T) {
	if os.Getenv("HITHER_BENCH") != "1" || os.Geteuid() != 0 {
		t.Skip("the bench needs HITHER_BENCH=1 and root")
	}
	if status := program().Run(t.Context(), []string{"-short"}, t.Output(), t.Output()); status != 0 {
		t.Errorf("exit status\ngot  %d\nwant 0", status)
	}
}

// TestHitherIsNotInTheWay is row 4 in its shortest form: each client once over one far and slightly lossy link. The figures are
// for the log, since other tests run beside; only what nobody could overlook fails.
func TestHitherIsNotInTheWay(t *testing.T) {
	if os.Geteuid() != 0 || os.Getenv("HITHER_LIVE") == "0" || testing.Short() {
		t.Skip("links need root, and what their servers say is recorded from the real registries")
	}
	var out, said bytes.Buffer
	program().Run(t.Context(), []string{"-json", "-rounds", "1", "-run", "4.go-50-0.1-100,4.npm-50-0.1-100,4.oci-50-0.1-100"}, &out, &said)
	t.Log(said.String())
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || len(r.Lines) < 3 {
		t.Fatalf("the report: %v, %d lines", err, len(r.Lines))
	}
	for _, line := range r.Lines {
		const overlooked = 2
		if line.Got > overlooked {
			t.Errorf("%s %s\ngot  %.2f of direct\nwant at most %d", line.Cell, line.What, line.Got, overlooked)
		}
	}
}
