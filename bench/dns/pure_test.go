//go:build linux

package main

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s\ngot  %v\nwant %v", what, got, want)
	}
}

func TestTheCommandLineNamesRows(t *testing.T) {
	o, err := parse([]string{"-short", "-run", "cached,flood"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "cached", o.wants("cached"), true)
	same(t, "uncached", o.wants("uncached"), false)
	same(t, "rounds", o.rounds, 1)
	for _, bad := range [][]string{{"-run", "17"}, {"cached"}, {"-rounds", "x"}} {
		if _, err := parse(bad, io.Discard); err == nil {
			t.Errorf("%v\ngot  no error\nwant one", bad)
		}
	}
}

// TestDnsperfIsRead: the text is what dnsperf 2.10 printed.
func TestDnsperfIsRead(t *testing.T) {
	l, err := readLoad(`
Statistics:

  Queries sent:         31000
  Queries completed:    30990 (99.97%)
  Queries lost:         10 (0.03%)

  Response codes:       NOERROR 30900 (99.71%), SERVFAIL 90 (0.29%)
  Average packet size:  request 56, response 72
  Run time (s):         1.013
  Queries per second:   30592.300000

  Average Latency (s):  0.003100 (min 0.000024, max 0.050111)
  Latency StdDev (s):   0.001021
`)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "load", l, load{QPS: 30592.3, Done: 30990, Lost: 10, Wrong: 90, Latency: 3100})
	for _, bad := range []string{"", "Queries completed: 0\nQueries lost: 0\nQueries per second: 0\nAverage Latency (s): 0\n", "Queries completed:\n"} {
		if _, err := readLoad(bad); err == nil {
			t.Errorf("%q\ngot  no error\nwant one", bad)
		}
	}
}

func TestTheAuthorityAnswers(t *testing.T) {
	for kind, want := range map[uint16]int{dns.TypeA: 1, dns.TypeAAAA: 0} {
		q := new(dns.Msg).SetQuestion("x."+zone, kind)
		q.SetEdns0(1232, false)
		packet, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		reply := new(dns.Msg)
		if err := reply.Unpack(answer(packet)); err != nil {
			t.Fatal(err)
		}
		same(t, "id", reply.Id, q.Id)
		same(t, "is an answer", reply.Response, true)
		same(t, "question", reply.Question[0], q.Question[0])
		same(t, "records", len(reply.Answer), want)
		for size := range packet {
			answer(packet[:size]) // it must not panic
		}
	}
}

func TestNamesAreTheSameForTheSameSeed(t *testing.T) {
	read := func(seed uint64) []byte {
		file := filepath.Join(t.TempDir(), "names")
		if err := writeNames(file, 100, seed); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	same(t, "lines", strings.Count(string(read(1)), zone+" A\n"), 100)
	same(t, "equal", bytes.Equal(read(1), read(1)), true)
	same(t, "equal with another seed", bytes.Equal(read(1), read(2)), false)
}

func TestTheReportHoldsBounds(t *testing.T) {
	var text strings.Builder
	r := newReport(&bench{}, &text)
	r.begin("cached", "a test")
	for _, n := range []float64{30, 10, 20} {
		r.saw("hither", load{QPS: n})
		r.saw("dnsmasq", load{QPS: 2 * n})
	}
	same(t, "median", r.median("hither", qps), 20)
	same(t, "ratio", r.ratio("hither", "dnsmasq"), 0.5)
	r.atLeast("half", 0.5, 0.5)
	r.atMost("more", 3, 3)
	r.figure("without a bound", 17)
	same(t, "held", r.Held(), true)
	r.atLeast("too little", 0.5, 1)
	same(t, "held", r.Held(), false)
	if !strings.Contains(text.String(), "MISS too little") {
		t.Errorf("got  %s\nwant a MISS", text.String())
	}
}

func TestAProgramThatIsNotThereIsToldAsSuch(t *testing.T) {
	_, err := (&bench{options: options{binary: "/nonexist"}}).hitherLine(t.TempDir(), netip.AddrPort{}, netip.AddrPort{})
	if err == nil || !strings.Contains(err.Error(), "-hither names no program") {
		t.Errorf("got  %v\nwant what to do about -hither", err)
	}
}
