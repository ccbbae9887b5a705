package fetch_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Without a guess the origin would have been asked: a client must not get an older answer because of it.
func TestAGuessMakesNoAnswerStaler(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps string // a: a guess, c: a client, -: two minutes, +: six
		want  string
	}{
		{"a guess alone is good while it is fresh", "a", "old from reg (hit)"},
		{"and not longer", "a+", "new from reg (miss)"},
		{"a client has asked", "c+", "old from reg (refreshing)"},
		{"a client was answered by it", "ac+", "old from reg (refreshing)"},
		{"a client asked before, and would get an older one", "c--a--", "old from reg (refreshing)"},
		{"that one would be too old by now", "c+a+", "new from reg (miss)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.put("/news/a", []byte("old"))
				for _, step := range c.steps {
					switch step {
					case 'a':
						w.ask(w.ahead("/news/a"))
						synctest.Wait()
					case 'c':
						w.get("/news/a")
						synctest.Wait()
					case '-':
						time.Sleep(2 * time.Minute)
					case '+':
						time.Sleep(6 * time.Minute)
					}
				}
				w.put("/news/a", []byte("new"))
				got, _, _ := strings.Cut(w.get("/news/a"), " after")
				expect(t, got, c.want)
			})
		})
	}
}
