package npm

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hither/forward/prefetch/npm/semver"
)

// crowd is a registry's answer with so many versions, none of which needs what another does; needs are the dependencies of all.
func crowd(versions int, needs string) json.RawMessage {
	var all []string
	for v := range versions {
		all = append(all, fmt.Sprintf(`"1.%d.0":{"dependencies":{%s"only-%d":"1"}}`, v, needs, v))
	}
	return json.RawMessage(fmt.Sprintf(`{"dist-tags":{"latest":"1.%d.0"},"versions":{%s}}`, versions-1, strings.Join(all, ",")))
}

// A large project of old versions asks for hundreds of packuments that no guess explains. The walk goes on nevertheless.
func TestNPMsGuessesLeaveRoomForTheRest(t *testing.T) {
	w := newWorld(t)
	w.publish("tool", `1.0.0 "dependencies":{"core":"^1"}`)
	w.publish("core", "1.0.0")
	for i := range 400 {
		w.registry[fmt.Sprintf("/p%d", i)] = crowd(200, "")
		w.ask(fmt.Sprintf("/p%d", i), full)
	}
	for i := range 700 {
		if i == 0 {
			w.walk.predicted = true
		}
		w.ask(fmt.Sprintf("/strange-%d", i), full)
	}
	w.ahead = nil
	w.ask("/tool", full)
	same(t, "wanted", strings.Join(w.ahead, " "), "/core")
}

// What versions need is looked at of very many, and kept of those that are chosen.
func TestNPMKeepsNoSheetThatItOnlyLookedAt(t *testing.T) {
	w := newWorld(t)
	w.registry["/many"] = crowd(5000, `"common":"1","x":"1",`)
	w.ask("/many", full)
	w.walk.lastWith(w.walk.packages["many"].doc, []clue{{name: "common"}, {name: "only-7"}})
	kept := 0
	for _, f := range w.walk.packages["many"].doc.facts {
		if f.read != nil {
			kept++
		}
	}
	same(t, "sheets kept", kept, 1)
}

// A registry whose versions differ in everything, and need what many others need, is looked through within maxWork.
func TestNPMsGuessesAreCounted(t *testing.T) {
	w := newWorld(t)
	var needs strings.Builder
	var clues []clue
	for i := range 300 {
		fmt.Fprintf(&needs, `"n%d":"1 || 2 || 3 || 4 || 5 || 6 || 7 || 8",`, i)
		clues = append(clues, clue{"n" + strconv.Itoa(i), &release{id: "1.0.0", readable: true, version: semver.Version{Major: 1}}})
	}
	w.registry["/many"] = crowd(300, needs.String())
	w.ask("/many", full)
	w.walk.work = 0
	w.walk.lastWith(w.walk.packages["many"].doc, append(clues, clue{name: "only-0"}))
	if w.walk.work < 300*300*clueWork {
		t.Errorf("300 clues in 300 versions were counted as %d", w.walk.work)
	}
	w.walk.work = maxWork
	same(t, "that goes on for ever", w.walk.lastWith(w.walk.packages["many"].doc, nil) == nil, true)
}

// How a version that was chosen came into the tree may be a long story, too, which is told of each of thousands.
func TestNPMLooksBackNotForEver(t *testing.T) {
	w := newWorld(t)
	var r *release
	for range 2 * maxLed {
		r = &release{by: r}
		w.walk.home[r] = &pkg{demanded: true}
	}
	w.walk.refuted[&release{}] = true
	same(t, "refuted", w.walk.refutes(r), false)
	same(t, "work", w.walk.work, maxLed)
}

// A document may name more packages than there are.
func TestNPMNotesNotAllThatADocumentNames(t *testing.T) {
	doc := []byte(`{"versions":{"1.0.0":{"dependencies":{"x":"1"`)
	for v := range 10 {
		for i := range maxPackages / 4 {
			doc = fmt.Appendf(doc, `,"p%d-%d":""`, v, i)
		}
		doc = fmt.Appendf(doc, `}},"1.%d.0":{"dependencies":{"x":"1"`, v+1)
	}
	read, ok := readPackument("many", append(doc, "}}}}"...))
	same(t, "is read", ok, true)
	same(t, "names", len(read.needed), maxPackages)
	if read.weight < maxPackages/4 {
		t.Errorf("it weighs %d", read.weight)
	}
}

// What is looked up of one package is what is chosen of all, an alias included.
func TestNPMFindsOnePackageOnASheet(t *testing.T) {
	w := newWorld(t)
	w.registry["/odd"] = json.RawMessage(`{"versions":{
		"1.0.0":{"dependencies":{"a":"1","b":"npm:c@1","d":"git+https://h/d"},"peerDependencies":{"a":"2","e":"*","f":"*"},
			"peerDependenciesMeta":{"e":{"optional":true},"g":{"optional":true}},"optionalDependencies":{"a":"3"},"bundleDependencies":["f"]},
		"2.0.0":{"dependencies":{"a":"1"},"bundleDependencies":true}, "3.0.0":{"dependencies":["a"]}}}`)
	for path, body := range w.registry {
		doc, ok := readPackument(path[1:], body)
		if !ok {
			t.Fatal(path)
		}
		for i := range doc.facts {
			var got []need
			for _, name := range slices.Sorted(maps.Keys(doc.needed)) {
				got = append(got, doc.facts[i].about(name).needs()...)
			}
			if want := doc.facts[i].sheet().needs(); !slices.Equal(got, want) {
				t.Errorf("%s: %s\n got %v\nwant %v", path, doc.facts[i].raw, got, want)
			}
		}
	}
	odd, _ := readPackument("odd", w.registry["/odd"])
	for name, want := range map[string]bool{"a": true, "b": false, "d": false, "e": false, "f": false, "g": false} {
		same(t, name, w.walk.has(&odd.facts[0], clue{name: name}), want)
	}
}

// Tarballs that wait for the first are not looked through at each packument until then: for a large tree there are thousands.
func TestNPMsTarballsWaitForNothing(t *testing.T) {
	const many = 500
	w := newWorld(t)
	w.walk.Project("", []string{"npm", "install"})
	for i := range many {
		w.publish(fmt.Sprintf("p%d", i), "1.0.0")
		w.ask(fmt.Sprintf("/p%d", i), full)
	}
	atMost(t, "work", w.walk.work, many*10)
}
