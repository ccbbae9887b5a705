package measure

import (
	"fmt"
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

func TestOneThatIsKilledAndComesBackIsUsedAgainWithoutFlapping(t *testing.T) {
	for _, how := range []Outcome{Broken, Stalled, Refused, Limited} {
		t.Run(how.String(), func(t *testing.T) {
			list := []string{origin, near, far}
			links := map[string]*link{
				origin: {wait: 220 * ms, jitter: 0.2},
				near:   {wait: 30 * ms, jitter: 0.2},
				far:    {wait: 90 * ms, jitter: 0.2},
			}
			n := newNet(list, links)
			steps := func(what string, long time.Duration, want string, changes int) {
				t.Helper()
				n.changes = 0
				for end := n.now.Add(long); n.now.Before(end); n.after(500 * ms) {
					if n.fetch(Object{}) == "" {
						t.Errorf("%s: an object did not come", what)
					}
				}
				check(t, what+": first", n.first(list, Object{}), want)
				if n.changes > changes {
					t.Errorf("%s: changes\ngot  %d\nwant at most %d", what, n.changes, changes)
				}
			}
			steps("at first", time.Minute, near, 4)
			links[near].fails, links[near].asked = how, 0
			steps("while it is dead", 5*time.Minute, far, 2)
			if got := links[near].asked; got > 15 {
				t.Errorf("while it was dead it was asked\ngot  %d times\nwant at most 15", got)
			}
			links[near].fails = OK
			steps("when it is back", 10*time.Minute, near, 2)
			steps("later", 10*time.Minute, near, 0)
		})
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
	list := []string{origin, near}
	links := map[string]*link{origin: {wait: 100 * ms}, near: {wait: 20 * ms}}
	n := newNet(list, links)
	steps := func(what string, times int, want string) {
		t.Helper()
		for range times {
			n.fetch(Object{})
		}
		check(t, what, n.first(list, Object{}), want)
	}
	steps("at first", 20, near)
	links[near].wait = 900 * ms
	steps("after ten slow ones", 10, origin)
	links[near].wait = 20 * ms
	steps("when it recovered", 60, near)
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
