package prefetch

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache"
	"hither/forward/fetch"
	"hither/forward/prefetch/recall"
	"hither/forward/project"
	"hither/rules"
)

// script is a walk that wants what a test says.
type script struct {
	asked, project []project.Want
	answered       func(depth int, body []byte) []project.Want
	reads          string // suffix
	at             string // suffix of what asked follows
	heard          func() // at each request; nil: nothing
}

func (s *script) Asked(m rules.Match) []project.Want {
	if s.heard != nil {
		s.heard()
	}
	if !strings.HasSuffix(m.Clean, s.at) {
		return nil
	}
	out := s.asked
	s.asked = nil
	return out
}

func (s *script) Reads(m rules.Match) bool {
	return s.reads != "" && strings.HasSuffix(m.Clean, s.reads)
}

func (s *script) Answered(_ rules.Match, body []byte, depth int) []project.Want {
	if s.answered == nil {
		return nil
	}
	return s.answered(depth, body)
}
func (s *script) Project(string, []string) []project.Want { return s.project }

// scripted has every run walk as the script says.
func scripted(s script) func(*world) {
	return func(w *world) {
		w.Walks = map[string]func(string) Walk{"go": func(string) Walk { walk := s; return &walk }}
	}
}

func wants(why string, paths ...string) []project.Want {
	out := make([]project.Want, len(paths))
	for i, p := range paths {
		out[i] = project.Want{URL: host + p, Bulk: strings.HasSuffix(p, ".zip"), Why: why}
	}
	return out
}

const first = "/example.com/first/@v/v1.0.0.mod"

func TestADemandOvertakesWhatWaits(t *testing.T) {
	all := paths("a", 300, ".mod")
	inWorld(t, scripted(script{asked: wants("all", all...)}), func(w *world) {
		w.put("x", first)
		w.put("x", all...)
		g := w.client(1)
		g.get(first)
		rounds := took(func() { g.get(all[299]) })
		same(t, "rounds for the last in the queue", rounds, 1)
		same(t, "most at once", w.peak(metadata), 91) // 90, and the demand
		g.all(300, all)
		same(t, "requests", len(w.sent()), 301)
		same(t, "waste", w.balance().Wasted, 0)
	})
}

func TestMetadataDoesNotWaitBehindPackages(t *testing.T) {
	zips, mods := paths("z", 40, ".zip"), paths("m", 50, ".mod")
	inWorld(t, scripted(script{asked: wants("all", append(zips, mods...)...)}), func(w *world) {
		w.put("x", first)
		w.put("x", mods...)
		w.put("x", zips...)
		for _, z := range zips {
			w.slow[host+z] = 10 * time.Second
		}
		g := w.client(1)
		g.get(first)
		same(t, "rounds for all metadata", took(func() { g.all(50, mods) }), 0) // they came with the first, while the zips need 50
		same(t, "most packages at once", w.peak(bulk), 8)
	})
}

// TestPackagesAheadLeaveHalf lowers what is fetched ahead while the client waits for packages of its own.
func TestPackagesAheadLeaveHalf(t *testing.T) {
	mine, ahead := paths("m", 2, ".zip"), paths("z", 40, ".zip")
	inWorld(t, scripted(script{asked: wants("all", ahead...), at: first}), func(w *world) {
		w.put("x", mine...)
		w.put("x", ahead...)
		w.put("x", first)
		for _, z := range mine {
			w.slow[host+z] = time.Minute
		}
		for _, z := range ahead {
			w.slow[host+z] = time.Hour
		}
		g := w.client(1)
		go g.get(mine[0])
		go g.get(mine[1])
		synctest.Wait()
		g.get(first)
		synctest.Wait()
		same(t, "packages under way", w.flying(bulk), 2+2)
		time.Sleep(2 * time.Second)
		for _, m := range mine {
			w.Filled(fetch.Report{Rule: "go", Name: cache.Name(w.match(m).Name), Bytes: 1})
		}
		synctest.Wait()
		same(t, "packages ahead, when the client waits no more", w.balance().Ahead, 8)
		close(g.gone)
	})
}

func TestARunEndsWithItsClient(t *testing.T) {
	all := paths("a", 300, ".mod")
	for _, c := range []struct {
		what   string
		leave  bool
		after  time.Duration
		gaveUp int
	}{
		{"a client that is gone", true, 4 * time.Second, 90},
		{"a client that is there", false, 4 * time.Second, 0},
		{"a client that is silent", false, 2 * time.Minute, 90},
	} {
		inWorld(t, scripted(script{asked: wants("all", all...)}), func(w *world) {
			w.put("x", first)
			for _, p := range all {
				w.slow[host+p] = time.Hour
			}
			g := w.client(1)
			g.get(first)
			if c.leave {
				close(g.gone)
			}
			time.Sleep(c.after)
			same(t, c.what+": fetches given up", w.lost(), c.gaveUp)
			same(t, c.what+": requests", len(w.sent()), 91)
		})
	}
}

// TestAnotherClientWantsItStill keeps a fetch that two runs want when one of them ends.
func TestAnotherClientWantsItStill(t *testing.T) {
	all := paths("a", 10, ".mod")
	inWorld(t, scripted(script{asked: wants("all", all...)}), func(w *world) {
		w.put("x", first)
		w.put("x", all...)
		for _, p := range all {
			w.slow[host+p] = 5 * time.Second
		}
		one, two := w.client(1), w.client(2)
		one.get(first)
		two.get(first)
		close(one.gone)
		time.Sleep(4 * time.Second)
		same(t, "fetches given up", w.lost(), 0)
		same(t, "requests", len(w.sent()), 11)
	})
}

func TestAReasonThatIsWrongIsHeldBack(t *testing.T) {
	var round int
	inWorld(t, func(w *world) {
		w.Walks = map[string]func(string) Walk{"go": func(string) Walk {
			round++
			return &script{asked: wants("a hunch", paths(fmt.Sprint("r", round, "x"), 50, ".mod")...)}
		}}
	}, func(w *world) {
		w.put("x", first)
		run := func(uses int) (ahead int) {
			before := w.balance().Ahead
			g := w.client(1)
			g.get(first)
			time.Sleep(time.Second)
			g.all(4, paths(fmt.Sprint("r", round, "x"), 50, ".mod")[:uses])
			time.Sleep(time.Second)
			close(g.gone)
			time.Sleep(5 * time.Second)
			return w.balance().Ahead - before
		}
		same(t, "asked ahead at first", run(0), 50)
		same(t, "asked ahead, when nothing was used", run(0), 5)
		same(t, "and the line says so", w.Report()[0].Held, true)
		run(50) // what is held back was right
		same(t, "asked ahead, when it had been right", run(50), 50)
		same(t, "and the line says so", w.Report()[0].Held, false)
	})
}

// TestGuessesEndWithinTheirFirstRun bounds what follows from answers and is used by nobody.
func TestGuessesEndWithinTheirFirstRun(t *testing.T) {
	for _, c := range []struct {
		ext        string
		size, most int
	}{{".mod", 100, lineSlack}, {".zip", 100, bulkSlack}} {
		all := paths("a", 1000, c.ext)
		inWorld(t, scripted(script{reads: ".mod", answered: func(depth int, _ []byte) []project.Want {
			if depth > 0 {
				return nil
			}
			return wants("a guess", all...)
		}}), func(w *world) {
			w.put("x", first)
			w.put(strings.Repeat("x", c.size), all...)
			g := w.client(1)
			g.get(first)
			for i := range 20 {
				g.get(strings.Replace(first, "first", fmt.Sprint("n", i), 1))
				time.Sleep(time.Second)
			}
			same(t, c.ext+" asked ahead", w.balance().Ahead, c.most)
		})
	}
}

// TestPackagesThatArePassedByStopTheOthers holds waste near 5 % of what the client got, even if a list was promised.
func TestPackagesThatArePassedByStopTheOthers(t *testing.T) {
	all := paths("a", 200, ".zip")
	inWorld(t, scripted(script{asked: wants("a list", all...)}), func(w *world) {
		w.put("x", first)
		w.put(strings.Repeat("x", 200_000), all...)
		w.Budget = 4 << 20
		g := w.client(1)
		g.get(first)
		time.Sleep(time.Second)
		for i, z := range all {
			if i%3 > 0 { // it needs but a third
				continue
			}
			g.get(z)
		}
		close(g.gone)
		time.Sleep(5 * time.Second)
		b := w.balance()
		needed := int64(67 * 200_000)             // of 40 MB
		unseen := int64(2 * bulkPasses * 200_000) // two of three are wasted while the client uses eight, which then shows
		atMost(t, "bytes wasted", b.WastedBytes, needed/20+byteSlack+unseen)
	})
}

func TestBudgetBoundsWhatLiesUnused(t *testing.T) {
	all := paths("a", 100, ".zip")
	inWorld(t, scripted(script{asked: wants("a list", all...)}), func(w *world) {
		w.Budget = 1 << 20
		w.put("x", first)
		w.put(strings.Repeat("x", 100_000), all...)
		g := w.client(1)
		g.get(first)
		time.Sleep(30 * time.Second)
		same(t, "packages ahead", w.balance().Ahead, bulkAhead)
		g.all(4, all[:10])
		g.get(first)
		time.Sleep(5 * time.Second)
		used := w.balance().Used
		atMost(t, "packages used and not, after some were used", w.balance().Ahead, used+11+8) // a megabyte, and those under way
		atMost(t, "and no less", used+bulkAhead, w.balance().Ahead)
	})
}

func TestLastTimeIsAskedForAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "recall.json")
	all := paths("a", 100, ".mod")
	setup := func(w *world) {
		scripted(script{})(w)
		w.Recall = &recall.Memory{Path: file}
		w.put("x", all...)
	}
	for _, c := range []struct {
		what   string
		rounds float64
	}{{"the first time", 100}, {"the second time", 6}} {
		inWorld(t, setup, func(w *world) {
			g := w.client(1)
			atMost(t, c.what+": rounds", took(func() { g.all(1, all) }), c.rounds)
			same(t, c.what+": requests", len(w.sent()), 100)
			close(g.gone)
			time.Sleep(5 * time.Second)
			same(t, c.what+": waste", w.balance().Wasted, 0)
		})
	}
	inWorld(t, setup, func(w *world) {
		w.client(1).all(1, append(paths("b", 5, ".mod"), all[20:]...))
		same(t, "another beginning: asked ahead", w.balance().Ahead, 0)
	})
}

func TestWhatIsNotAskedAhead(t *testing.T) {
	odd := []project.Want{
		{URL: "https://elsewhere.example/x.mod"},
		{URL: "http://proxy.golang.org" + paths("a", 1, ".mod")[0]},
		{URL: host + "/nothing-of-a-module"},
		{URL: "https://sum.golang.org/supported"},
		{URL: "::"},
		{URL: host + first}, // it was asked for
	}
	inWorld(t, scripted(script{asked: odd}), func(w *world) {
		w.put("x", first)
		w.client(1).get(first)
		time.Sleep(time.Second)
		same(t, "requests", strings.Join(w.sent(), " "), host+first)
	})
	inWorld(t, scripted(script{asked: wants("all", paths("a", 5, ".mod")...)}), func(w *world) {
		req := fetch.Request{Match: w.match(first), Client: w.client(1).of, Doubtful: true}
		w.Asked(req)
		time.Sleep(time.Second)
		same(t, "requests because of what may be private", len(w.sent()), 0)
		w.Answered(req, fetch.Report{})
		time.Sleep(time.Second)
		same(t, "requests once the origin gave it to us", len(w.sent()), 5)
	})
}

func TestARegistryThatFailsIsLeftInPeace(t *testing.T) {
	all := paths("a", 300, ".mod")
	inWorld(t, scripted(script{asked: wants("all", all...)}), func(w *world) {
		w.broken = true
		w.Metadata = 5
		g := w.client(1)
		g.get(first)
		time.Sleep(20 * time.Second)
		atMost(t, "requests", len(w.sent()), 1+2*5)
	})
}

// TestWhatFailsIsNotFree has a registry that refuses half of what a file names, so that it never fails often in a row.
func TestWhatFailsIsNotFree(t *testing.T) {
	all := paths("a", 2000, ".mod")
	inWorld(t, scripted(script{asked: wants("all", all...)}), func(w *world) {
		w.put("x", first)
		w.put("x", all...)
		w.refuses = func(n int) bool { return n%2 == 1 }
		w.client(1).get(first)
		time.Sleep(50 * time.Second)
		atMost(t, "requests", len(w.sent()), 1+1+certain)
	})
}

func TestCachedThingsCostNothing(t *testing.T) {
	all := paths("a", 100, ".mod")
	inWorld(t, scripted(script{asked: wants("all", all...)}), func(w *world) {
		w.put("x", first)
		w.put("x", all...)
		for _, p := range all {
			w.kept[w.match(p).Name] = true
		}
		g := w.client(1)
		g.get(first)
		close(g.gone)
		time.Sleep(5 * time.Second)
		l := w.Report()[0]
		same(t, "requests", len(w.sent()), 1)
		same(t, "cached", l.Cached, 100)
		same(t, "wasted", l.Wasted, 0)
	})
}

// TestEachProcessHasARun tells processes behind one address apart, and does not wait long for who it is.
func TestEachProcessHasARun(t *testing.T) {
	inWorld(t, func(w *world) {
		scripted(script{})(w)
		w.Project = func(c fetch.Client) (Place, bool) {
			switch c.From.Addr().As4()[3] {
			case 1:
				return Place{Dir: "/a", Args: []string{"go"}}, true
			case 2:
				time.Sleep(time.Hour)
			}
			return Place{}, false
		}
	}, func(w *world) {
		w.put("x", first)
		for n := range byte(3) {
			w.client(n + 1).get(first)
		}
		synctest.Wait()
		same(t, "runs at once", w.running(), 2)
		time.Sleep(tellWithin + time.Millisecond)
		synctest.Wait()
		same(t, "runs soon after", w.running(), 3)
		time.Sleep(2 * time.Hour)
		same(t, "runs in the end", w.running(), 0)
	})
}
