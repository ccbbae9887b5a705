package npm

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
)

// tree is what npm may install of what was chosen, known once it has all packuments: it asked for those of all that a
// version needs, or that is not the one it chose. Some it may have had in a cache of its own; then a version belongs to the
// tree when its tarball is asked for.
type tree struct {
	has    map[*release]bool
	proven map[*release]bool // the client asked for their tarballs
	homes  int               // len(Walk.home) when has was made
}

// tree is what is known of it by now.
func (w *Walk) tree() map[*release]bool {
	t := &w.planted
	if t.has != nil && t.homes == len(w.home) {
		return t.has
	}
	t.has, t.homes = make(map[*release]bool), len(w.home)
	w.work += len(w.home)
	var roots []*release
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
func (w *Walk) prove(r *release) {
	t := &w.planted
	if t.proven == nil {
		t.proven = make(map[*release]bool)
	}
	t.proven[r] = true
	if t.has != nil {
		t.homes = len(w.home) // what was chosen with it is what it needs
		w.grow([]*release{r})
	}
}

// grow adds versions to the tree, and what they need.
func (w *Walk) grow(next []*release) {
	t, met := &w.planted, make(map[*release]bool)
	for ; len(next) > 0 && w.work < maxWork; next = next[1:] {
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
func (w *Walk) picksFor(by *release) (picks []*release, all bool) {
	all = w.home[by].demanded
	met := make(map[*release]bool)
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
func (w *Walk) inTurn(all []tarball) {
	at := w.sequence()
	slices.SortStableFunc(all, func(a, b tarball) int { return cmp.Compare(at[b.of], at[a.of]) })
}

// sequence is when npm puts the versions of the tree into its own: of those whose needs are not there yet, the needs of the
// first by name come next (Arborist's build-ideal-tree.js, depsQueue).
func (w *Walk) sequence() map[*release]int {
	at := make(map[*release]int)
	next := &queue{home: w.home}
	put := func(all []*release) {
		all = slices.DeleteFunc(all, func(r *release) bool { return at[r] > 0 })
		slices.SortFunc(all, next.compare)
		for _, r := range all {
			at[r] = len(at) + 1
			heap.Push(next, r)
		}
	}
	tree := w.tree()
	var roots []*release
	for r := range tree {
		if !tree[r.by] { // the project needs it, or what npm had in a cache of its own
			roots = append(roots, r)
		}
	}
	for put(roots); next.Len() > 0 && w.work < maxWork; {
		picks, _ := w.picksFor(heap.Pop(next).(*release))
		put(picks)
	}
	return at
}

// queue is a heap of versions, by the names of their packages.
type queue struct {
	home map[*release]*pkg
	all  []*release
}

func (q *queue) compare(a, b *release) int {
	return cmp.Or(strings.Compare(q.home[a].name, q.home[b].name), strings.Compare(a.id, b.id))
}

func (q *queue) Len() int           { return len(q.all) }
func (q *queue) Less(i, j int) bool { return q.compare(q.all[i], q.all[j]) < 0 }
func (q *queue) Swap(i, j int)      { q.all[i], q.all[j] = q.all[j], q.all[i] }
func (q *queue) Push(r any)         { q.all = append(q.all, r.(*release)) }

func (q *queue) Pop() any {
	last := len(q.all) - 1
	r := q.all[last]
	q.all = q.all[:last]
	return r
}
