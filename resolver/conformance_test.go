package resolver_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// row is one promise of the standards about a resolver that passes questions on. Each runs over UDP and over TCP, against
// a real Server with a real upstream that follows a script.
type row struct {
	level string // must or should, as the RFC says it of us; must where it says so in other words
	rfc   string // number and section, or our own rule where no RFC speaks
	what  string // the promise
	check func(*world)
	only  string // udp or tcp, if the promise is about one of them; empty: both
}

const (
	must   = "must"
	should = "should"
)

// forgiven are the promises of level should that are not kept, and why. There are at most three, and a row that is kept
// after all has to leave the list.
var forgiven = map[string]string{
	"should RFC 8020 2: below a name that does not exist nothing does": "too many servers deny a name that has no records itself, although there are names below it, " +
		"and a lost name is worse than one more question",
}

const (
	mostForgiven = 3
	fewestRows   = 90
	// atOnce is how many rows run at the same time. Most of them wait for a silent upstream.
	atOnce = 24
)

// TestConformance runs the whole table. The rows run side by side, because many have to wait, and are told one by one.
func TestConformance(t *testing.T) {
	rows := slices.Concat(messageRows(), dataRows(), negativeRows(), ednsRows(), securityRows(), truthRows(), specialRows(), interceptionRows(),
		forgeryRows(), failureRows(), streamRows())
	if len(rows) < fewestRows {
		t.Errorf("got  %d rows\nwant at least %d", len(rows), fewestRows)
	}
	if len(forgiven) > mostForgiven {
		t.Errorf("got  %d rows forgiven\nwant at most %d", len(forgiven), mostForgiven)
	}
	found := runRows(t, rows)
	for _, r := range rows {
		t.Run(r.name(), func(t *testing.T) { r.judge(t, found[r.name()]) })
		delete(found, r.name())
	}
	for name := range forgiven {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.name() == name }) {
			t.Errorf("no row is called %q, which is forgiven", name)
		}
	}
}

func (r row) name() string { return r.level + " " + r.rfc + ": " + r.what }

func (r row) transports() []string {
	if r.only != "" {
		return []string{r.only}
	}
	return []string{"udp", "tcp"}
}

// judge tells what was seen, transport by transport.
func (r row) judge(t *testing.T, wrong map[string]string) {
	if reason, ok := forgiven[r.name()]; ok {
		switch {
		case r.level == must:
			t.Error("a must cannot be forgiven")
		case strings.Join(slices.Collect(maps.Values(wrong)), "") == "":
			t.Errorf("it is kept now: take it from the list of what is forgiven (%s)", reason)
		}
		t.Skipf("not kept: %s", reason)
	}
	for _, network := range r.transports() {
		if wrong[network] != "" {
			t.Errorf("%s over %s\n%s", r.what, network, wrong[network])
		}
	}
}

// runRows returns what was wrong by row and transport.
func runRows(t *testing.T, rows []row) map[string]map[string]string {
	t.Helper()
	found := map[string]map[string]string{}
	for _, r := range rows {
		if found[r.name()] != nil {
			t.Errorf("two rows are called %q", r.name())
		}
		found[r.name()] = map[string]string{}
	}
	var mu sync.Mutex
	var running sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for _, r := range rows {
		for _, network := range r.transports() {
			free <- struct{}{}
			running.Go(func() {
				defer func() { <-free }()
				wrong := runRow(t, network, r.check)
				mu.Lock()
				defer mu.Unlock()
				found[r.name()][network] = wrong
			})
		}
	}
	running.Wait()
	return found
}

// runRow builds a world for one row. What is wrong with it is told by the world, and a panic is not the end of the others.
func runRow(t *testing.T, network string, check func(*world)) (wrong string) {
	w := newWorld(t, network)
	defer w.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if what := recover(); what != nil {
				w.wrong = fmt.Sprint("panic: ", what)
			}
		}()
		check(w) // ends early through failf
	}()
	<-done
	return w.wrong
}
