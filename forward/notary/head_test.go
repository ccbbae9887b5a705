package notary

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/cache"
)

// TestTheFirstHeadIsKept has a database that tells its newest head, as the public one does, perhaps by a copy on the way that is a little
// old. Who has none yet begins with that one, and must not forget it.
func TestTheFirstHeadIsKept(t *testing.T) {
	const latest = "[[path]]\nmatch = \"/latest\"\nhost = \"sum.example\"\nkeep = \"1m\"\n"
	for _, c := range []struct {
		what, path, want string
		full             error
	}{
		{"no record is newer", "/filler.example/m/@v/v1.0.2.zip", "4", nil},
		{"a record is newer", zip("a.example/m"), "5", nil},
		{"the disk is full when a record is newer", zip("a.example/m"), "6", cache.ErrFull},
	} {
		t.Run(c.what, func(t *testing.T) {
			l, store := newLedger(t), &shelf{failWrite: c.full}
			l.rules = mustLoad(t, fmt.Sprintf(sumRule+latest, keyed(l.match(c.path).Rule).Key))
			grow(l.server, 4)
			head, err := serve(l.server, "/latest")
			if err != nil {
				t.Fatal(err)
			}
			l.kept = map[string][]byte{"/latest": head}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			g := l.notary(store)
			if _, err := g.Attest(ctx, l.match(c.path)); err != nil {
				t.Fatal(err)
			}
			if c.full != nil { // until somebody makes room: memory has it meanwhile
				store.failWrite = nil
				mustAttest(t, g, l, zip("b.example/m"), hash("b.example/m"))
			}
			if _, entry := store.only(t); !strings.HasPrefix(string(entry.Value), "go.sum database tree\n"+c.want+"\n") {
				t.Errorf("kept head\ngot  %q\nwant a tree of %s", entry.Value, c.want)
			}
		})
	}
}

// Nobody answers: the head that would only spare later questions takes no more than a moment.
func TestTheHeadIsNotWaitedForAsLongAsARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		l.rules = mustLoad(t, fmt.Sprintf(sumRule+"[[path]]\nmatch = \"/latest\"\nhost = \"sum.example\"\nkeep = \"1m\"\n", keyed(l.match(zip("a.example/m")).Rule).Key))
		l.gate = make(chan struct{})
		start := time.Now()
		_, err := l.notary(&shelf{}).Attest(t.Context(), l.match(zip("a.example/m")))
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > patience+15*time.Second {
			t.Errorf("got  %v after %s\nwant a deadline after %s", err, took, patience)
		}
	})
}
