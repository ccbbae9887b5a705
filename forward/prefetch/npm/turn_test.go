package npm

import (
	"fmt"
	"strings"
	"testing"
)

// What npm has in a cache of its own it asks for no packument of. What needs that, and what that needs, has its turn all the same.
func TestNPMsTarballsComeInItsOrderBelowWhatItHas(t *testing.T) {
	w := newWorld(t)
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
	w := newWorld(t)
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
	w := newWorld(t)
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
