package npm

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"hither/cache"
	"hither/forward/prefetch/npm/semver"
	"hither/forward/project"
	"hither/rules"
)

const (
	wishLife  = 2 * time.Hour // longer than any packument is served unasked
	maxWished = 4000          // packages
	maxWishes = 8             // versions of each
	maxWish   = 256           // bytes of each; nobody means a longer one
	maxTags   = 64            // of a packument that are looked at: a few have hundreds
	maxNeeds  = 1000          // of each of its versions, and of a project
	maxRead   = 32 << 20      // bytes of a packument; nearly all have less than 10 MB
)

// News is what versions are known to be wanted. A packument that is a little too old is served all the same, and one that was
// kept is for a while: then what was published meanwhile is not there to npm, which ends, or leaves out what is optional. So it is
// noted what a command or a project names, and what a newer packument says of its latest versions: an older copy without those
// is no answer. It implements prefetch.News. The zero value knows of none. Its methods may be called from many goroutines.
type News struct {
	reads sync.Mutex // held while a packument is read: it may have 32 MB

	mu sync.Mutex
	of map[string][]wish // by registry and name
}

// wish is a version that somebody wants, and since when that is known.
type wish struct {
	request
	since time.Time
}

// wanted is a version of a package of which it is not said at which registry.
type wanted struct {
	name string
	request
}

// Reads says whether m is a packument.
func (n *News) Reads(m rules.Match) bool {
	_, ok := packumentName(m)
	return ok
}

// Anew says that a process wants to know what there is now, of all that it asks for.
func (n *News) Anew(args []string) bool { return readCommand(args).online }

// Wants is what a process wants, by its arguments and, if dir is not empty, by the project there, whose files are read if its
// command installs what they name. Note writes it down.
func (n *News) Wants(dir string, args []string) (note func(*rules.Rule, time.Time)) {
	c := readCommand(args)
	all := named(c, args)
	if dir != "" && c.installs && !c.clean && !c.apart {
		all = append(all, wantedBy(dir)...)
	}
	return func(rule *rules.Rule, now time.Time) {
		for _, w := range all {
			n.add(wishKey(rule, w.name), w.request, now)
		}
	}
}

// named is what a command names, which somebody types who knows that it is there.
func named(c command, args []string) (all []wanted) {
	specs := c.current
	for _, arg := range args {
		if spec, ok := strings.CutPrefix(arg, "npm:"); ok { // so Deno has them
			specs = append(specs, spec)
		}
	}
	for _, spec := range specs {
		name, want, ok := parseRequest(cutSpec(spec))
		if !ok {
			continue
		}
		if want.kind == byRange && want.text == "*" {
			want = request{kind: byTag, text: "latest"}
		}
		all = append(all, wanted{name, want})
	}
	return all
}

// wantedBy is what the project in a directory names. A tag is what most have, and no news.
func wantedBy(dir string) (all []wanted) {
	manifest, err := project.ReadManifest(dir)
	if err != nil {
		return nil
	}
	for _, m := range append([]*project.Manifest{manifest}, manifest.Workspaces...) {
		for _, need := range directNeeds(m, true) {
			if name, want, ok := parseRequest(need.name, need.spec); ok && want.kind != byTag && len(all) < maxNeeds {
				all = append(all, wanted{name, want})
			}
		}
	}
	return all
}

// Came takes note of what a packument, which changed lately, tells: its latest versions, and what they need, are there.
func (n *News) Came(m rules.Match, document []byte, now time.Time) {
	name, ok := packumentName(m)
	if !ok {
		return
	}
	n.reads.Lock()
	doc, ok := readPackument(name, document)
	n.reads.Unlock()
	if !ok {
		return
	}
	for _, r := range slices.Backward(doc.latest()) { // of too many wishes the last stay
		n.add(wishKey(m.Rule, name), request{kind: byVersion, text: r.id}, now)
		needs := doc.sheet(r).needs()
		for _, need := range needs[:min(len(needs), maxNeeds)] {
			if other, want, ok := parseRequest(need.name, need.spec); ok && want.kind != byTag {
				n.add(wishKey(m.Rule, other), want, now)
			}
		}
	}
}

// latest are the versions that have a tag, as each has that was just published: the one that npm takes if nobody says which comes
// first.
func (d *packument) latest() (out []*release) {
	tags := append([]string{"latest"}, slices.Sorted(maps.Keys(d.tags))...)
	for _, tag := range tags[:min(len(tags), maxTags)] {
		if r := d.release(d.tags[tag]); r != nil && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// Lacks says that a packument which is kept, and was confirmed then, does not tell of a version that is wanted. Fresh: by its age it
// need not be asked for; else a tag may mean another version by now.
func (n *News) Lacks(m rules.Match, kept cache.Blob, checked time.Time, fresh bool) bool {
	name, ok := packumentName(m)
	if !ok {
		return false
	}
	wishes := n.after(wishKey(m.Rule, name), checked)
	isTag := func(w wish) bool { return w.kind == byTag }
	if slices.ContainsFunc(wishes, isTag) && !fresh {
		return true
	}
	wishes = slices.DeleteFunc(wishes, isTag)
	if len(wishes) == 0 || kept.Size() > maxRead {
		return false
	}
	if latest := latestOf(kept); !slices.ContainsFunc(wishes, func(w wish) bool { return !w.fits(&latest) }) {
		return false
	}
	n.reads.Lock()
	defer n.reads.Unlock()
	document := make([]byte, kept.Size())
	if read, _ := kept.ReadAt(document, 0); read < len(document) {
		return false // damaged on the disk: whoever reads it sees to that
	}
	doc, ok := readPackument(name, document)
	return ok && slices.ContainsFunc(wishes, func(w wish) bool { return doc.pick(w.request, machine{}) == nil })
}

// latestOf is the latest version of a packument, as far as its beginning tells. Most wishes are for that one, and need no more.
func latestOf(kept cache.Blob) release {
	head := make([]byte, min(kept.Size(), 16<<10))
	read, _ := kept.ReadAt(head, 0)
	in := &scanner{data: head[:read]}
	var r release
	in.members(func(key []byte) {
		if string(key) != "dist-tags" {
			in.value()
			return
		}
		in.members(func(tag []byte) {
			if id := in.text(); string(tag) == "latest" {
				r.id = id
			}
		})
	})
	r.version, r.readable = semver.ParseVersion(r.id, true)
	return r
}

// wishKey is the same for both names of one registry.
func wishKey(rule *rules.Rule, name string) string {
	registry := rule.Hosts[0].Name
	if rule.Twin != "" {
		registry = min(registry, rule.Twin)
	}
	return registry + " " + name
}

// add notes a wish, without what its range was read as, which has a hundred times as many bytes. Of too many for one package the
// oldest go, and of too many packages any.
func (n *News) add(key string, want request, now time.Time) {
	if want.ranged = (semver.Range{}); len(want.text) > maxWish {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of == nil {
		n.of = make(map[string][]wish)
	}
	if n.of[key] == nil && len(n.of) >= maxWished {
		n.tidyLocked(now)
	}
	all := slices.DeleteFunc(n.of[key], func(w wish) bool { return w.kind == want.kind && w.text == want.text })
	if len(all) >= maxWishes {
		all = slices.Delete(all, 0, 1)
	}
	n.of[key] = append(all, wish{want, now})
}

func (n *News) tidyLocked(now time.Time) {
	for key, all := range n.of {
		if now.Sub(all[len(all)-1].since) > wishLife {
			delete(n.of, key)
		}
	}
	for key := range n.of {
		if len(n.of) < maxWished*9/10 {
			return
		}
		delete(n.of, key)
	}
}

// after are the wishes of a package that are known since then.
func (n *News) after(key string, then time.Time) []wish {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []wish
	for _, w := range n.of[key] {
		if !w.since.After(then) {
			continue
		}
		if w.kind == byRange {
			w.ranged, _ = semver.ParseRange(w.text, true)
		}
		out = append(out, w)
	}
	return out
}
