package mirrors

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/cmd/hither/hithertest"
	"hither/forward/measure"
	"hither/rules"
)

// probed is a registry of which everybody can be measured.
func probed(t *testing.T) *rules.Set {
	t.Helper()
	dir := t.TempDir()
	text := strings.Replace(registry, "[[path]]", "[[mirror]]\nurl = \"https://near.test/second\"\n[[mirror]]\nurl = \"https://shut.test\"\noff = \"it says so\"\n"+
		"[probe]\npath = \"/list/a\"\nwhy = \"a test\"\nnewest = \"/newest\"\nfield = \"v\"\n[[path]]", 1)
	hithertest.Write(t, filepath.Join(dir, "reg.toml"), []byte(text))
	hithertest.Write(t, filepath.Join(dir, "bare.toml"), []byte("name = \"bare\"\n[[host]]\nname = \"bare.test\"\n[[path]]\nmatch = \"/{x...}\"\nkeep = \"never\"\n"))
	set, err := rules.Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestASurveyIsPolite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		busy, most, asked := map[string]int{}, 0, 0
		s := &Surveyor{Board: new(measure.Board), Turns: new(Turns), Pauses: new(Pauses), Probe: func(_ context.Context, target measure.Target, proto string) measure.Result {
			u, _ := url.Parse(target.URL)
			mu.Lock()
			asked++
			busy[u.Host]++
			if busy[u.Host] > 1 {
				t.Errorf("asked at once at %s\n got %d\nwant 1", u.Host, busy[u.Host])
			}
			most = max(most, busy["near.test"]+busy["far.test"]+busy["reg.test"])
			mu.Unlock()
			<-time.After(30 * time.Millisecond)
			mu.Lock()
			busy[u.Host]--
			mu.Unlock()
			r := measure.Result{Base: target.Base, URL: target.URL, Proto: "h2", When: time.Now(), Newest: "2", Origin: target.Origin}
			r.Phases.Wait, r.Phases.Total = 20*ms, 30*ms // the rest is the connection
			r.Status = 200
			switch {
			case u.Host == "far.test":
				r.Outcome, r.Err = measure.Broken, "connection refused"
			case proto == "h3":
				r.Outcome, r.Unspoken = measure.Canceled, true
			case !target.Origin:
				r.Newest, r.Phases.Wait, r.Phases.Total = "1", 5*ms, 15*ms
			}
			return r
		}}
		lines := 0
		began := time.Now()
		got, err := s.Survey(t.Context(), probed(t), Ask{Count: 2, Interval: time.Second, Protos: []string{"", "h3"}}, func(l SurveyLine) {
			lines++
			hithertest.Same(t, "progress", l.Done, lines)
			hithertest.Same(t, "of", l.Total, 16)
		})
		hithertest.Same(t, "error", err, nil)
		hithertest.Same(t, "took", time.Since(began), time.Second+120*ms) // near.test has four questions a round, one after the other
		hithertest.Same(t, "asked", asked, 16)
		hithertest.Same(t, "hosts at once", most, 3)
		bare, reg := got.Rules[0], got.Rules[1]
		hithertest.Same(t, "a rule without a probe", bare.Measured, false)
		hithertest.Contains(t, bare.Note, "bare.toml has no [probe]")
		hithertest.Same(t, "works", reg.Working, true)
		hithertest.Same(t, "choice", reg.Choice != nil && strings.HasPrefix(reg.Choice.Base, "https://near.test"), true)
		hithertest.Same(t, "upstreams", len(reg.Upstreams), 5)
		hithertest.Same(t, "the last is off", reg.Upstreams[4].Off, "it says so")
		for _, u := range reg.Upstreams[:4] {
			want := map[string]string{"https://reg.test": "current", "https://near.test": "behind", "https://near.test/second": "behind", "https://far.test": "behind"}[u.Base]
			if u.Base != "https://far.test" {
				hithertest.Same(t, u.Base+": newest", u.Measured[0].Newest, want)
			}
			hithertest.Same(t, u.Base+": not h3", u.Measured[1].OK, 0)
		}
	})
}

func TestASurveyThatIsLeftEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &Surveyor{Board: new(measure.Board), Turns: new(Turns), Pauses: new(Pauses), Probe: func(context.Context, measure.Target, string) measure.Result {
		cancel()
		return measure.Result{}
	}}
	_, err := s.Survey(ctx, probed(t), Ask{Count: 100, Interval: time.Hour}, func(SurveyLine) { t.Error("told what was cut short") })
	hithertest.Same(t, "error", err, context.Canceled)
	hithertest.Same(t, "nothing was learned", len(s.Board.Report()), 0)
}

// One that asks to be left alone is not asked again by this survey, nor by the next one.
func TestASurveyLeavesAloneWhoAsksForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		s := &Surveyor{Board: new(measure.Board), Turns: new(Turns), Pauses: new(Pauses), Probe: func(_ context.Context, target measure.Target, _ string) measure.Result {
			r := measure.Result{Base: target.Base, URL: target.URL, Proto: "h2", When: time.Now(), Status: 200}
			if target.Base == "https://far.test" {
				asked.Add(1)
				r.Status, r.Outcome, r.RetryAfter = 429, measure.Limited, 10*time.Minute
			}
			return r
		}}
		survey := func(name string, want int64) Survey {
			got, err := s.Survey(t.Context(), probed(t), Ask{Rules: []string{"reg"}, Count: 3, Interval: time.Second}, func(SurveyLine) {})
			hithertest.Same(t, name+": error", err, nil)
			hithertest.Same(t, name+": asked", asked.Swap(0), want)
			return got
		}
		survey("the first one", 1)
		got := survey("the next one", 0)
		for _, u := range got.Rules[0].Upstreams {
			if u.Base == "https://far.test" {
				hithertest.Same(t, "measured", u.Measured[0].Count, 0)
				hithertest.Contains(t, u.Verdict, "asked for it")
			}
		}
		<-time.After(11 * time.Minute)
		survey("when its time is over", 1)
	})
}

// Two surveys take turns: neither measures the other, and none waits for all of a long one.
func TestSurveysTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy, most atomic.Int64
		var all Turns
		survey := func(rule string, count int) time.Duration {
			s := &Surveyor{Board: new(measure.Board), Turns: &all, Pauses: new(Pauses), Probe: func(_ context.Context, target measure.Target, _ string) measure.Result {
				if target.Base == "https://reg.test" {
					most.Store(max(most.Load(), busy.Add(1)))
					defer busy.Add(-1)
				}
				<-time.After(300 * time.Millisecond)
				return measure.Result{Base: target.Base, URL: target.URL, Proto: "h2", When: time.Now(), Status: 200}
			}}
			began := time.Now()
			_, err := s.Survey(t.Context(), probed(t), Ask{Rules: []string{rule}, Count: count, Interval: 100 * time.Millisecond}, func(SurveyLine) {})
			hithertest.Same(t, "error", err, nil)
			return time.Since(began)
		}
		long := make(chan time.Duration)
		go func() { long <- survey("reg", 50) }()
		<-time.After(time.Millisecond)
		if took := survey("reg", 1); took > 2*time.Second { // the two questions to near.test take 600 ms
			t.Errorf("a short survey beside a long one took\n got %s\nwant less than two rounds", took)
		}
		<-long
		hithertest.Same(t, "measured at once", most.Load(), 1)
	})
}

func TestWhoWaitsForATurnIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all Turns
		over, err := all.take(t.Context(), func() {})
		hithertest.Same(t, "the first", err, nil)
		told := 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = all.take(ctx, func() { told++ })
		hithertest.Same(t, "left", err, context.DeadlineExceeded)
		hithertest.Same(t, "told", told >= 5, true)
		over()
		over, err = all.take(t.Context(), func() {})
		hithertest.Same(t, "again", err, nil)
		over()
	})
}

// A mirror is measured with the rule's own probe, and judged by its digest.
func TestTargets(t *testing.T) {
	set, err := rules.Load(os.DirFS(filepath.Join("..", "..", "..", "rules.d")))
	if err != nil {
		t.Fatal(err)
	}
	all := Targets(set)
	if len(all) == 0 {
		t.Error("there is nothing to measure with: are the rules elsewhere?")
	}
	for _, list := range all {
		if !list[0].Origin {
			t.Errorf("first\n got %s\nwant an origin", list[0].URL)
		}
		for _, target := range list {
			if !strings.HasPrefix(target.URL, target.Base+"/") || target.Newest != "" && !strings.HasPrefix(target.Newest, target.Base+"/") {
				t.Errorf("\n got %+v\nwant URLs below the base", target)
			}
			if target.Check != nil && target.Check([]byte("another thing")) == nil {
				t.Errorf("%s\n got no error for wrong bytes\nwant one", target.URL)
			}
		}
	}
}
