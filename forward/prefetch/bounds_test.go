package prefetch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache"
	"hither/forward/fetch"
	"hither/forward/prefetch/recall"
	"hither/forward/project"
	"hither/rules"
)

// TestRepeatsAreNoNews has a client ask for one package again and again, as for its ranges: that holds nothing up.
func TestRepeatsAreNoNews(t *testing.T) {
	zip, ahead := paths("m", 1, ".zip")[0], paths("z", 40, ".zip")
	told := 0
	inWorld(t, func(w *world) {
		w.Walks = map[string]func(string) Walk{"go": func(string) Walk {
			return &script{asked: wants("all", ahead...), at: first, heard: func() { told++ }}
		}}
	}, func(w *world) {
		w.put("x", append(ahead, zip, first)...)
		for _, z := range ahead {
			w.slow[host+z] = time.Hour
		}
		g := w.client(1)
		g.get(zip)
		w.Filled(fetch.Report{Rule: "go", Name: cache.Name(w.match(zip).Name), Bytes: 1})
		for range 9 {
			g.get(zip)
		}
		synctest.Wait()
		same(t, "told to the walk", told, 1)
		g.get(first)
		synctest.Wait()
		same(t, "packages under way", w.flying(bulk), 8)
		close(g.gone)
	})
}

// TestTheEndOfAClientIsSeenSoon gives up what is under way, and what waits, some two seconds after the connection closed.
func TestTheEndOfAClientIsSeenSoon(t *testing.T) {
	all := append(paths("a", 300, ".mod"), paths("z", 300, ".zip")...)
	inWorld(t, scripted(script{asked: wants("all", all...)}), func(w *world) {
		w.put("x", first)
		for _, p := range all {
			w.slow[host+p] = time.Hour
		}
		g := w.client(1)
		g.get(first)
		synctest.Wait()
		same(t, "under way", w.flying(metadata)+w.flying(bulk), 90+8)
		close(g.gone)
		time.Sleep(goneAfter + 2*tick)
		same(t, "given up", w.lost(), 90+8)
		same(t, "runs", w.running(), 0)
		for _, l := range w.Report() {
			same(t, "held back, although only the client broke off", l.Held, false)
		}
		same(t, "things kept in mind", w.minded(), 0)
	})
}

// minded is how many objects all runs have.
func (w *world) minded() int {
	w.Prefetcher.mu.Lock()
	defer w.Prefetcher.mu.Unlock()
	return w.objects
}

// pages is an answer of n bytes whose length nobody told.
type pages struct {
	io.ReadSeeker
	left int
}

func (p *pages) Read(b []byte) (int, error) {
	n := min(len(b), p.left)
	if p.left -= n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (*pages) Close() error { return nil }

func TestBodiesStayWithinTheirBound(t *testing.T) {
	var p Prefetcher
	read := func(n int) ([]byte, error) {
		return p.read(&fetch.Answer{Status: 200, Size: -1, Body: &pages{left: n}})
	}
	_, err := read(maxBody + 2)
	same(t, "one that is too large", errors.Is(err, errLarge), true)
	same(t, "leaves nothing behind", p.bodies, 0)
	large, err := read(maxBody)
	same(t, "the largest", fmt.Sprint(len(large), err), fmt.Sprint(maxBody, " <nil>"))
	_, _ = read(maxBody / 2)
	_, err = read(maxBody)
	same(t, "one too many", errors.Is(err, errCrowded), true)
	if p.bodies > MaxBodies {
		t.Errorf("bytes in memory:\n got %d\nwant at most %d", p.bodies, MaxBodies)
	}
	p = Prefetcher{Bodies: 1 << 20}
	_, err = read(1 << 20)
	same(t, "one too many where there is little memory", errors.Is(err, errCrowded), true)
	same(t, "leaves nothing behind", p.bodies, 0)
}

// TestABodyThatFoundNoRoomIsReadLater fills the memory for bodies while the first answer comes.
func TestABodyThatFoundNoRoomIsReadLater(t *testing.T) {
	var heard atomic.Int32
	inWorld(t, scripted(script{asked: wants("all", paths("a", 3, ".mod")...), reads: ".mod", answered: func(int, []byte) []project.Want {
		heard.Add(1)
		return nil
	}}), func(w *world) {
		w.put("x", append(paths("a", 3, ".mod"), first)...)
		w.reserve(MaxBodies)
		g := w.client(1)
		g.get(first)
		time.Sleep(5 * time.Second)
		same(t, "told while there is no room", heard.Load(), 0)
		w.reserve(-MaxBodies)
		time.Sleep(5 * time.Second)
		same(t, "told later", heard.Load(), 4)
		same(t, "requests", len(w.sent()), 4)
	})
}

func TestObjectsOfAllRunsAreBounded(t *testing.T) {
	inWorld(t, scripted(script{asked: wants("all", paths("a", 50, ".mod")...)}), func(w *world) {
		w.put("x", first)
		w.Prefetcher.mu.Lock()
		w.objects = maxObjects - 20
		w.Prefetcher.mu.Unlock()
		w.client(1).get(first)
		time.Sleep(time.Second)
		same(t, "asked ahead", w.balance().Ahead, 20)
	})
}

// TestWhatTheRegistryDoesNotHaveIsNotWrittenDown keeps names that went astray, and may be private, out of the file.
func TestWhatTheRegistryDoesNotHaveIsNotWrittenDown(t *testing.T) {
	all := paths("a", 10, ".mod")
	last := &recall.Memory{Path: filepath.Join(t.TempDir(), "recall.json")}
	inWorld(t, func(w *world) { scripted(script{})(w); w.Recall = last }, func(w *world) {
		w.put("x", all...)
		g := w.client(1)
		g.all(1, append(paths("secret", 5, ".mod"), all...))
		close(g.gone)
		time.Sleep(5 * time.Second)
	})
	text, err := os.ReadFile(last.Path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "runs", bytes.Count(text, []byte(`"rule"`)), 1)
	same(t, "what it had", bytes.Count(text, []byte("/a0")), 10)
	same(t, "what it had not", bytes.Count(text, []byte("secret")), 0)
}

// TestPackagesOfLastTimeWaitForTheFirst begins like a download, and is none.
func TestPackagesOfLastTimeWaitForTheFirst(t *testing.T) {
	mods, zips := paths("a", 10, ".mod"), paths("a", 10, ".zip")
	last := &recall.Memory{Path: filepath.Join(t.TempDir(), "recall.json")}
	setup := func(w *world) {
		scripted(script{})(w)
		w.Recall = last
		w.put("x", append(mods, zips...)...)
	}
	inWorld(t, setup, func(w *world) {
		g := w.client(1)
		g.all(1, append(mods, zips...))
		close(g.gone)
		time.Sleep(5 * time.Second)
	})
	inWorld(t, setup, func(w *world) {
		g := w.client(1)
		g.all(1, mods)
		time.Sleep(time.Second)
		same(t, "packages asked for", w.asked(".zip"), 0)
		g.get(zips[0])
		w.Filled(fetch.Report{Rule: "go", Name: cache.Name(w.match(zips[0]).Name), Bytes: 1})
		time.Sleep(time.Second)
		atMost(t, "packages asked for after the first", 1+bulkAhead, w.asked(".zip"))
	})
}

// TestPullsAreNotRepeated does not ask for the manifests of last time, which the registry would count.
func TestPullsAreNotRepeated(t *testing.T) {
	last := &recall.Memory{Path: filepath.Join(t.TempDir(), "recall.json")}
	for i := range 2 {
		inWorld(t, func(w *world) { w.Walks = map[string]func(string) Walk{"oci": asOCI}; w.Recall = last }, func(w *world) {
			g := w.client(1)
			for n := range 10 * (1 - i) {
				g.head(fmt.Sprintf("/v2/library/x%d/manifests/latest", n))
			}
			for n := range 4 {
				g.head(fmt.Sprintf("/v2/library/x%d/manifests/latest", n))
			}
			time.Sleep(time.Second)
			same(t, fmt.Sprint("asked ahead in run ", i), w.balance().Ahead, 0)
			close(g.gone)
			time.Sleep(5 * time.Second)
		})
	}
}

// TestWhoHasItAllIsNotGuessedFor asks the registry for nothing as long as the client does not have to.
func TestWhoHasItAllIsNotGuessedFor(t *testing.T) {
	mods, needed, guessed := paths("m", 20, ".mod"), "/example.com/sure/@v/v1.0.0.mod", "/example.com/guess/@v/v1.0.0.mod"
	read := 0
	inWorld(t, scripted(script{asked: wants("all", needed), reads: ".mod", answered: func(depth int, _ []byte) []project.Want {
		read++
		if depth > 1 {
			return nil
		}
		return wants("a guess", guessed)
	}}), func(w *world) {
		w.put("x", append(mods, first, needed, guessed)...)
		for _, p := range append(mods, needed) {
			w.kept[w.match(p).Name] = true
		}
		g := w.client(1)
		g.all(4, mods)
		time.Sleep(time.Second)
		synctest.Wait()
		same(t, "requests of who has it all", len(w.sent()), 0)
		same(t, "and what was read: that which is certain", read, 1)
		g.get(first)
		time.Sleep(time.Second)
		synctest.Wait()
		same(t, "requests, once something is far away", strings.Join(w.sent(), " "), host+first+" "+host+guessed)
		same(t, "and what was read", read, len(mods)+3)
	})
}

// TestWhatWasKeptIsNotAskedForToBeRead has the cache lose what the client got of it before anything was far away.
func TestWhatWasKeptIsNotAskedForToBeRead(t *testing.T) {
	mods := paths("m", 20, ".mod")
	inWorld(t, scripted(script{reads: ".mod"}), func(w *world) {
		w.put("x", append(mods, first)...)
		for _, p := range mods {
			w.kept[w.match(p).Name] = true
		}
		g := w.client(1)
		g.all(4, mods)
		synctest.Wait()
		clear(w.kept)
		g.get(first)
		time.Sleep(time.Second)
		same(t, "requests", strings.Join(w.sent(), " "), host+first)
	})
}

// TestWhatIsCertainSetsGuessesFree: a client whose project is fetched ahead of it finds all in the cache, and has not got it
// all the same.
func TestWhatIsCertainSetsGuessesFree(t *testing.T) {
	certain, guessed := paths("m", 3, ".mod"), "/example.com/guess/@v/v1.0.0.mod"
	inWorld(t, scripted(script{asked: wants("all", certain...), reads: ".mod", answered: func(int, []byte) []project.Want {
		return wants("a guess", guessed)
	}}), func(w *world) {
		w.put("x", append(certain, first, guessed)...)
		w.kept[w.match(first).Name] = true
		w.client(1).get(first)
		time.Sleep(time.Second)
		same(t, "requests", len(w.sent()), len(certain)+1)
	})
}

// waiter is a script that counts what it is told will not come.
type waiter struct {
	script
	missed func(rules.Match)
}

func (w *waiter) Missed(m rules.Match) []project.Want {
	w.missed(m)
	return nil
}

// TestAWalkIsToldOfWhatDoesNotCome has a registry that fails for one of three.
func TestAWalkIsToldOfWhatDoesNotCome(t *testing.T) {
	mods, got, answers := paths("m", 3, ".mod"), "", 0
	inWorld(t, func(w *world) {
		w.Walks = map[string]func(string) Walk{"go": func(string) Walk {
			return &waiter{script{asked: wants("all", mods...), reads: mods[0], answered: func(int, []byte) []project.Want {
				answers++
				return nil
			}}, func(m rules.Match) { got += m.Clean }}
		}}
	}, func(w *world) {
		w.put("x", append(mods, first)...)
		w.denied = func(url string) int { return map[bool]int{true: 503}[url == host+mods[0]] }
		w.client(1).get(first)
		time.Sleep(time.Second)
		synctest.Wait()
		same(t, "missed", got, mods[0])
		same(t, "answers", answers, 0)
	})
}

// TestAWalkIsToldOfWhatIsReadLaterInVain has no room for what was fetched ahead, which the cache has lost when there is some.
func TestAWalkIsToldOfWhatIsReadLaterInVain(t *testing.T) {
	mods, got := paths("m", 1, ".mod"), ""
	inWorld(t, func(w *world) {
		w.Walks = map[string]func(string) Walk{"go": func(string) Walk {
			return &waiter{script{asked: wants("all", mods...), reads: mods[0]}, func(m rules.Match) { got += m.Clean }}
		}}
	}, func(w *world) {
		w.put("x", append(mods, first)...)
		w.reserve(MaxBodies)
		w.client(1).get(first)
		time.Sleep(5 * time.Second)
		w.mu.Lock()
		clear(w.kept)
		w.broken = true
		w.mu.Unlock()
		w.reserve(-MaxBodies)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		same(t, "missed", got, mods[0])
	})
}

// TestGuessesTakeNoRoomFromTheRest has guesses that come first and are wrong.
func TestGuessesTakeNoRoomFromTheRest(t *testing.T) {
	sure, second := paths("m", 200, ".mod"), "/example.com/second/@v/v1.0.0.mod"
	inWorld(t, scripted(script{
		asked: wants("all", sure...), at: second, reads: first,
		answered: func(int, []byte) []project.Want { return wants("a guess", paths("g", 200, ".mod")...) },
	}), func(w *world) {
		w.put("x", slices.Concat(sure, paths("g", 200, ".mod"), []string{first, second})...)
		g := w.client(1)
		g.get(first)
		time.Sleep(time.Second)
		same(t, "guessed", len(w.sent())-1, lineSlack)
		g.get(second)
		time.Sleep(time.Minute)
		same(t, "and the rest", len(w.sent())-2-lineSlack, 2+certain)
	})
}
