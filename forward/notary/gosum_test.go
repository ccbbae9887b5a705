package notary

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"hither/cache"
)

// mustAttest asks for one file and wants the hash that the database with that seed has.
func mustAttest(t *testing.T, g *GoSum, l *ledger, path, want string) {
	t.Helper()
	got, err := g.Attest(t.Context(), l.match(path))
	if err != nil || string(got.Digest) != want {
		t.Fatalf("%s\ngot  %q, %v\nwant %q", path, got.Digest, err, want)
	}
}

func zip(module string) string { return "/" + module + "/@v/v1.0.0.zip" }

func hash(seed string) string { return h1(seed + "v1.0.0") }

func TestGoSumAnswers(t *testing.T) {
	for _, c := range []struct {
		name, path, want string
		err              error
	}{
		{"a zip has the h1 hash", "/a.example/m/@v/v1.2.3.zip", h1("a.example/mv1.2.3"), nil},
		{"a go.mod file has its own hash", "/a.example/m/@v/v1.2.3.mod", "h1-mod:" + h1("a.example/mv1.2.3/go.mod")[3:], nil},
		{"capitals are escaped on the way in and out", "/a.example/!burnt!sushi/@v/v1.2.3-!r!c1.zip", h1("a.example/BurntSushiv1.2.3-RC1"), nil},
		{"an incompatible version is a version", "/a.example/m/@v/v4.0.0+incompatible.zip", h1("a.example/mv4.0.0+incompatible"), nil},
		{"a toolchain is a module", "/golang.org/toolchain/@v/v0.0.1-go1.26.0.linux-amd64.zip", h1("golang.org/toolchainv0.0.1-go1.26.0.linux-amd64"), nil},
		{"a module the database does not know is the origin's", "/gone.example/m/@v/v1.0.0.zip", "", ErrUnknown},
		{"an .info file is in no database", "/a.example/m/@v/v1.0.0.info", "", ErrUnknown},
		{"a major version that does not fit the path is no module", "/a.example/m/@v/v4.0.0.zip", "", ErrUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t)
			got, err := l.notary(&shelf{}).Attest(t.Context(), l.match(c.path))
			if string(got.Digest) != c.want || !errors.Is(err, c.err) {
				t.Errorf("digest\ngot  %q, %v\nwant %q, %v", got.Digest, err, c.want, c.err)
			}
			if errors.Is(err, ErrGone) {
				t.Errorf("error\ngot  %v\nwant one that does not say that the module itself is gone", err)
			}
		})
	}
}

func TestARuleWithoutAChecksumDatabaseIsUnknown(t *testing.T) {
	l := newLedger(t)
	m := l.match(zip("a.example/m"))
	m.Rule.Hosts[1].Key = ""
	if _, err := l.notary(nil).Attest(t.Context(), m); !errors.Is(err, ErrUnknown) {
		t.Errorf("error\ngot  %v\nwant %v", err, ErrUnknown)
	}
}

// A lying carrier: whatever is bent on the way, nothing is served on its word, and nothing is wrong for good.
func TestWhatDoesNotVerifyIsNotBelieved(t *testing.T) {
	stranger := newLedger(t)
	for _, c := range []struct {
		name string
		bend func(string, []byte) []byte
	}{
		{"a flipped bit in the hash of a record", flip("/lookup/", 40)},
		{"a flipped bit in the number of a record", flip("/lookup/", 0)},
		{"a flipped bit in a tile", flip("/tile/", 3)},
		{"an empty answer", func(string, []byte) []byte { return nil }},
		{"a page", func(string, []byte) []byte { return []byte("<html>Please log in") }},
		{"a very long page", func(string, []byte) []byte { return make([]byte, maxDocument+1) }},
		{"a whole record of another signer", func(path string, _ []byte) []byte {
			bent, _ := serve(stranger.server, path)
			return bent
		}},
		{"a signature of another signer", func(path string, data []byte) []byte {
			if !strings.HasPrefix(path, "/lookup/") {
				return data
			}
			theirs, _ := serve(stranger.server, path)
			return append(data[:strings.Index(string(data), "\n— ")], theirs[strings.Index(string(theirs), "\n— "):]...)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t)
			g := l.notary(&shelf{})
			mustAttest(t, g, l, zip("first.example/m"), hash("first.example/m"))
			l.set(func() { l.bend = c.bend })
			got, err := g.Attest(t.Context(), l.match(zip("a.example/m")))
			if err == nil || errors.Is(err, ErrUnknown) || errors.Is(err, ErrGone) || errors.Is(err, ErrSecurity) {
				t.Errorf("while it is bent\ngot  %q, %v\nwant an error that is none of the sentinels", got.Digest, err)
			}
			l.set(func() { l.bend = nil })
			mustAttest(t, g, l, zip("a.example/m"), hash("a.example/m"))
		})
	}
}

func TestADamagedCopyIsFetchedAgain(t *testing.T) {
	l := newLedger(t)
	l.kept = map[string][]byte{}
	l.bend = flip("/lookup/", 40)
	l.fetch(t.Context(), mustMatch(t, l.rules, "sum.example", "/lookup/a.example/m@v1.0.0"), false)
	l.bend = nil
	mustAttest(t, l.notary(nil), l, zip("a.example/m"), hash("a.example/m"))
	if l.fresh == 0 {
		t.Errorf("questions that wanted no copy\ngot  0\nwant some")
	}
}

// A fork: two trees with one signature. It is found whatever their sizes, stays found, and is logged once.
func TestAForkedTreeIsNeverForgiven(t *testing.T) {
	for _, c := range []struct {
		name      string
		ours, new int
	}{
		{"the other tree is longer", 2, 5},
		{"the other tree is as long", 3, 3},
		{"the other tree is shorter", 5, 2},
		{"a tile is full in one of them", 250, 260},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t)
			g := l.notary(&shelf{})
			grow(l.server, c.ours-1)
			mustAttest(t, g, l, zip("a.example/m"), hash("a.example/m"))
			honest := l.server
			forged := l.tree("forged ")
			grow(forged, c.new-1)
			l.set(func() { l.server = forged })
			for _, module := range []string{"b.example/m", "c.example/m", "a.example/m"} {
				if got, err := g.Attest(t.Context(), l.match(zip(module))); !errors.Is(err, ErrSecurity) {
					t.Fatalf("%s from the fork\ngot  %q, %v\nwant %v", module, got.Digest, err, ErrSecurity)
				}
			}
			l.set(func() { l.server = honest })
			if got, err := g.Attest(t.Context(), l.match(zip("a.example/m"))); !errors.Is(err, ErrSecurity) {
				t.Errorf("after the database is honest again\ngot  %q, %v\nwant %v", got.Digest, err, ErrSecurity)
			}
			text := l.log.String()
			if n := strings.Count(text, "level=ERROR"); n != 1 {
				t.Errorf("alarms\ngot  %d\nwant 1", n)
			}
			if strings.Count(text, "go.sum database tree") != 2 {
				t.Errorf("alarm\ngot  %s\nwant both tree heads", text)
			}
		})
	}
}

// grow makes a tree n records longer.
func grow(server http.Handler, n int) {
	for i := range n {
		serve(server, fmt.Sprintf("/lookup/filler.example/m@v1.0.%d", i))
	}
}

func TestARolledBackDatabaseIsNoticedAfterARestart(t *testing.T) {
	for _, c := range []struct {
		name string
		keep bool  // tiles of the old tree are still in the cache
		want error // nil: any that is no answer
	}{
		{"with the old tiles at hand it is proven", true, ErrSecurity},
		{"without them nothing is served", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t)
			if c.keep {
				l.kept = map[string][]byte{}
			}
			store := &shelf{}
			grow(l.server, 5)
			mustAttest(t, l.notary(store), l, zip("a.example/m"), hash("a.example/m"))
			l.server = l.tree("forged ")
			grow(l.server, 2)
			got, err := l.notary(store).Attest(t.Context(), l.match(zip("b.example/m")))
			if err == nil || !errors.Is(err, c.want) && c.want != nil || errors.Is(err, ErrUnknown) {
				t.Errorf("after the restart\ngot  %q, %v\nwant no answer, but %v", got.Digest, err, c.want)
			}
		})
	}
}

func TestTheHeadSurvivesARestart(t *testing.T) {
	l := newLedger(t)
	store := &shelf{}
	mustAttest(t, l.notary(store), l, zip("a.example/m"), hash("a.example/m"))
	name, entry := store.only(t)
	if !entry.Pinned || !strings.HasPrefix(string(entry.Value), "go.sum database tree\n1\n") || entry.Stored.IsZero() {
		t.Errorf("entry %s\ngot  pinned %v, %q\nwant pinned, the head of a tree of 1", name, entry.Pinned, entry.Value)
	}
	mustAttest(t, l.notary(store), l, zip("b.example/m"), hash("b.example/m"))
	if _, entry = store.only(t); !strings.HasPrefix(string(entry.Value), "go.sum database tree\n2\n") {
		t.Errorf("entry after a restart\ngot  %q\nwant the head of a tree of 2", entry.Value)
	}
}

func TestADamagedHeadSaysWhatToDo(t *testing.T) {
	l := newLedger(t)
	store := &shelf{}
	mustAttest(t, l.notary(store), l, zip("a.example/m"), hash("a.example/m"))
	name, entry := store.only(t)
	entry.Value = []byte("garbage")
	store.entries[name] = entry
	_, err := l.notary(store).Attest(t.Context(), l.match(zip("a.example/m")))
	if err == nil || !strings.Contains(err.Error(), "delete the directory cache") {
		t.Errorf("error\ngot  %v\nwant one that says what to delete", err)
	}
}

func TestASickDiskDoesNotStopTheNotary(t *testing.T) {
	sick := errors.New("input/output error")
	for _, c := range []struct {
		name  string
		store *shelf
	}{
		{"it cannot be read", &shelf{failRead: sick}},
		{"it cannot be written", &shelf{failWrite: cache.ErrFull}},
		{"neither", &shelf{failRead: sick, failWrite: sick}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t)
			g := l.notary(c.store)
			for _, module := range []string{"a.example/m", "b.example/m"} {
				mustAttest(t, g, l, zip(module), hash(module))
			}
			if _, err := g.Attest(t.Context(), l.match(zip("gone.example/m"))); !errors.Is(err, ErrUnknown) {
				t.Errorf("error\ngot  %v\nwant %v", err, ErrUnknown)
			}
			mustAttest(t, g, l, zip("c.example/m"), hash("c.example/m"))
			if !strings.Contains(l.log.String(), "level=WARN") {
				t.Errorf("log\ngot  %s\nwant a warning", l.log)
			}
		})
	}
}

func TestForeignSignaturesDoNotMakeTheHeadTooLong(t *testing.T) {
	l := newLedger(t)
	l.bend = func(path string, data []byte) []byte {
		if strings.HasPrefix(path, "/lookup/") {
			for i := range 99 {
				data = fmt.Appendf(data, "— stranger%d.example AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", i)
			}
		}
		return data
	}
	store := &shelf{}
	mustAttest(t, l.notary(store), l, zip("a.example/m"), hash("a.example/m"))
	if _, entry := store.only(t); len(entry.Value) > 512 {
		t.Errorf("stored head\ngot  %d bytes\nwant the one signature that counts", len(entry.Value))
	}
}

func TestABadKeySaysWhatToDo(t *testing.T) {
	l := newLedger(t)
	m := l.match(zip("a.example/m"))
	m.Rule.Hosts[1].Key = "sum.example+1234+none"
	_, err := l.notary(nil).Attest(t.Context(), m)
	if err == nil || !strings.Contains(err.Error(), "copy it from") {
		t.Errorf("error\ngot  %v\nwant one with the next step", err)
	}
	if _, err := note.NewVerifier(m.Rule.Hosts[1].Key); err == nil {
		t.Fatal("the key of this test is good")
	}
}
