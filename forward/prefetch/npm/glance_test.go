package npm

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"hither/forward/project"
)

// publish has the registry give these versions, the last as latest; each line is VERSION and the members of its document.
func (w *world) publish(name string, versions ...string) {
	var all []string
	latest := ""
	for _, line := range versions {
		version, members, _ := strings.Cut(line, " ")
		if members != "" {
			members += ","
		}
		latest = version
		all = append(all, `"`+version+`":{`+members+`"dist":{"tarball":"`+registry+"/"+name+"/-/"+name+"-"+version+`.tgz"}}`)
	}
	w.registry["/"+name] = json.RawMessage(`{"dist-tags":{"latest":"` + latest + `"},"versions":{` + strings.Join(all, ",") + `}}`)
}

const optionalPeer = `"peerDependencies":{"extra":"^1.0.0"},"peerDependenciesMeta":{"extra":{"optional":true}}`

func TestNPMLooksAtOptionalPeers(t *testing.T) {
	w := newWorld(t)
	w.publish("tool", `1.0.0 "dependencies":{"part":"1"},`+optionalPeer)
	w.publish("part", "1.0.0")
	w.publish("extra", `1.0.0 "dependencies":{"deep":"1"},"peerDependencies":{"peer":"1"}`)
	w.publish("peer", `1.0.0 "dependencies":{"deeper":"1"}`)
	for _, step := range []struct{ why, ask, accept, want string }{
		{"the peer, and its peers, and no dependency", "/tool", full, "/extra /peer /part"},
		{"that stays so when npm asks", "/extra", full, ""},
		{"and behind all peers", "/part", full, ""},
		{"and here", "/peer", full, ""},
		{"somebody needs it, so it will be installed, as will its peer", "/deep", full, "/deeper"},
		{"which is known by now", "/deeper", full, ""},
		{"its tarball comes with the others", "/tool/-/tool-1.0.0.tgz", "*/*", "/part/-/part-1.0.0.tgz /peer/-/peer-1.0.0.tgz /tool/-/tool-1.0.0.tgz /extra/-/extra-1.0.0.tgz"},
	} {
		w.ahead = nil
		w.ask(step.ask, step.accept)
		if got := strings.Join(w.ahead, " "); got != step.want {
			t.Errorf("%s: %s\n got %q\nwant %q", step.why, step.ask, got, step.want)
		}
	}
}

// A prerelease that is there will do for *, as it does for what is installed.
func TestNPMLooksOnceForWhatAnyVersionWillDo(t *testing.T) {
	w := newWorld(t)
	w.publish("tool", `1.0.0 "dependencies":{"extra":"2.0.0-b"},"peerDependencies":{"peer":"*"}`)
	w.publish("peer", `1.0.0 "peerDependencies":{"extra":"*"},"peerDependenciesMeta":{"extra":{"optional":true}}`)
	w.publish("extra", "2.0.0-b", `1.0.0 "peerDependencies":{"astray":"1"}`)
	w.ask("/tool", full)
	same(t, "wanted", strings.Join(w.ahead, " "), "/extra /peer")
}

// Yarn leaves peers to the project, as npm does if it is told so; pnpm and Bun install them.
func TestPeersAreWantedForThoseThatInstallThem(t *testing.T) {
	for _, c := range []struct{ registry, command, want string }{
		{registry, "", "/part /peer"},
		{registry, "npm install", "/part /peer"},
		{registry, "pnpm install", "/part /peer"},
		{registry, "bun install", "/part /peer"},
		{registry, "npm install --legacy-peer-deps", "/part"},
		{registry, "npm install --legacy-peer-deps=false", "/part /peer"},
		{registry, "yarn install", "/part"},
		{project.YarnRegistry, "", "/part"},
		{project.YarnRegistry, "npm install", "/part /peer"},
	} {
		w := newWorld(t)
		w.walk = New(c.registry)
		w.publish("tool", `1.0.0 "dependencies":{"part":"1"},"peerDependencies":{"peer":"1"}`)
		if c.command != "" {
			w.walk.Project("", strings.Fields(c.command))
		}
		m := w.match("/tool", full)
		w.walk.Asked(m)
		var got []string
		for _, want := range w.walk.Answered(m, w.registry["/tool"], 0) {
			if !want.Bulk {
				got = append(got, strings.TrimPrefix(want.URL, c.registry))
			}
		}
		same(t, c.registry+" "+c.command, strings.Join(got, " "), c.want)
	}
}

// Later ones look only at what is there already. Which one it is shows with its first request, so nothing is looked at before.
func TestOnlyOlderNPMsLookAtOptionalPeers(t *testing.T) {
	for agent, looks := range map[string]bool{
		"npm/7.24.2 node/v16.20.2 linux x64":                  true,
		"npm/10.9.9 node/v20.20.2 linux x64 workspaces/false": true,
		"npm/11.19.1 node/v20.20.2 linux x64":                 true,
		"npm/11.20.0 node/v20.20.2 linux x64":                 false,
		"npm/12.0.2 node/v22.22.0 linux x64":                  true,
		"npm/12.1.0 node/v22.22.0 linux x64":                  false,
		"npm/13.0.0":                                          false,
		"npm/":                                                true,
		"pnpm/12.1.0 npm/? node/v22.22.0":                     true,
		"":                                                    true,
	} {
		w := newWorld(t)
		w.publish("tool", `1.0.0 "dependencies":{"part":"1"},`+optionalPeer)
		w.publish("part", "1.0.0 "+strings.ReplaceAll(optionalPeer, "extra", "far"))
		w.publish("extra", "1.0.0")
		w.publish("far", "1.0.0")
		w.fetch(w.walk.Project("", []string{"npm", "install", "tool"}), 1)
		same(t, agent+": wanted before it asks", strings.Join(w.ahead, " "), "/tool /part")
		w.ahead = nil
		w.walk.Agent(agent)
		w.ask("/tool", full)
		want := ""
		if looks {
			want = "/extra /far"
		}
		same(t, agent+": wanted then", strings.Join(w.ahead, " "), want)
	}
}

// Others than npm ask for no optional peer.
func TestOthersLookAtNoOptionalPeers(t *testing.T) {
	for how, ask := range map[string]func(w *world) []project.Want{
		"by its requests": func(w *world) []project.Want { return w.walk.Asked(w.match("/tool", short)) },
		"by its command":  func(w *world) []project.Want { return w.walk.Project("", []string{"pnpm", "add", "tool"}) },
	} {
		w := newWorld(t)
		w.publish("tool", "1.0.0 "+optionalPeer)
		w.fetch(ask(w), 1)
		w.bring("/tool", short, 0)
		if slices.Contains(w.ahead, "/extra") {
			t.Errorf("%s: wanted %v", how, w.ahead)
		}
	}
}

// What one package of the project needs may be the same in all its versions, and only what those need tell them apart.
func TestNPMLearnsAVersionFromWhatItLeadsTo(t *testing.T) {
	w := newWorld(t)
	w.publish("tool", `1.0.0 "dependencies":{"core":"^1"}`, `2.0.0 "dependencies":{"core":"^2"}`, `3.0.0 "dependencies":{"core":"^3"}`)
	w.publish("core", `1.0.0 "dependencies":{"oldest":"1"}`, `2.0.0 "dependencies":{"old":"1"}`, `2.1.0 "dependencies":{"old":"1","older":"1"}`, "3.0.0")
	w.publish("other", `1.0.0 "dependencies":{"old":"1"}`, "9.0.0")
	for _, step := range []struct{ ask, want string }{
		{"/tool", "/core"}, {"/other", ""}, {"/core", ""}, {"/old", "/older"}, {"/older", ""}, {"/oldest", ""},
	} {
		w.ahead = nil
		w.ask(step.ask, full)
		if got := strings.Join(w.ahead, " "); got != step.want {
			t.Errorf("%s\n got %q\nwant %q", step.ask, got, step.want)
		}
	}
	w.ahead = nil
	w.ask("/tool/-/tool-2.0.0.tgz", "*/*")
	if want := "/core/-/core-2.1.0.tgz"; !slices.Contains(w.ahead, want) || slices.Contains(w.ahead, "/core/-/core-3.0.0.tgz") {
		t.Errorf("\n got %q\nwant %s, and no other of core", w.ahead, want)
	}
}

// npm asks for the peers of a package of the project right behind it, before the next one of the project, which says
// nothing about the version of the first.
func TestNPMsNextPackageOfTheProjectIsNoPuzzle(t *testing.T) {
	for _, optional := range []string{"", `"peerDependenciesMeta":{"peer":{"optional":true}},`} {
		w := newWorld(t)
		w.publish("first", `1.0.0 "dependencies":{"second":"1"}`, `2.0.0 "peerDependencies":{"peer":"1"},`+optional+`"dependencies":{"part":"1"}`)
		w.publish("peer", "1.0.0")
		w.publish("second", "1.0.0")
		w.publish("part", "1.0.0")
		for _, ask := range []string{"/first", "/peer", "/second", "/part"} {
			w.ask(ask, full)
		}
		same(t, "first", w.walk.packages["first"].last().id, "2.0.0")
		same(t, "then it is known", w.walk.predicted, true)
	}
}

// What an older version needs itself is likelier than what it leads to.
func TestNPMTakesTheShortestExplanation(t *testing.T) {
	w := newWorld(t)
	w.publish("far", `1.0.0 "dependencies":{"between":"1"}`, `2.0.0 "dependencies":{"between":"2","part":"1"}`)
	w.publish("between", `1.0.0 "dependencies":{"old":"1"}`, "2.0.0")
	w.publish("near", `1.0.0 "dependencies":{"old":"1"}`, "2.0.0")
	w.publish("part", "1.0.0")
	for _, ask := range []string{"/far", "/near", "/between", "/part", "/old"} {
		w.ask(ask, full)
	}
	same(t, "far", w.walk.packages["far"].last().id, "2.0.0")
	same(t, "near", w.walk.packages["near"].last().id, "1.0.0")
}

// A guess may be two steps too high, and which one is right shows with the second.
func TestNPMMovesTwice(t *testing.T) {
	w := newWorld(t)
	w.publish("lint", `8.0.0 "dependencies":{"rules":"1","doctrine":"1","text":"1"}`, `9.0.0 "dependencies":{"rules":"2","levn":"1"}`, `10.0.0 "dependencies":{"levn":"1"}`)
	for _, step := range []struct{ ask, want string }{
		{"/lint", "/levn"}, {"/levn", ""}, {"/rules", ""}, {"/doctrine", "/text"}, {"/text", ""},
	} {
		w.ahead = nil
		w.ask(step.ask, full)
		if got := strings.Join(w.ahead, " "); got != step.want {
			t.Errorf("%s\n got %q\nwant %q", step.ask, got, step.want)
		}
	}
}

// What a move leads to takes a while to come. Until then no other guess is blamed for what the client asks for.
func TestNPMWaitsForWhatAMoveLeadsTo(t *testing.T) {
	for says, c := range map[string]struct{ run, pack string }{
		"it explains the rest": {`1.0.0 "dependencies":{"match":"1"}`, "5.0.0"},
		"it does not":          {"1.0.0", "4.0.0"},
		"it is not there":      {"", "4.0.0"},
		"it will not come":     {"", "4.0.0"},
		"it is private":        {"", "4.0.0"},
	} {
		w := newWorld(t)
		w.publish("pack", `4.0.0 "dependencies":{"match":"1","huge":"1"}`, `5.0.0 "dependencies":{"small":"1"}`)
		w.publish("test", `1.0.0 "dependencies":{"only":"1","run":"1"}`, `2.0.0 "dependencies":{"walk":"1"}`)
		if w.publish("run", c.run); c.run == "" {
			delete(w.registry, "/run")
		}
		for _, ask := range []string{"/pack", "/test", "/small", "/walk"} {
			w.ask(ask, full)
		}
		w.walk.Asked(w.match("/only", full)) // wants run, which is on its way
		w.ask("/match", full)
		same(t, says+": pack, meanwhile", w.walk.packages["pack"].last().id, "5.0.0")
		switch says {
		case "it will not come":
			w.fetch(w.walk.Missed(w.match("/run", full)), 1)
		case "it is private":
			w.fetch(w.walk.Withheld([]project.Want{{URL: registry + "/run", Accept: []string{full}}}), 1)
		default:
			w.bring("/run", full, 1)
		}
		same(t, says+": pack", w.walk.packages["pack"].last().id, c.pack)
		same(t, says+": test", w.walk.packages["test"].last().id, "1.0.0")
	}
}

// What npm did not ask for while it built its tree, it does not install, nor what only that needs.
func TestNPMWantsTarballsOnlyOfWhatItAskedFor(t *testing.T) {
	w := newWorld(t)
	w.publish("tool", `1.0.0 "dependencies":{"left":"1","right":"1"}`)
	w.publish("left", `1.0.0 "dependencies":{"both":"1"}`)
	w.publish("right", `1.0.0 "dependencies":{"both":"2"}`)
	w.publish("both", "1.0.0", "2.0.0")
	for _, ask := range []string{"/tool", "/left", "/both"} {
		w.ask(ask, full)
	}
	w.ahead = nil
	w.ask("/tool/-/tool-1.0.0.tgz", "*/*")
	if got, want := strings.Join(w.ahead, " "), "/both/-/both-1.0.0.tgz /left/-/left-1.0.0.tgz /tool/-/tool-1.0.0.tgz"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}
