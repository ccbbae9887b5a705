package fetch_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/notary"
	"hither/rules"
)

// reader is an inspector that goes by what a document says: "bad ..." is refuted, "proven ..." and "doubtful ..." are what they say.
type reader struct {
	looks   int
	refutes string // what else is refuted
}

func (r *reader) Inspects(m rules.Match) (ok, provable bool) {
	provable = strings.HasPrefix(m.Clean, "/page/")
	return provable, provable
}

func (r *reader) Inspect(_ context.Context, _ rules.Match, document []byte) (notary.Finding, error) {
	r.looks++
	switch word, _, _ := strings.Cut(string(document), " "); word {
	case "bad", r.refutes:
		return notary.Unproven, errors.New("it says so")
	case "proven":
		return notary.Proven, nil
	case "doubtful":
		return notary.Doubtful, nil
	}
	return notary.Unproven, nil
}

func TestWhatTheInspectorRefutesTheNextSourceSends(t *testing.T) {
	w := newWorld(t)
	w.Inspector = &reader{}
	w.hosts["one"].files["/page/a"], w.hosts["two"].files["/page/a"] = []byte("bad page"), []byte("proven page")
	expect(t, w.ask(w.requestOf("twin", "/page/a")), "proven page from two (miss) after [one two]")
	expect(t, w.ask(w.requestOf("twin", "/page/a")), "proven page from two (hit) after []")
	w.hosts["two"].files["/page/b"], w.hosts["one"].files["/page/b"] = []byte("bad page"), make([]byte, 2<<20)
	expect(t, w.ask(w.requestOf("twin", "/page/b")), "failure 502 after [one two]")
	expect(t, w.ask(w.requestOf("twin", "/page/b")), "failure 502 after [one two]")
}

func TestWhatIsNotProvenIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newWorld(t), &reader{}
		w.Inspector = r
		page := w.requestOf("twin", "/page/a")
		ask := func(want string) {
			t.Helper()
			expect(t, w.ask(page), want)
			synctest.Wait() // until the fill has ended: who asks sooner gets what it brought
		}
		w.put("/page/a", []byte("a page"))
		ask("a page from one (miss) after [one]")
		ask("a page from one (hit) after []")
		r.refutes = "a"
		w.put("/page/a", []byte("doubtful page"))
		ask("doubtful page from one (miss) after [one]")
		w.put("/page/a", []byte("proven page"))
		ask("proven page from one (miss) after [one]")
		looks := r.looks
		time.Sleep(1000 * time.Hour)
		ask("proven page from one (hit) after []")
		if r.looks != looks {
			t.Errorf("a proven page was looked at %d times more", r.looks-looks)
		}
	})
}

// What stays unproven is kept as long as what no authority names, and longer where nobody has another.
func TestWhatStaysUnprovenIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Inspector = &reader{}
		page := w.requestOf("twin", "/page/a")
		w.put("/page/a", []byte("a page"))
		expect(t, w.ask(page), "a page from one (miss) after [one]")
		time.Sleep(2 * time.Hour)
		w.put("/page/a", []byte("proven page"))
		expect(t, w.ask(page), "proven page from one (miss) after [one]")
		w.put("/page/b", []byte("b page"))
		page = w.requestOf("twin", "/page/b")
		expect(t, w.ask(page), "b page from one (miss) after [one]")
		time.Sleep(2 * time.Hour)
		w.hosts["one"].dead, w.hosts["two"].dead = true, true
		expect(t, w.ask(page), "b page from one (stale) after [one two]")
	})
}
