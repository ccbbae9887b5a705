package measure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/measure"
)

// panel is a board that wants to know all, but for what a test took away, and notes what it is told.
type panel struct {
	mu     sync.Mutex
	knows  map[string]bool // and need not ask
	told   []string
	behind []string
}

func (p *panel) Due(bases []string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(bases), func(b string) bool { return p.knows[b] })
}

func (p *panel) Add(s measure.Sample) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, s.Base+" "+s.Outcome.String())
}

func (p *panel) Behind(base string, behind bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.behind = append(p.behind, fmt.Sprintf("%s %t", base, behind))
}

// know makes the board sure of itself.
func (p *panel) know(base string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.knows[base] = true
}

// lagging tells who was called behind or not since it was asked the last time.
func (p *panel) lagging() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.behind)
	text := strings.Join(p.behind, ", ")
	p.behind = nil
	return text
}

// heard tells what the board was told since it was asked the last time, sorted and comma-separated.
func (p *panel) heard() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.told)
	text := strings.Join(p.told, ", ")
	p.told = nil
	return text
}

// lab is Rounds in a bubble of false time, with two rules: "go" of origin, near and far, and "npm" of one and two.
type lab struct {
	*measure.Rounds
	t     *testing.T
	board *panel
	world network
	ahead atomic.Int64 // of the clock over the bubble's, in ns
}

func inLab(t *testing.T, test func(*lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lab{t: t, board: &panel{knows: map[string]bool{}}, world: network{}}
		for _, host := range []string{"origin", "near", "far", "one", "two"} {
			l.world[host] = says(200, "", "object")
		}
		rule := func(hosts ...string) (list []measure.Target) {
			for i, host := range hosts {
				list = append(list, measure.Target{Base: host, URL: "https://" + host + "/x", Origin: i == 0})
			}
			return list
		}
		l.Rounds = &measure.Rounds{
			Prober: &measure.Prober{Single: func(proto string) (http.RoundTripper, func(), error) { return l.world.single(proto) }},
			Board:  l.board,
			Targets: func() [][]measure.Target {
				return [][]measure.Target{rule("origin", "near", "far"), rule("one", "two")}
			},
			Jitter: func(time.Duration) time.Duration { return 0 },
			Now:    func() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) },
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		test(l.run(ctx, ended))
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the end\ngot  %v\nwant %v", err, context.Canceled)
		}
	})
}

func (l *lab) run(ctx context.Context, ended chan error) *lab {
	go func() { ended <- l.Run(ctx) }()
	synctest.Wait()
	return l
}

// hears checks what the board was told after a while.
func (l *lab) hears(name string, after time.Duration, want string) {
	l.t.Helper()
	if after > 0 {
		time.Sleep(after)
	}
	synctest.Wait()
	if got := l.board.heard(); got != want {
		l.t.Errorf("%s: the board heard\ngot  %s\nwant %s", name, got, want)
	}
}

const goRule = "far ok, near ok, origin ok"

func TestWhoIsAskedAndWhen(t *testing.T) {
	inLab(t, func(l *lab) {
		l.hears("an idle machine", 48*time.Hour, "")
		l.Used("near")
		l.hears("the first use of a rule, and of that rule alone", 0, goRule)
		l.Used("near")
		l.Used("origin")
		l.hears("the second use", 3*time.Minute, "")
		l.hears("some minutes later", 2*time.Minute, goRule)
		l.board.know("near")
		l.hears("what traffic tells already", 4*time.Minute, "far ok, origin ok")
		l.hears("a day without use", 24*time.Hour, "")
		l.Used("two")
		l.hears("the other rule", 0, "one ok, two ok")
		l.Used("nobody")
		l.hears("an upstream of no rule", time.Minute, "")
	})
}

func TestANewNetworkIsLookedAtAtOnce(t *testing.T) {
	inLab(t, func(l *lab) {
		l.Wake()
		l.hears("nobody uses it", time.Minute, "")
		l.Used("origin")
		l.hears("the first use", 0, goRule)
		l.Wake()
		l.hears("another network", 0, goRule)
		l.world["near"] = func(*http.Request) (int, string, string) { time.Sleep(5 * time.Second); return 200, "", "object" }
		l.Wake()
		l.hears("a look is under way", time.Second, "far ok, origin ok")
		l.Wake()
		l.hears("and another one follows", 20*time.Second, "far ok, near ok, near ok, origin ok")
		l.hears("and no more", 30*time.Second, "")
		l.hears("until the next ones", 4*time.Minute, goRule)
		time.Sleep(time.Hour)
		l.board.heard()
		l.Wake()
		l.hears("a rule that is out of use", time.Minute, "")
	})
}

func TestNobodyIsAskedTooMuchInADay(t *testing.T) {
	for _, c := range []struct {
		name   string
		body   int
		budget int64
		want   int // questions on one day
	}{
		{"small answers: twenty", 10, 0, 20},
		{"256 KiB", 100 << 10, 0, 3},
		{"what the user allows", 10, 35, 4},
		{"nothing", 10, -1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				l.Budget = c.budget
				l.world["one"] = says(200, "", strings.Repeat("x", c.body))
				l.board.know("two")
				asked := func() int {
					for range 22 * 60 {
						l.Used("one")
						time.Sleep(time.Minute)
					}
					return strings.Count(l.board.heard(), "one ok")
				}
				today := asked()
				if got := l.Spent()["one"]; today != c.want || got.Probes != c.want || got.Bytes != int64(c.want*c.body) {
					t.Errorf("one day\ngot  %d questions, accounted for as %+v\nwant %d", today, got, c.want)
				}
				time.Sleep(3 * time.Hour)
				if got := asked(); got != c.want {
					t.Errorf("the next day\ngot  %d questions\nwant %d", got, c.want)
				}
			})
		})
	}
}

// What was spent is not forgotten with a restart, and a damaged account is not believed.
func TestSpendingIsKept(t *testing.T) {
	inLab(t, func(l *lab) {
		l.Used("one")
		l.hears("the first use", 0, "one ok, two ok")
		text, err := json.Marshal(l.Spent())
		if want := `{"one":{"day":10957,"probes":1,"bytes":6},"two":{"day":10957,"probes":1,"bytes":6}}`; string(text) != want || err != nil {
			t.Errorf("spent\ngot  %s %v\nwant %s", text, err, want)
		}
		l.Restore(map[string]measure.Spending{"one": {Day: 10957, Probes: 20}, "two": {Day: 10957, Probes: -5}})
		l.Wake()
		l.hears("after a restart", 0, "two ok")
		l.Restore(map[string]measure.Spending{"one": {Day: 99999, Probes: 20}})
		l.Wake()
		l.hears("an account of the future is today's", 0, "two ok")
		time.Sleep(25 * time.Hour)
		l.board.heard()
		l.Used("one")
		l.hears("and a new day begins", 0, "one ok, two ok")
	})
}

func TestClocksMayJump(t *testing.T) {
	inLab(t, func(l *lab) {
		for _, jump := range []time.Duration{0, 10 * 365 * 24 * time.Hour, 3 * time.Hour, -7 * 365 * 24 * time.Hour, 0, -30 * 365 * 24 * time.Hour} {
			l.ahead.Store(int64(jump))
			time.Sleep(11 * time.Minute) // out of use
			l.board.heard()
			l.Used("one")
			l.hears(fmt.Sprintf("a jump of %s", jump), 10*time.Minute, "one ok, one ok, one ok, two ok, two ok, two ok")
			time.Sleep(time.Hour)
			l.board.heard()
			l.hears("out of use", 24*time.Hour, "")
		}
		l.ahead.Store(int64(100 * 365 * 24 * time.Hour))
		l.Used("one")
		l.hears("in the future", 0, "one ok, two ok")
		l.ahead.Store(0)
		time.Sleep(time.Hour)
		l.board.heard()
		l.hears("set back to the present, and idle", 24*time.Hour, "")
	})
}

func TestNoMoreThanFourAreAskedAtOnce(t *testing.T) {
	inLab(t, func(l *lab) {
		var mu sync.Mutex
		now, most := 0, 0
		var rule []measure.Target
		for i := range 9 {
			host := fmt.Sprint(i)
			rule = append(rule, measure.Target{Base: host, URL: "https://" + host + "/"})
			l.world[host] = func(*http.Request) (int, string, string) {
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				now--
				mu.Unlock()
				return 404, "", ""
			}
		}
		l.Targets = func() [][]measure.Target { return [][]measure.Target{rule} }
		l.Used("3")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if got := strings.Count(l.board.heard(), "missing"); got != 9 || most != 4 {
			t.Errorf("in three seconds\ngot  %d answers, %d at once\nwant 9 and 4", got, most)
		}
	})
}

// A cable that is out must not eject everybody.
func TestOurOwnNetworkIsNotHeldAgainstOthers(t *testing.T) {
	inLab(t, func(l *lab) {
		delete(l.world, "near")
		l.Used("near")
		l.hears("one that cannot be reached", 0, "far ok, near broken, origin ok")
		delete(l.world, "origin")
		delete(l.world, "far")
		l.Wake()
		l.hears("none that can be reached", 0, "")
		l.world["far"] = says(500, "", "")
		l.Wake()
		l.hears("one that is sick among them", 0, "far broken, near broken, origin broken")
	})
}

func TestWhoIsBehind(t *testing.T) {
	version := func(text string) func(*http.Request) (int, string, string) {
		return says(200, "", `{"Version":"`+text+`"}`)
	}
	for _, c := range []struct {
		name  string
		set   func(*lab)
		want  string
		later string // an hour after, when the board wants to know nothing more
	}{
		{"who has another newest entry than the origin is behind", func(l *lab) { l.world["near"] = version("v1") }, "far false, near true", "far false, near true"},
		{"if the origin does not answer, nothing is said", func(l *lab) { delete(l.world, "origin") }, "", ""},
		{"nor if it names no entry", func(l *lab) { l.world["origin"] = says(200, "", "{}") }, "", ""},
		{"a mirror that does not name one is left out", func(l *lab) { l.world["near"] = says(404, "", "") }, "far false", "far false"},
		{"the origin is asked beside a mirror of which the board wants to know", func(l *lab) { l.board.know("origin") }, "far false, near false", "far false, near false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				for host := range l.world {
					l.world[host] = version("v2")
				}
				c.set(l)
				given := l.Targets()
				for _, rule := range given {
					for i := range rule {
						rule[i].Newest, rule[i].Field = rule[i].URL, "Version"
					}
				}
				l.Targets = func() [][]measure.Target { return given }
				l.Used("near")
				for i, want := range []string{c.want, c.later} {
					synctest.Wait()
					if got := l.board.lagging(); got != want {
						t.Errorf("look %d\ngot  %s\nwant %s", i, got, want)
					}
					for _, host := range []string{"origin", "near", "far"} {
						l.board.know(host)
					}
					time.Sleep(time.Hour)
					l.board.lagging()
					l.Used("near")
				}
			})
		})
	}
}

// A real board is asked who should be spared.
func TestWhoLiedIsAskedNothing(t *testing.T) {
	inLab(t, func(l *lab) {
		var board measure.Board
		rules := l.Targets()
		for i := range rules[1] {
			rules[1][i].Newest, rules[1][i].Field = rules[1][i].URL, "Version"
		}
		l.Board, l.Targets = &board, func() [][]measure.Target { return rules }
		l.Used("one")
		synctest.Wait()
		board.Add(measure.Sample{Base: "two", Outcome: measure.WrongBytes})
		for range 3 { // times to compare the newest entries
			time.Sleep(2 * time.Hour)
			l.Used("one")
		}
		synctest.Wait()
		if got := l.Spent()["two"].Probes; got != 1 {
			t.Errorf("questions to one that lied\ngot  %d\nwant the 1 before it did", got)
		}
	})
}

func TestManyUseItAtOnce(t *testing.T) {
	inLab(t, func(l *lab) {
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for n := range 2000 {
					l.Used(fmt.Sprintf("%d of %d", n, i))
					l.Used("one")
				}
				l.Wake()
				l.Spent()
			})
		}
		all.Wait()
		synctest.Wait()
		if got := l.board.heard(); !strings.Contains(got, "one ok") {
			t.Errorf("among thousands of strangers\ngot  %s\nwant that one and two were asked", got)
		}
	})
}
