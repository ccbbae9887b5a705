package notary

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hither/rules"
)

// The sumdb client remembers each failure for good. Ours must not.
func TestFailuresAreNotRemembered(t *testing.T) {
	l := newLedger(t)
	g := l.notary(&shelf{})
	l.down = errors.New("no route to host")
	_, err := g.Attest(t.Context(), l.match(zip("a.example/m")))
	if !errors.Is(err, l.down) || errors.Is(err, ErrUnknown) || errors.Is(err, ErrGone) {
		t.Errorf("while the database is down\ngot  %v\nwant %v", err, l.down)
	}
	l.set(func() { l.down = nil })
	mustAttest(t, g, l, zip("a.example/m"), hash("a.example/m"))

	hidden := l.match(zip("b.example/m"))
	l.set(func() {
		l.bend = nil
		honest := l.server
		l.server = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/lookup/b.example") {
				http.NotFound(w, r)
				return
			}
			honest.ServeHTTP(w, r)
		})
	})
	if _, err := g.Attest(t.Context(), hidden); !errors.Is(err, ErrUnknown) {
		t.Errorf("before it is published\ngot  %v\nwant %v", err, ErrUnknown)
	}
	l.set(func() { l.server = l.tree("") })
	serve(l.server, "/lookup/a.example/m@v1.0.0") // the same first record, so the same history
	mustAttest(t, g, l, zip("b.example/m"), hash("b.example/m"))
}

func TestTilesThatFailAreTroubleNotLies(t *testing.T) {
	l := newLedger(t)
	grow(l.server, 4)
	down := errors.New("connection reset")
	g := &GoSum{Fetch: func(ctx context.Context, m rules.Match, fresh bool) ([]byte, error) {
		if strings.HasPrefix(m.Clean, "/tile/") {
			return nil, down
		}
		return l.fetch(ctx, m, fresh)
	}}
	_, err := g.Attest(t.Context(), l.match(zip("a.example/m")))
	if !errors.Is(err, down) || l.fresh > 0 {
		t.Errorf("error\ngot  %v after %d fresh questions\nwant %v after none", err, l.fresh, down)
	}
}

// A partial tile may be gone once the tree has grown over it; then the whole one has its hashes.
func TestAPartialTileThatIsGoneIsNoTrouble(t *testing.T) {
	l := newLedger(t)
	store := &shelf{}
	grow(l.server, 254)
	mustAttest(t, l.notary(store), l, zip("a.example/m"), hash("a.example/m"))
	grow(l.server, 300)
	honest := l.server
	l.server = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/tile/8/0/000.p/") {
			http.NotFound(w, r)
			return
		}
		honest.ServeHTTP(w, r)
	})
	mustAttest(t, l.notary(store), l, zip("b.example/m"), hash("b.example/m"))
}

func TestFiftyLookupsAtOnce(t *testing.T) {
	l := newLedger(t)
	g := l.notary(&shelf{})
	var wg sync.WaitGroup
	for i := range 50 {
		path := zip(fmt.Sprintf("a%d.example/m", i))
		for _, m := range []rules.Match{l.match(path), l.match(path), l.match(strings.TrimSuffix(path, "zip") + "mod")} {
			wg.Go(func() {
				if got, err := g.Attest(t.Context(), m); err != nil || got.Digest == "" {
					t.Errorf("%s\ngot  %q, %v\nwant a digest", m.Clean, got.Digest, err)
				}
			})
		}
	}
	wg.Wait()
	if got := l.lookups(); got != 50 {
		t.Errorf("records asked for 150 questions about 50 modules\ngot  %d\nwant 50", got)
	}
}

func TestOneWhoLeavesDoesNotStopTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		l.gate = make(chan struct{})
		g := l.notary(&shelf{})
		m := l.match(zip("a.example/m"))
		impatient, leave := context.WithCancel(t.Context())
		left, stayed := make(chan error, 1), make(chan error, 1)
		go func() { _, err := g.Attest(impatient, m); left <- err }()
		go func() { _, err := g.Attest(t.Context(), m); stayed <- err }()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the one who left\ngot  %v\nwant %v", err, context.Canceled)
		}
		close(l.gate)
		if err := <-stayed; err != nil {
			t.Errorf("the one who stayed\ngot  %v\nwant an answer", err)
		}
	})
}

func TestAnUnansweredQuestionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		l.gate = make(chan struct{})
		start := time.Now()
		_, err := l.notary(&shelf{}).Attest(t.Context(), l.match(zip("a.example/m")))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != patience {
			t.Errorf("error\ngot  %v after %s\nwant a deadline after %s", err, time.Since(start), patience)
		}
	})
}

func TestQuestionsAtATimeAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		l.gate = make(chan struct{})
		g := l.notary(&shelf{})
		var wg sync.WaitGroup
		ctx, leave := context.WithCancel(t.Context())
		for i := range 3 * maxLookups {
			m := l.match(zip(fmt.Sprintf("a%d.example/m", i)))
			wg.Go(func() { g.Attest(ctx, m) })
		}
		synctest.Wait()
		if got := l.lookups(); got != maxLookups {
			t.Errorf("records asked for at a time\ngot  %d\nwant %d", got, maxLookups)
		}
		leave()
		wg.Wait()
		close(l.gate)
	})
}

func TestSessionsAreReplacedBeforeTheyGrowLarge(t *testing.T) {
	l := newLedger(t)
	g := l.notary(&shelf{})
	m := l.match(zip("a.example/m"))
	mustAttest(t, g, l, zip("a.example/m"), hash("a.example/m"))
	db, err := g.database(keyed(m.Rule))
	if err != nil {
		t.Fatal(err)
	}
	worn := db.session
	if next := db.open(m.Rule, keyed(m.Rule)); next != worn {
		t.Errorf("session after a question\ngot  another\nwant the same")
	}
	worn.lookups = maxSession
	if next := db.open(m.Rule, keyed(m.Rule)); next == worn {
		t.Errorf("session after %d questions\ngot  the same\nwant another", maxSession)
	}
}

func TestAForkFoundByManyIsOneAlarm(t *testing.T) {
	l := newLedger(t)
	g := l.notary(&shelf{})
	mustAttest(t, g, l, zip("a.example/m"), hash("a.example/m"))
	forged := l.tree("forged ")
	grow(forged, 9)
	l.set(func() { l.server = forged })
	var wg sync.WaitGroup
	for i := range 40 {
		m := l.match(zip(fmt.Sprintf("b%d.example/m", i)))
		wg.Go(func() {
			if got, err := g.Attest(t.Context(), m); !errors.Is(err, ErrSecurity) {
				t.Errorf("%s\ngot  %q, %v\nwant %v", m.Clean, got.Digest, err, ErrSecurity)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(l.log.String(), "level=ERROR"); n != 1 {
		t.Errorf("alarms\ngot  %d\nwant 1", n)
	}
}

func TestVerifiedTilesOutliveASession(t *testing.T) {
	l := newLedger(t)
	g := l.notary(&shelf{})
	grow(l.server, 9)
	for _, module := range []string{"a.example/m", "gone.example/m", "a.example/m", "gone.example/m", "a.example/m"} {
		g.Attest(t.Context(), l.match(zip(module)))
	}
	for path, times := range l.asked {
		if strings.HasPrefix(path, "/tile/") && times != 1 {
			t.Errorf("%s was asked for\ngot  %d times\nwant 1", path, times)
		}
	}
}

// Who carries a record may put any tree behind it. Nobody is asked for what would prove that one, now or later.
func TestATreeThatNobodySignedIsNotProven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		g := l.notary(&shelf{})
		grow(l.server, 9)
		honest, vain := l.server, 0
		l.server = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if e := recover(); e != nil {
					l.set(func() { vain++ })
					panic(e)
				}
			}()
			honest.ServeHTTP(w, r)
		})
		l.bend = func(path string, data []byte) []byte {
			if !strings.HasPrefix(path, "/lookup/lie") {
				return data
			}
			return regexp.MustCompile(`(?m)^(go.sum database tree\n)\d+$`).ReplaceAll(data, []byte("${1}1000000000"))
		}
		if _, err := g.Attest(t.Context(), l.match(zip("lie.example/m"))); err == nil {
			t.Fatal("got  a digest out of a tree that nobody signed")
		}
		mustAttest(t, g, l, zip("a.example/m"), hash("a.example/m"))
		synctest.Wait()
		l.set(func() {
			if vain > 0 {
				t.Errorf("tiles that are in no tree were asked for\ngot  %d\nwant 0", vain)
			}
		})
	})
}
