//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"

	"hither/bench/lab"
	"hither/rules"
)

func TestChoicesAreReadOutOfAnswers(t *testing.T) {
	for _, c := range []struct {
		name, sources string
		choices       string
		settled       int // for the best, which is b; -1: never
		strays        int
	}{
		{"nobody was asked", "", "[]", -1, 0},
		{"the best from the first", "bbbb", "[{b 0}]", 0, 0},
		{"the origin, then the best", "oobbbb", "[{o 0} {b 2}]", 2, 0},
		{"one answer of another is no choice", "obbbbabbbb", "[{o 0} {b 1}]", 1, 1},
		{"two are none either", "obbbbaabbb", "[{o 0} {b 1}]", 1, 2},
		{"three are", "obbbaaabbb", "[{o 0} {b 1} {a 4} {b 7}]", 7, 0},
		{"a worse one at last", "bbbbbbbaaa", "[{b 0} {a 7}]", -1, 0},
		{"too late to be firm", "ooooobb", "[{o 0}]", -1, 2},
		{"two that are as good as each other", "obbbccc", "[{o 0} {b 1} {c 4}]", 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sources []string
			for _, r := range c.sources {
				sources = append(sources, string(r))
			}
			if got := fmt.Sprint(choices(sources)); got != c.choices {
				t.Errorf("choices\ngot  %s\nwant %s", got, c.choices)
			}
			after, ok := settled(sources, map[string]bool{"b": true, "c": true})
			if !ok {
				after = -1
			}
			if after != c.settled {
				t.Errorf("settled after\ngot  %d\nwant %d", after, c.settled)
			}
			if got := strays(sources); got != c.strays {
				t.Errorf("strays\ngot  %d\nwant %d", got, c.strays)
			}
		})
	}
}

func TestSequenceIsShort(t *testing.T) {
	if got, want := sequence([]string{"o", "a", "a", "a", "o"}), "o a×3 o"; got != want {
		t.Errorf("sequence\ngot  %s\nwant %s", got, want)
	}
}

func TestAsGoodAsTheBest(t *testing.T) {
	const ms = time.Millisecond
	got := asGood(map[string]time.Duration{"best": 60 * ms, "near it": 69 * ms, "worse": 75 * ms})
	want := map[string]bool{"best": true, "near it": true, "worse": false}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		list []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 3}, 2}} {
		if got := median(c.list); got != c.want {
			t.Errorf("median of %v\ngot  %v\nwant %v", c.list, got, c.want)
		}
	}
}

func TestContentIsTheSameFromEveryPlace(t *testing.T) {
	o := mustObject(t, "x", 100_003)
	all, err := io.ReadAll(o.open())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(all)
	if got := hex.EncodeToString(sum[:]); got != o.digest || int64(len(all)) != o.size {
		t.Errorf("digest and size\ngot  %s %d\nwant %s %d", got, len(all), o.digest, o.size)
	}
	if err := iotest.TestReader(o.open(), all); err != nil {
		t.Error(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	c := o.open()
	for range 100 {
		from := random.IntN(len(all))
		to := from + random.IntN(min(500, len(all)-from))
		got := make([]byte, to-from)
		if _, err := c.Seek(int64(from), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, all[from:to]) {
			t.Fatalf("bytes %d to %d are others than in the whole (%v)", from, to, err)
		}
	}
	if other := mustObject(t, "y", 100_003); other.digest == o.digest {
		t.Error("two names have the same bytes")
	}
}

func mustObject(t *testing.T, name string, size int64) object {
	t.Helper()
	o, err := newObject(name, size)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestTheServerServesAndCounts(t *testing.T) {
	r := newRegistry()
	o := r.mustAdd("x", 1000)
	s := &server{name: "near", registry: r, sent: map[string]int64{}}
	for _, c := range []struct {
		name, path, ranged string
		status, bytes      int
	}{
		{"the whole", o.path(), "", http.StatusOK, 1000},
		{"a part", o.path(), "bytes=100-199", http.StatusPartialContent, 100},
		{"the list", listPath, "", http.StatusOK, -1},
		{"what is not there", o.path() + "0", "", http.StatusNotFound, -1},
	} {
		request := httptest.NewRequest(http.MethodGet, c.path, nil)
		if c.ranged != "" {
			request.Header.Set("Range", c.ranged)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, request)
		if w.Code != c.status || c.bytes >= 0 && w.Body.Len() != c.bytes {
			t.Errorf("%s\ngot  %d, %d bytes\nwant %d, %d bytes", c.name, w.Code, w.Body.Len(), c.status, c.bytes)
		}
	}
	if got := s.bytes()[o.path()]; got != 1100 {
		t.Errorf("counted\ngot  %d\nwant 1100", got)
	}
	l := &world{registry: r, servers: map[string]*server{"near": s}}
	sent, useful := l.tally()
	if extra := sent - useful; extra < 100 { // the part, and the 404's text
		t.Errorf("extra\ngot  %d\nwant the part that was sent again", extra)
	}
}

func TestTheRuleFileIsOne(t *testing.T) {
	for _, s := range scenarios() {
		o := mustObject(t, "probe", 512)
		set, err := rules.Load(fstest.MapFS{"lab.toml": {Data: []byte(ruleFile(o, s.links))}})
		if err != nil {
			t.Fatal(err)
		}
		rule, ok := set.Host(hostName(s.links[0].Name))
		if !ok || len(rule.Mirrors) != len(s.links)-1 || rule.Gateway != gateway {
			t.Errorf("%s\ngot  %+v\nwant the origin and %d mirrors", s.name, rule, len(s.links)-1)
		}
	}
}

func TestHostsNameAllServers(t *testing.T) {
	got := hostsFile([]lab.Link{{Name: "a"}, {Name: "b"}})
	want := "127.0.0.1 localhost\n198.18.1.2 a.hither.test\n198.18.2.2 b.hither.test\n"
	if got != want {
		t.Errorf("hosts\ngot  %q\nwant %q", got, want)
	}
	for url, want := range map[string]string{"https://mid.hither.test/v2/x": "mid", "https://elsewhere.example": "https://elsewhere.example", "": ""} {
		if got := serverOf(url); got != want {
			t.Errorf("server of %q\ngot  %q\nwant %q", url, got, want)
		}
	}
}

func TestTheCommandLine(t *testing.T) {
	for _, c := range []struct {
		args, want string
		fine       bool
	}{
		{"", "", true},
		{"-run parts,choice", "parts choice", true},
		{"-run speed", "", false},
		{"fast", "", false},
	} {
		o, err := parse(strings.Fields(c.args), io.Discard)
		if (err == nil) != c.fine || c.fine && strings.Join(o.Only, " ") != c.want {
			t.Errorf("mirrors %s\ngot  %v, %v\nwant %s", c.args, o.Only, err, c.want)
		}
	}
}

func TestAReportHoldsOnlyIfAllWasHeld(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*report)
		want bool
	}{
		{"nothing was promised", func(*report) {}, false},
		{"all held", func(r *report) { r.verdict("a", 1, "1", true) }, true},
		{"one did not", func(r *report) { r.verdict("a", 1, "1", true); r.verdict("b", 2, "1", false) }, false},
		{"it ended early", func(r *report) { r.verdict("a", 1, "1", true); r.Error = "x" }, false},
	} {
		r := &report{text: io.Discard}
		c.do(r)
		if got := r.held(); got != c.want {
			t.Errorf("%s\ngot  %v\nwant %v", c.name, got, c.want)
		}
	}
}
