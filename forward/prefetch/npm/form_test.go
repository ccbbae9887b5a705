package npm

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hither/forward/project"
)

// inForm are the packuments that are wanted, by path; those in full with a plus.
func inForm(wants []project.Want) string {
	var all []string
	for _, want := range wants {
		if want.Bulk {
			continue
		}
		path := strings.TrimPrefix(want.URL, registry)
		if want.Accept[0] == full {
			path += "+"
		}
		all = append(all, path)
	}
	return strings.Join(all, " ")
}

const withSpares = `1.0.0 "dependencies":{"part":"1"},"optionalDependencies":{"tool-darwin":"1","tool-linux":"1"}`

// What is an optional dependency is asked for in the form in which this version of the client does. It shows with its first request.
func TestOptionalDependenciesAreWantedAsTheClientAsksForThem(t *testing.T) {
	for _, c := range []struct{ program, agent, before, then string }{
		{"pnpm", "pnpm/9.15.9 npm/? node/v20.20.2 linux x64", "/part", "/tool-darwin /tool-linux"},
		{"pnpm", "pnpm/10.28.1 npm/? node/v20.20.2 linux x64", "/part", "/tool-darwin /tool-linux"},
		{"pnpm", "pnpm/10.28.2 npm/? node/v20.20.2 linux x64", "/part", "/tool-darwin+ /tool-linux+"},
		{"pnpm", "pnpm/11.0.0", "/part", "/tool-darwin+ /tool-linux+"},
		{"bun", "Bun/1.4.3", "/part", "/tool-darwin /tool-linux"},
		{"bun", "Bun/1.4.4", "/part", "/tool-darwin /tool-linux+"},
		{"bun", "", "/part", "/tool-darwin /tool-linux"},
		{"npm", "npm/11.19.1 node/v20.20.2 linux x64", "/part+ /tool-darwin+ /tool-linux+", ""},
	} {
		w := newWorld(t)
		w.publish("tool", withSpares)
		form := short
		if c.program == "npm" {
			form = full
		}
		m := w.match("/tool", form)
		w.walk.Project("", []string{c.program, "add", "tool"})
		same(t, c.agent+": before it asks", inForm(w.walk.Answered(m, w.registry["/tool"], 1)), c.before)
		w.walk.Agent(c.agent)
		same(t, c.agent+": then", inForm(w.walk.Asked(m)), c.then)
	}
}

// npx asks for the short packument of what it is to run, to know its version, and builds the tree from the full ones.
func TestTheFirstRequestOfNPXSaysNothingOfTheOthers(t *testing.T) {
	for _, c := range []struct{ agent, before, then string }{
		{"npm/10.3.0 node/v20.20.2 linux x64", "/part", "/deep"},
		{"npm/10.4.0 node/v20.20.2 linux x64", "/part+", "/deep+"},
		{"", "/part", "/deep"},
	} {
		w := newWorld(t)
		w.publish("tool", `1.0.0 "dependencies":{"part":"1"}`)
		w.publish("part", `1.0.0 "dependencies":{"deep":"1"}`)
		w.walk.Project("", []string{"npm exec tool"})
		w.walk.Agent(c.agent)
		m := w.match("/tool", short)
		same(t, c.agent+": at first", inForm(w.walk.Asked(m)), "")
		same(t, c.agent+": the tool's", inForm(w.walk.Answered(m, w.registry["/tool"], 0)), c.before)
		w.walk.Asked(w.match("/npm", short))
		same(t, c.agent+": the part's", inForm(w.walk.Answered(w.match("/part", full), w.registry["/part"], 1)), c.then)
	}
}

// Of a client that does not say what it is, it shows when it asks for the first.
func TestTheFormOfOptionalDependenciesIsLearnt(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"tool", "other"} {
		w.publish(name, strings.ReplaceAll(withSpares, "tool", name))
	}
	answer := func(name string) string {
		m := w.match(name, short)
		w.walk.Asked(m)
		return inForm(w.walk.Answered(m, w.registry[name], 0))
	}
	same(t, "not known", answer("/tool"), "/part /tool-darwin /tool-linux")
	w.walk.Asked(w.match("/tool-linux", full))
	w.walk.Asked(w.match("/of-what-has-not-come", full))
	same(t, "known", answer("/other"), "/other-darwin /other-linux+")
	w.walk.Asked(w.match("/tool/-/tool-1.0.0.tgz", "*/*"))
	w.publish("part", `1.0.0 "dependencies":{"deep":"1"}`)
	same(t, "behind a tarball", inForm(w.walk.Answered(w.match("/part", short), w.registry["/part"], 1)), "/deep")
}

// What the project itself has as optional dependencies is no other.
func TestOptionalDependenciesOfTheProject(t *testing.T) {
	for _, c := range []struct{ command, agent, before, then string }{
		{"npm install", "npm/11.19.1 node/v20.20.2 linux x64", "/a+ /b+ /c-linux+", ""},
		{"pnpm install", "pnpm/10.28.1 npm/? node/v20.20.2 linux x64", "/a", "/b /c-linux"},
		{"pnpm install", "pnpm/10.28.2 npm/? node/v20.20.2 linux x64", "/a", "/b+ /c-linux+"},
		{"bun install", "Bun/1.4.4", "/a", "/b /c-linux+"},
	} {
		w, dir := newWorld(t), t.TempDir()
		file := `{"dependencies":{"a":"1"},"optionalDependencies":{"b":"1","c-linux":"1"}}`
		if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		same(t, c.agent+": before it asks", inForm(w.walk.Project(dir, strings.Fields(c.command))), c.before)
		w.walk.Agent(c.agent)
		same(t, c.agent+": then", inForm(w.walk.Asked(w.match("/pnpm", short))), c.then)
	}
}

// Behind one address there may be several programs. What is known of one says nothing of the next, also where it has come to its
// tarballs, behind which its own packuments are no news.
func TestAnotherClientBehindNPMIsHeard(t *testing.T) {
	for _, done := range []bool{false, true} {
		w := newWorld(t)
		for _, c := range []struct{ agent, name, form, want string }{
			{"npm/11.19.1 node/v20.20.2 linux x64", "/tool", full, "/tool-part+"},
			{"pnpm/9.15.9 npm/? node/v20.20.2 linux x64", "/other", short, "/other-part"},
			{"npm/11.19.1 node/v20.20.2 linux x64", "/more", full, "/more-part+"},
		} {
			w.publish(c.name[1:], `1.0.0 "dependencies":{"`+c.name[1:]+`-part":"1"}`)
			w.walk.Agent(c.agent)
			m := w.match(c.name, c.form)
			w.walk.Asked(m)
			same(t, c.agent, inForm(w.walk.Answered(m, w.registry[c.name], 0)), c.want)
			if done {
				w.walk.Asked(w.match(c.name+"/-"+c.name+"-1.0.0.tgz", "*/*"))
			}
		}
	}
}

// What all of them cost is counted together, there is no more room for the next one, and who does not say what it is, or is known by its process, is no other.
func TestTheSameClientIsNotHeardAnew(t *testing.T) {
	for _, c := range []struct{ command, agent, want string }{
		{"", "pnpm/9.15.9", ""},
		{"", "", "/tool-part"},
		{"npm install tool", "pnpm/9.15.9", "/tool-part"},
	} {
		w := newWorld(t)
		w.walk.Most = 7
		w.publish("tool", `1.0.0 "dependencies":{"tool-part":"1"}`)
		w.walk.Project("", strings.Fields(c.command))
		w.walk.Agent("npm/11.19.1 node/v20.20.2 linux x64")
		w.ask("/tool", full)
		w.ask("/tool/-/tool-1.0.0.tgz", "*/*")
		cost := w.walk.work
		w.walk.Agent(c.agent)
		known := ""
		if w.walk.packages["tool-part"] != nil {
			known = "/tool-part"
		}
		same(t, c.command+" "+c.agent+": what it knows", known, c.want)
		same(t, c.command+" "+c.agent+": what that cost", w.walk.work, cost)
		same(t, c.command+" "+c.agent+": versions that there is room for", w.walk.Most, 7)
	}
}

// What waits for the first request is asked for in the form in which that came.
func TestWhatWaitedIsWantedAsTheClientAsks(t *testing.T) {
	for _, c := range []struct{ agent, form, want string }{
		{"npm/9.9.4 node/v18.20.8 linux x64", short, "/extra"},
		{"npm/10.9.9 node/v20.20.2 linux x64", full, "/extra+"},
	} {
		w := newWorld(t)
		w.publish("tool", "1.0.0 "+optionalPeer)
		m := w.match("/tool", c.form)
		w.walk.Project("", []string{"npm", "install", "tool"})
		same(t, c.agent+": before it asks", inForm(w.walk.Answered(m, w.registry["/tool"], 1)), "")
		w.walk.Agent(c.agent)
		same(t, c.agent+": then", inForm(w.walk.Asked(m)), c.want)
	}
}

// Yarn 4 by the gateway, Deno and vlt ask for the full packuments, as npm does. Only npm says which bytes it expects of a
// tarball, and looks at the optional peers of all.
func TestWhoAsksAsNPMDoesIsNotNPM(t *testing.T) {
	for agent, want := range map[string]string{
		"npm/11.19.1 node/v20.20.2 linux x64": "/part+ /extra+", "pacote/22.0.0 node/v26.10.0 linux x64": "/part+ /extra+", "npm-registry-fetch@19.1.1/node@v26.10.0+x64 (linux)": "/part+ /extra+", "": "/part+ /extra+",
		"got (https://github.com/sindresorhus/got)": "/part+", "Deno/2.9.6": "/part+", "@vltpkg/registry-client/1.0.0-rc.23 Node.js/26": "/part+", "npminstall/7.12.0": "/part+",
	} {
		w := newWorld(t)
		w.publish("tool", `1.0.0 "dependencies":{"part":"1"},`+optionalPeer)
		w.publish("part", "1.0.0")
		m := w.match("/tool", full)
		w.walk.Agent(agent)
		w.walk.Asked(m)
		got := strings.Fields(inForm(w.walk.Answered(m, w.registry["/tool"], 0)))
		slices.SortFunc(got, func(a, b string) int { return strings.Compare(b, a) })
		same(t, agent+": packuments", strings.Join(got, " "), want)
		says := w.walk.agreed(project.Want{Digest: "x"}).Digest != ""
		same(t, agent+": it says which bytes it expects", says, strings.Contains(want, "extra"))
	}
}
