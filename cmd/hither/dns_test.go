package main

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hither/cmd/hither/control"
	"hither/cmd/hither/environ"
	"hither/cmd/hither/settings"
	"hither/resolver"
)

// naming is a Hither that answers DNS, and an app that asks it.
func naming(t *testing.T) (*served, *app, *bytes.Buffer) {
	t.Helper()
	up := upstreamDNS(t)
	s := serving(t, has("package"), func(s *settings.Settings) { s.DNS, s.DNSUpstream = []string{"127.0.0.1:0"}, []string{up} })
	var out bytes.Buffer
	return s, &app{in: strings.NewReader(""), out: &out, err: &out, dir: t.TempDir(), env: environ.List{"HOME=" + t.TempDir(), "HITHER_STATE=" + s.ready.State}}, &out
}

func (a *app) call(ctx context.Context, args ...string) error {
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	return root.ExecuteContext(ctx)
}

func TestHowQuestionsWereAnswered(t *testing.T) {
	s, a, out := naming(t)
	for _, name := range []string{"www.example", "www.example", "localhost"} {
		ask(t, s.ready.DNS[0], name)
	}
	must(t, a.call(t.Context(), "dns"))
	contains(t, out.String(), "questions ", "  from memory ", "  asked upstream ", "in memory ")
	out.Reset()
	must(t, a.call(t.Context(), "dns", "--json"))
	var stats map[string]uint64
	must(t, json.Unmarshal(out.Bytes(), &stats))
	same(t, "from memory and upstream", stats["hits"] >= 1 && stats["upstream"] >= 1, true)
	same(t, "names", strings.Join(slices.Sorted(maps.Keys(stats)), " "),
		"busy bytes dropped entries failed hits merged ours panics questions refreshed refused resent special stale upstream withheld")
	same(t, "status of a word too much", exitStatus(a.call(t.Context(), "dns", "what")), exitUsage)
}

func TestAHitherWithoutDNSSaysHowToHaveIt(t *testing.T) {
	s := serving(t, has("package"))
	c := control.NewClient(s.ready.State)
	_, err := c.DNS(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	contains(t, err.Error(), "--dns 127.0.0.1:53")
	if err := c.Trace(t.Context(), "", nil); err == nil {
		t.Fatal("no error")
	}
}

func TestTracedQuestionsHaveLowerCaseNamesAsJSON(t *testing.T) {
	s, a, _ := naming(t)
	said := tracing(t, s, a, "}\n", "--json", "www.example")
	var traced map[string]any
	must(t, json.NewDecoder(strings.NewReader(said)).Decode(&traced))
	same(t, "names", strings.Join(slices.Sorted(maps.Keys(traced)), " "), "client how name net rcode took type when")
	same(t, "name", traced["name"], any("www.example."))
}

// A slow answer comes after a quick one that was asked for later, and is shown all the same.
func TestEachQuestionIsShownOnce(t *testing.T) {
	s, _, _ := naming(t)
	ask(t, s.ready.DNS[0], "before.example")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	shown := make(chan string, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- control.NewClient(s.ready.State).Trace(ctx, "", func(q resolver.Traced) error { shown <- q.Name; return nil })
	}()
	for begun := false; !begun; { // nobody is told when the trace has begun
		ask(t, s.ready.DNS[0], "begin.example")
		select {
		case <-shown:
			begun = true
		case <-time.After(control.TraceEach):
		}
	}
	go ask(t, s.ready.DNS[0], "slow.example")
	seen := map[string]int{}
	for n := 0; seen["slow.example."] == 0 && n < 50; n++ {
		ask(t, s.ready.DNS[0], "quick.example")
		select {
		case name := <-shown:
			seen[name]++
		case <-ctx.Done():
			t.Fatalf("got  %v\nwant slow.example", seen)
		}
	}
	same(t, "the slow one", seen["slow.example."], 1)
	same(t, "what was before", seen["before.example."], 0)
	cancel()
	same(t, "end", <-ended, nil)
}

func TestOneNameIsTraced(t *testing.T) {
	s, a, _ := naming(t)
	said := tracing(t, s, a, "\n", "Www.example")
	contains(t, said, "udp", "www.example.", "NOERROR")
	same(t, "of another name", strings.Contains(said, "other.example"), false)
}

// tracing asks for two names until `hither dns trace` has printed end, and returns all that it printed.
func tracing(t *testing.T, s *served, a *app, end string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var said journal
	a.out = &said
	ended := make(chan error, 1)
	go func() { ended <- a.call(ctx, append([]string{"dns", "trace"}, args...)...) }()
	for !strings.Contains(said.String(), end) {
		ask(t, s.ready.DNS[0], "other.example")
		ask(t, s.ready.DNS[0], "www.example")
		select {
		case err := <-ended:
			t.Fatalf("it ended too early: %v\n got %s\nwant %q", err, said.String(), end)
		case <-time.After(control.TraceEach / 10):
		}
	}
	cancel()
	same(t, "end", <-ended, nil)
	return said.String()
}
