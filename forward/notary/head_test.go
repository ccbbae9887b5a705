package notary

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestTheFirstHeadIsKept has a database that tells its newest head, as the public one does, perhaps by a copy on the way that is a little
// old. Who has none yet begins with that one, and must not forget it.
func TestTheFirstHeadIsKept(t *testing.T) {
	const latest = "[[path]]\nmatch = \"/latest\"\nhost = \"sum.example\"\nkeep = \"1m\"\n"
	for _, c := range []struct{ what, path, want string }{
		{"no record is newer", "/filler.example/m/@v/v1.0.2.zip", "4"},
		{"a record is newer", zip("a.example/m"), "5"},
	} {
		t.Run(c.what, func(t *testing.T) {
			l, store := newLedger(t), &shelf{}
			l.rules = mustLoad(t, fmt.Sprintf(sumRule+latest, keyed(l.match(c.path).Rule).Key))
			grow(l.server, 4)
			head, err := serve(l.server, "/latest")
			if err != nil {
				t.Fatal(err)
			}
			l.kept = map[string][]byte{"/latest": head}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if _, err := l.notary(store).Attest(ctx, l.match(c.path)); err != nil {
				t.Fatal(err)
			}
			if _, entry := store.only(t); !strings.HasPrefix(string(entry.Value), "go.sum database tree\n"+c.want+"\n") {
				t.Errorf("kept head\ngot  %q\nwant a tree of %s", entry.Value, c.want)
			}
		})
	}
}
