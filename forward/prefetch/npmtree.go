package prefetch

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
)

// npmTree is what npm may install of what was chosen, known once it has all packuments: it asked for those of all that a
// version needs, or that is not the one it chose. Some it may have had in a cache of its own; then a version belongs to the
// tree when its tarball is asked for.
type npmTree struct {
	has    map[*npmRelease]bool
	proven map[*npmRelease]bool // the client asked for their tarballs
	homes  int                  // len(npmWalk.home) when has was made
}

// tree is what is known of it by now.
func (w *npmWalk) tree() map[*npmRelease]bool {
	t := &w.planted
	if t.has != nil && t.homes == len(w.home) {
		return t.has
	}
	t.has, t.homes = make(map[*npmRelease]bool), len(w.home)
	w.work += len(w.home)
	var roots []*npmRelease
	for r, p := range w.home {
		begins := r.by == nil || p.puzzling
		if begins && w.refuted[r] {
			_, all := w.picksFor(p.last())
			begins = !all // else that one stands for it
		}
		if begins || t.proven[r] {
			roots = append(roots, r)
		}
	}
	w.grow(roots)
	return t.has
}

// prove is told that the client asks for the tarball of a version.
func (w *npmWalk) prove(r *npmRelease) {
	t := &w.planted
	if t.proven == nil {
		t.proven = make(map[*npmRelease]bool)
	}
	t.proven[r] = true
	if t.has != nil {
		t.homes = len(w.home) // what was chosen with it is what it needs
		w.grow([]*npmRelease{r})
	}
}

// grow adds versions to the tree, and what they need.
func (w *npmWalk) grow(next []*npmRelease) {
	t, met := &w.planted, make(map[*npmRelease]bool)
	for ; len(next) > 0 && w.work < npmWork; next = next[1:] {
		r := next[0]
		if t.has[r] {
			continue
		}
		if picks, all := w.picksFor(r); all || t.proven[r] {
			t.has[r] = true
			for _, pick := range picks {
				if !met[pick] {
					met[pick] = true
					next = append(next, pick)
				}
			}
		}
	}
}

// picksFor are the versions that were chosen for what a version needs, as far as the client asked for it. all says that it
// did, and for the version's own package. Each is there once, for whatever number of aliases.
func (w *npmWalk) picksFor(by *npmRelease) (picks []*npmRelease, all bool) {
	all = w.home[by].demanded
	met := make(map[*npmRelease]bool)
	w.work += clueWork / 4
	for _, n := range w.home[by].doc.sheet(by).needs() {
		name, want, ok := parseRequest(n.name, n.spec)
		p := w.packages[name]
		w.work += clueWork / 4
		switch {
		case !ok || n.optional || p == nil || w.locked[name]:
		case p.demanded:
			w.work += len(p.picks)
			for _, r := range p.picks {
				if !met[r] && (want.fits(r) || want.kind == byTag && p.doc.tags[want.text] == r.id) {
					met[r] = true
					picks = append(picks, r)
				}
			}
		case !n.peer: // npm may have been told to leave peers alone
			all = false
		}
	}
	return picks, all
}

// inTurn brings tarballs into the order in which npm asks for them: it begins with what it put into its tree last.
func (w *npmWalk) inTurn(all []npmTarball) {
	at := w.sequence()
	slices.SortStableFunc(all, func(a, b npmTarball) int { return cmp.Compare(at[b.of], at[a.of]) })
}

// sequence is when npm puts the versions of the tree into its own: of those whose needs are not there yet, the needs of the
// first by name come next (Arborist's build-ideal-tree.js, depsQueue).
func (w *npmWalk) sequence() map[*npmRelease]int {
	at := make(map[*npmRelease]int)
	next := &npmQueue{home: w.home}
	put := func(all []*npmRelease) {
		all = slices.DeleteFunc(all, func(r *npmRelease) bool { return at[r] > 0 })
		slices.SortFunc(all, next.compare)
		for _, r := range all {
			at[r] = len(at) + 1
			heap.Push(next, r)
		}
	}
	tree := w.tree()
	var roots []*npmRelease
	for r := range tree {
		if !tree[r.by] { // the project needs it, or what npm had in a cache of its own
			roots = append(roots, r)
		}
	}
	for put(roots); next.Len() > 0 && w.work < npmWork; {
		picks, _ := w.picksFor(heap.Pop(next).(*npmRelease))
		put(picks)
	}
	return at
}

// npmQueue is a heap of versions, by the names of their packages.
type npmQueue struct {
	home map[*npmRelease]*npmPackage
	all  []*npmRelease
}

func (q *npmQueue) compare(a, b *npmRelease) int {
	return cmp.Or(strings.Compare(q.home[a].name, q.home[b].name), strings.Compare(a.id, b.id))
}

func (q *npmQueue) Len() int           { return len(q.all) }
func (q *npmQueue) Less(i, j int) bool { return q.compare(q.all[i], q.all[j]) < 0 }
func (q *npmQueue) Swap(i, j int)      { q.all[i], q.all[j] = q.all[j], q.all[i] }
func (q *npmQueue) Push(r any)         { q.all = append(q.all, r.(*npmRelease)) }

func (q *npmQueue) Pop() any {
	last := len(q.all) - 1
	r := q.all[last]
	q.all = q.all[:last]
	return r
}
