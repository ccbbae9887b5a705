package prefetch

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/fetch"
)

// What npm has in a cache of its own it asks for no packument of. What needs that, and what that needs, has its turn all the same.
func TestNPMsTarballsComeInItsOrderBelowWhatItHas(t *testing.T) {
	w := newNPMWorld(t)
	w.publish("tool", `1.0.0 "dependencies":{"left":"1","own":"1"}`)
	w.publish("left", `1.0.0 "dependencies":{"a":"1","z":"1"}`)
	w.publish("a", `1.0.0 "dependencies":{"deep":"1"}`)
	for _, name := range []string{"z", "deep", "x"} {
		w.publish(name, "1.0.0")
	}
	for _, name := range []string{"tool", "left", "a", "z", "deep"} {
		w.ask("/"+name, full)
	}
	w.ask("/x/-/x-1.0.0.tgz", "*/*")
	w.ahead = nil
	w.ask("/left/-/left-1.0.0.tgz", "*/*")
	same(t, "wanted", strings.Join(w.ahead, " "), "/deep/-/deep-1.0.0.tgz /z/-/z-1.0.0.tgz /a/-/a-1.0.0.tgz /left/-/left-1.0.0.tgz")
}

// Aliases let a version need another package a thousand times, each time all of its versions, of which many need that again.
func TestNPMsTreeHasEachVersionOnce(t *testing.T) {
	const many = 300
	w := newNPMWorld(t)
	var each, all []string
	for i := range many {
		each = append(each, fmt.Sprintf(`"e%d":"npm:many@1.%d.0"`, i, i))
		all = append(all, fmt.Sprintf(`"a%d":"npm:many@*"`, i))
	}
	w.registry["/many"] = crowd(many, `"many":"*",`)
	w.publish("holder", `1.0.0 "dependencies":{`+strings.Join(each, ",")+"}")
	w.publish("wide", `1.0.0 "dependencies":{`+strings.Join(all, ",")+"}")
	for _, name := range []string{"holder", "wide", "many"} {
		w.ask("/"+name, full)
	}
	for i := range many { // then all of them belong to the tree
		w.walk.demanded(fmt.Sprintf("only-%d", i))
	}
	picks, _ := w.walk.picksFor(w.walk.packages["wide"].last())
	same(t, "versions", len(picks), many)
	same(t, "in the tree", len(w.walk.tree()), many+2)
	same(t, "in turn", len(w.walk.sequence()), many+2)
}

// Where nothing needs anything, to look at it all is work nevertheless.
func TestNPMsTurnsAreCounted(t *testing.T) {
	const many = 500
	w := newNPMWorld(t)
	for i := range many {
		w.publish(fmt.Sprintf("p%d", i), "1.0.0")
		w.ask(fmt.Sprintf("/p%d", i), full)
	}
	w.walk.tree()
	w.walk.work = 0
	same(t, "in turn", len(w.walk.sequence()), many)
	if w.walk.work < many*10 {
		t.Errorf("%d versions were counted as %d", many, w.walk.work)
	}
}

// npm asks for many at a time: what it jumped over it may ask for a moment later. What it left out it has shown not to want
// when it asked for 32 behind it.
func TestNPMHasPassedByWhatItAskedFor32Behind(t *testing.T) {
	inWorld(t, withNPM, func(w *world) {
		dir, all := w.locked(80)
		w.Project = func(fetch.Client) (Place, bool) {
			return Place{Dir: dir, Args: []string{"npm", "ci"}, Has: hasNone}, true
		}
		g := w.client(1)
		get := func(from, to int) {
			for i := from; i < to; i++ {
				g.get(npmRegistry + all[79-i]) // from the last to the first
			}
			synctest.Wait()
		}
		get(0, 1)
		time.Sleep(20 * time.Second)
		same(t, "tarballs", w.asked(".tgz"), 80)
		get(41, 72)
		same(t, "wasted behind 31", w.balance().Wasted, 0)
		get(72, 73)
		same(t, "wasted behind 32", w.balance().Wasted, 40)
		get(1, 41)
		same(t, "wasted after all", w.balance().Wasted, 0)
	})
}
