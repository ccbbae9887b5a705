package npm

import (
	"path"
	"slices"
	"strings"
	"testing"
)

func TestNPMWantsTarballsOfItsTree(t *testing.T) {
	for _, c := range []struct{ why, packuments, tarballs, want string }{
		{"all that leads to it was asked for", "tool left right both", "left-1.0.0", "both-1.0.0 both-2.0.0 left-1.0.0 right-1.0.0 tool-1.0.0"},
		{"a version of which it did not ask for all is another one", "tool left both", "x-1.0.0", ""},
		{"or it had that in its own cache, which shows when it asks for the tarball", "tool left both", "x-1.0.0 tool-1.0.0", "both-1.0.0 left-1.0.0 tool-1.0.0"},
		{"or for that of what needs the rest", "tool left both", "x-1.0.0 left-1.0.0", "both-1.0.0 left-1.0.0"},
		{"optional peers are not asked for by all", "eager", "x-1.0.0", "eager-1.0.0"},
		{"nor are peers", "keen", "x-1.0.0", "keen-1.0.0"},
		{"what a tag says", "tagged both", "x-1.0.0", "both-2.0.0 tagged-1.0.0"},
		{"a move that was wrong", "first part other whole", "x-1.0.0", "first-2.0.0 other-1.0.0 part-1.0.0 whole-1.0.0"},
		{"a move that was right", "first part other gone", "x-1.0.0", "first-1.0.0 gone-1.0.0 other-1.0.0"},
		{"one that may be either", "first part other gone whole", "x-1.0.0", "first-1.0.0 gone-1.0.0 other-1.0.0"},
	} {
		w := newWorld(t)
		w.publish("tool", `1.0.0 "dependencies":{"left":"1","right":"1"}`)
		w.publish("left", `1.0.0 "dependencies":{"both":"1"}`)
		w.publish("right", `1.0.0 "dependencies":{"both":"2"}`)
		w.publish("both", "1.0.0", "2.0.0")
		w.publish("eager", "1.0.0 "+optionalPeer)
		w.publish("keen", `1.0.0 "peerDependencies":{"extra":"1"}`)
		w.publish("tagged", `1.0.0 "dependencies":{"both":"latest"}`)
		w.publish("first", `1.0.0 "dependencies":{"other":"1","gone":"1"}`, `2.0.0 "dependencies":{"part":"1","whole":"1"}`)
		for _, name := range []string{"part", "other", "whole", "gone", "x"} {
			w.publish(name, "1.0.0")
		}
		for name := range strings.FieldsSeq(c.packuments) {
			w.ask("/"+name, full)
		}
		w.ahead = nil
		for id := range strings.FieldsSeq(c.tarballs) {
			name, _, _ := strings.Cut(id, "-")
			w.ask("/"+name+"/-/"+id+".tgz", "*/*")
		}
		var got []string
		for _, at := range w.ahead {
			got = append(got, strings.TrimSuffix(path.Base(at), ".tgz"))
		}
		slices.Sort(got)
		same(t, c.why, strings.Join(got, " "), c.want)
	}
}
