package measure

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// five are four good candidates and a dead one, as far apart as in the lab. Which is best depends on the class.
func five(cold bool) ([]string, map[string]*link) {
	return []string{origin, dead, far, odd, near}, map[string]*link{
		origin: {wait: 220 * ms, rate: 4, cold: cold},
		dead:   {fails: Stalled},
		far:    {wait: 90 * ms, rate: 30, cold: cold},
		odd:    {wait: 60 * ms, rate: 6, cold: cold},
		near:   {wait: 30 * ms, rate: 2, cold: cold},
	}
}

func TestTheBestOneIsFoundWithinTwentyRequests(t *testing.T) {
	for _, class := range []struct {
		of   Object
		best string
	}{
		{Object{Size: 2000}, near},
		{Object{Size: 1 << 20}, far},
		{Object{Size: 32 << 20}, far},
		{Object{}, near},
	} {
		for _, start := range []struct {
			name         string
			cold, probed bool
		}{
			{"constant waits", false, false},
			{"the first answer pays for the connection", true, false},
			{"after probes", false, true},
			{"after probes, and each connection is cold", true, true},
		} {
			t.Run(fmt.Sprintf("%d bytes, %s", class.of.Size, start.name), func(t *testing.T) {
				list, links := five(start.cold)
				n := newNet(list, links)
				if start.probed {
					for _, base := range list {
						if links[base].fails == OK {
							n.probed(base, 1, OK, links[base].wait)
						}
					}
				}
				for range 20 {
					n.fetch(class.of)
				}
				check(t, "first after 20", n.first(list, class.of), class.best)
				for range 200 {
					n.fetch(class.of)
				}
				check(t, "first after 220", n.first(list, class.of), class.best)
				if got := links[dead].asked; got > 30 {
					t.Errorf("the dead one was asked\ngot  %d times\nwant at most 30", got)
				}
			})
		}
	}
}

// lab are the five links of bench/mirrors, "choice"; the rates of the lossy ones are what loss leaves of them (Mathis 1997).
func lab() ([]string, map[string]*link) {
	mbit := func(n float64) float64 { return n * 1e6 / 8 / (1 << 20) }
	return []string{origin, near, odd, far, dead}, map[string]*link{
		origin: {wait: 220 * ms, rate: mbit(0.65), jitter: 0.03, cold: true, slow: true},
		near:   {wait: 30 * ms, rate: mbit(12), jitter: 0.07, cold: true, slow: true},
		odd:    {wait: 60 * ms, rate: mbit(50), jitter: 0.03, cold: true, slow: true},
		far:    {wait: 90 * ms, rate: mbit(2.2), jitter: 0.05, cold: true, slow: true},
		dead:   {fails: Stalled},
	}
}

func TestOverConnectionsThatBeginSlowlyTheBestIsChosenForGoodWithinTwenty(t *testing.T) {
	slowFive := func() ([]string, map[string]*link) {
		list, links := five(true)
		for _, l := range links {
			l.slow, l.jitter = true, 0.1
		}
		return list, links
	}
	for _, c := range []struct {
		name  string
		links func() ([]string, map[string]*link)
		size  int64
		best  string
	}{
		{"the lab, small", lab, 8 << 10, near},
		{"the lab, medium", lab, 512 << 10, odd},
		{"the lab, large", lab, 8 << 20, odd},
		{"five, small", slowFive, 2000, near},
		{"five, medium", slowFive, 1 << 20, far},
		{"five, large", slowFive, 32 << 20, far},
	} {
		for _, beside := range []int{1, 2, 3} {
			for seed := range uint64(4) {
				n := newNet(c.links())
				n.random = rand.New(rand.NewPCG(seed, 7))
				senders, settled := n.settle(Object{Size: c.size}, beside, time.Duration(seed%4)*100*ms, c.best)
				if settled > 20 {
					t.Errorf("%s, %d at once, seed %d: chosen for good\ngot  %s after %d, by %s\nwant %s after at most 20",
						c.name, beside, seed, n.last, settled, shortly(senders), c.best)
				}
			}
		}
	}
}

// settle asks for 200 objects, so many at once, and tells after how many orders the best stood first for good.
func (n *net) settle(o Object, beside int, gap time.Duration, best string) (senders []string, settled int) {
	expected := Object{} // nobody knows how large the first ones will be
	for len(senders) < 200 {
		senders = append(senders, n.fetchBeside(expected, o, beside)...)
		if n.first(n.list, o) != best {
			settled = len(senders)
		}
		expected = o
		n.after(gap)
	}
	return senders, settled
}

// shortly names bases by two letters each.
func shortly(bases []string) (text string) {
	for _, base := range bases {
		text += strings.TrimPrefix(base, "https://")[:2] + " "
	}
	return text
}

func TestEqualsUnderJitterChangeLessThanOnceAMinute(t *testing.T) {
	for _, of := range []Object{{Size: 2000}, {Size: 1 << 20}, {Size: 32 << 20}} {
		list := []string{origin, near, far, odd}
		links := map[string]*link{}
		for _, base := range list {
			links[base] = &link{wait: 80 * ms, rate: 20, jitter: 0.2}
		}
		n := newNet(list, links)
		began := n.now
		for range 20_000 {
			n.fetch(of)
			n.after(20 * ms)
		}
		minutes := n.now.Sub(began).Minutes()
		t.Logf("%d bytes: %d changes in %.0f minutes", of.Size, n.changes, minutes)
		if n.changes > 5 {
			t.Errorf("changes in %.0f minutes\ngot  %d\nwant at most 5", minutes, n.changes)
		}
	}
}

func TestOneThatIsKilledAndComesBackIsUsedAgainWithinAMinuteWithoutFlapping(t *testing.T) {
	for _, how := range []Outcome{Broken, Stalled, Refused, Limited, Outrun} {
		for _, pause := range []time.Duration{500 * ms, time.Second} { // between requests
			for _, gone := range []time.Duration{time.Minute, 10 * time.Minute} {
				t.Run(fmt.Sprintf("%s, a request every %s, for %s", how, pause, gone), func(t *testing.T) {
					n := newNet([]string{origin, near, odd, far}, map[string]*link{
						origin: {wait: 220 * ms, jitter: 0.2},
						near:   {wait: 30 * ms, jitter: 0.2},
						odd:    {wait: 60 * ms, jitter: 0.2},
						far:    {wait: 90 * ms, jitter: 0.2},
					})
					n.spend(t, "at first", time.Minute, pause, near, 4)
					n.links[near].fails, n.links[near].asked = how, 0
					n.spend(t, "while it is dead", gone, pause, odd, 2)
					if got, most := n.links[near].asked, 15+int(gone/time.Minute); got > most {
						t.Errorf("while it was dead it was asked\ngot  %d times\nwant at most %d", got, most)
					}
					n.links[near].fails = OK
					if rest := n.standing(near).Until.Sub(n.now); rest > 0 {
						n.spend(t, "before its ejection ends", rest, pause, odd, 0)
					}
					n.spend(t, "a minute later", time.Minute, pause, near, 1)
					n.spend(t, "from then on", 5*time.Minute, pause, near, 0)
				})
			}
		}
	}
}

// spend asks for small objects for so long, and checks who stands first then and how often that changed.
func (n *net) spend(t *testing.T, what string, long, pause time.Duration, want string, changes int) {
	t.Helper()
	n.changes = 0
	for end := n.now.Add(long); n.now.Before(end); n.after(pause) {
		if n.fetch(Object{}) == "" {
			t.Errorf("%s: an object did not come", what)
		}
	}
	check(t, what+": first", n.first(n.list, Object{}), want)
	if n.changes > changes {
		t.Errorf("%s: changes\ngot  %d\nwant at most %d", what, n.changes, changes)
	}
}

func TestNobodyIsPreferredForAQuickNo(t *testing.T) {
	list := []string{near, origin, far}
	links := map[string]*link{
		near:   {wait: ms, fails: Missing},
		origin: {wait: 220 * ms},
		far:    {wait: 400 * ms},
	}
	n := newNet(list, links)
	n.probed(near, 5, OK, ms) // it has what the probe asks for
	for range 100 {
		n.fetch(Object{})
	}
	check(t, "first", n.first(list, Object{}), origin)
	early := links[near].asked
	for range 10_000 {
		n.fetch(Object{})
	}
	if late := links[near].asked - early; early > 10 || late > 20 {
		t.Errorf("it was asked\ngot  %d times in the first 100, then %d in 10000\nwant at most 10 and 20", early, late)
	}
}

func TestHostileMirrorsLose(t *testing.T) {
	for _, c := range []struct {
		name string
		near link
		want string
	}{
		{"fast, and lacks every second object", link{wait: 60 * ms, rate: 20, fails: Missing, every: 2}, far},
		{"fast, and stalls every tenth time", link{wait: 60 * ms, rate: 20, fails: Stalled, every: 10}, far},
		{"fast, with a wrong byte in the 30th", link{wait: 5 * ms, rate: 20, fails: WrongBytes, every: 30}, far},
		{"fast, and answers a page every second time", link{wait: 5 * ms, rate: 20, fails: Page, every: 2}, near},
		{"fast for what is small, slow for blobs", link{wait: 5 * ms, rate: 1}, far},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := []string{origin, near, far}
			n := newNet(list, map[string]*link{origin: {wait: 220 * ms, rate: 20}, far: {wait: 90 * ms, rate: 20}, near: &c.near})
			n.probed(near, 5, OK, 5*ms)
			for range 300 {
				n.fetch(Object{Size: 5 << 20})
			}
			check(t, "first", n.first(list, Object{Size: 5 << 20}), c.want)
		})
	}
}

func TestWhenTheBestOneSlowsDownAnotherIsChosenAndBack(t *testing.T) {
	for _, c := range []struct {
		name             string
		of               Object
		well, sick, next link
	}{
		{"in waiting", Object{}, link{wait: 20 * ms}, link{wait: 900 * ms}, link{wait: 100 * ms}},
		{"in sending", Object{Size: 8 << 20}, link{wait: 20 * ms, rate: 40}, link{wait: 20 * ms, rate: 1}, link{wait: 20 * ms, rate: 15}},
	} {
		links := map[string]*link{origin: &c.next, near: {}}
		n := newNet([]string{origin, near}, links)
		steps := func(what string, l link, times int, want string) {
			t.Helper()
			*links[near] = l
			for range times {
				n.fetch(c.of)
				n.after(100 * ms)
			}
			check(t, c.name+": "+what, n.first(n.list, c.of), want)
		}
		steps("at first", c.well, 20, near)
		steps("after ten slow ones", c.sick, 10, origin)
		steps("when it was slow for long", c.sick, 200, origin)
		steps("thirty after it recovered", c.well, 30, near)
	}
}

func TestOldFiguresAreExploredAgain(t *testing.T) {
	list := []string{origin, near, far}
	links := map[string]*link{origin: {wait: 100 * ms}, near: {wait: 20 * ms}, far: {wait: 300 * ms}}
	n := newNet(list, links)
	for range 30 {
		n.fetch(Object{})
	}
	check(t, "before", n.first(list, Object{}), near)
	links[near].wait, links[far].wait = 300*ms, 20*ms // another part of the day
	n.after(7 * time.Hour)
	for range 20 {
		n.fetch(Object{})
	}
	check(t, "after 20 more", n.first(list, Object{}), far)
}

func TestTheIncumbentStaysUnlessClearlyBeaten(t *testing.T) {
	for _, c := range []struct {
		name             string
		incumbent, rival time.Duration
		want             string
	}{
		{"a little faster is not enough", 100 * ms, 80 * ms, origin},
		{"a third faster is enough", 100 * ms, 60 * ms, near},
		{"half the time of little is not enough", 16 * ms, 8 * ms, origin},
		{"half the time and more than 10 ms is enough", 30 * ms, 15 * ms, near},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			list := []string{origin, near}
			w.saw(origin, 5, OK, c.incumbent)
			w.saw(near, 5, OK, 2*c.incumbent)
			w.Order(list, Object{})
			w.Doubt()
			w.Order(list, Object{}) // an incumbent again
			w.after(time.Second)
			w.saw(origin, 5, OK, c.incumbent)
			w.saw(near, 5, OK, 2*c.incumbent)
			w.Order(list, Object{}) // settled
			for range 40 {
				w.saw(near, 1, OK, c.rival)
			}
			check(t, "first at once", w.Order(list, Object{})[0], origin)
			check(t, "first when nothing new is known", w.Order(list, Object{})[0], origin)
			w.saw(near, 1, OK, c.rival)
			check(t, "first the second time", w.Order(list, Object{})[0], c.want)
		})
	}
}

func TestExplorationOfOneRegistryDoesNotStarveAnother(t *testing.T) {
	w := newWorld()
	w.saw(origin, 1, OK, 50*ms)
	w.saw(far, 1, OK, 50*ms)
	explored := map[string]bool{}
	for range 20 {
		for range 3 { // the busy registry
			explored[w.Order([]string{far, odd}, Object{})[0]] = true
		}
		explored[w.Order([]string{origin, near}, Object{})[0]] = true
	}
	check(t, "both explored", explored[near] && explored[odd], true)
}

// Nine mirrors of ten that a list names may be dead. A probe finds that out, and no client has to.
func TestClientsDoNotTryWhoFailedAProbe(t *testing.T) {
	w := newWorld()
	w.saw(origin, 9, OK, 50*ms)
	w.probed(near, 1, Stalled, 0)
	tried := func() (n int) {
		for range 100 {
			w.after(time.Second)
			w.saw(origin, 1, OK, 50*ms)
			if w.Order([]string{origin, near}, Object{})[0] == near {
				n++
			}
		}
		return n
	}
	if n := tried(); n != 0 {
		t.Errorf("turns of one that failed a probe\ngot  %d of 100\nwant 0", n)
	}
	w.Doubt()
	if tried() == 0 {
		t.Error("one has no turn that failed a probe in another network")
	}
	w.probed(near, 1, Stalled, 0)
	w.after(hushed)
	if tried() == 0 {
		t.Error("one that nobody probes any more has no turn")
	}
	w.probed(near, 1, Stalled, 0)
	w.probed(near, 1, OK, 20*ms)
	if tried() == 0 {
		t.Error("one that answers probes again has no turn")
	}
}

func TestTurnsInVainBecomeRare(t *testing.T) {
	w := newWorld()
	w.saw(origin, 9, OK, 50*ms)
	var turns []int
	for i := range 2000 {
		if w.Order([]string{origin, near}, Object{})[0] == near {
			turns = append(turns, i+1)
		}
	}
	check(t, "turns", fmt.Sprint(turns), "[2 5 8 28 68 148 308 628 1268]")
}
