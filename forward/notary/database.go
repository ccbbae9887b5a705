package notary

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"hither/rules"
)

const (
	// maxLookups is how many questions one database gets at a time. A module graph asks hundreds at once, and each takes two
	// or three round trips: with 64 at a time a project of 200 modules would wait for a far database four times as long.
	maxLookups = 256
	// maxTiles bounds the verified tiles in memory: 8 KiB each, so 4 MiB. They hold the hashes of the newest 130 000 modules.
	maxTiles = 512
)

// database is one checksum database, known by its key. Its sessions come and go, it stays.
type database struct {
	gosum    *GoSum
	key      string
	verifier note.Verifier
	head     head
	heads    heads
	tiles    recent[string, []byte] // verified; by their path
	slots    chan struct{}

	mu       sync.Mutex
	largest  tlog.Tree // that the key signed, of those that came; nobody checked that it holds the smaller ones
	session  *session  // for the next question; nil: to be made
	calls    map[question]*call
	contempt error // wraps ErrSecurity once the database contradicted itself; never nil again
}

// call is a question under way. Its fields are read after done is closed.
type call struct {
	done  chan struct{}
	lines []string
	err   error
}

func newDatabase(g *GoSum, host *rules.Host) (*database, error) {
	v, err := note.NewVerifier(strings.TrimSpace(host.Key))
	if err != nil {
		return nil, fmt.Errorf("the key of %s cannot be read (%w); copy it from the database's documentation into the rule file", host.Name, err)
	}
	db := &database{
		gosum:    g,
		key:      host.Key,
		verifier: v,
		slots:    make(chan struct{}, maxLookups),
		calls:    make(map[question]*call),
	}
	db.head.init(g, v)
	return db, nil
}

// lookup returns the go.sum lines of one question. Equal questions are merged. The one who begins waits for a slot; behind
// that nobody's ctx ends the question, only its own deadlines do.
func (db *database) lookup(ctx context.Context, rule *rules.Rule, host *rules.Host, q question) ([]string, error) {
	c, err := db.join(ctx, rule, host, q)
	if err == nil {
		select {
		case <-c.done:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if broken := db.broken(); broken != nil {
		return nil, broken
	}
	if err != nil {
		return nil, fmt.Errorf("waiting for %s to vouch for %s: %w", db.verifier.Name(), q, err)
	}
	return c.lines, c.err
}

// join finds the equal question under way, or begins one.
func (db *database) join(ctx context.Context, rule *rules.Rule, host *rules.Host, q question) (*call, error) {
	if c := db.underWay(q); c != nil {
		return c, nil
	}
	select {
	case db.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if c := db.calls[q]; c != nil || db.contempt != nil {
		<-db.slots // an equal question was quicker, or none is allowed any more
		return c, db.contempt
	}
	c := &call{done: make(chan struct{})}
	db.calls[q] = c
	go db.run(c, rule, host, q)
	return c, nil
}

func (db *database) underWay(q question) *call {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.calls[q]
}

// run answers one call. It ends by the deadlines of its fetches.
func (db *database) run(c *call, rule *rules.Rule, host *rules.Host, q question) {
	c.lines, c.err = db.answer(rule, host, q)
	db.mu.Lock()
	delete(db.calls, q)
	db.mu.Unlock()
	close(c.done)
	<-db.slots
}

// answer asks in the present session. What does not verify may be a damaged copy on the way, perhaps our own: then the
// database itself is asked, once.
func (db *database) answer(rule *rules.Rule, host *rules.Host, q question) ([]string, error) {
	s := db.open(rule, host)
	lines, err := s.lookup(q)
	if err == nil {
		return lines, nil
	}
	db.retire(s)
	var doubt *unverified
	if !errors.As(err, &doubt) {
		return nil, err
	}
	return newSession(db, rule, host, true).lookup(q)
}

// open returns the session for the next question: the present one unless it is worn out or the rules were reloaded.
func (db *database) open(rule *rules.Rule, host *rules.Host) *session {
	db.mu.Lock()
	defer db.mu.Unlock()
	if s := db.session; s == nil || s.rule != rule || s.lookups >= maxSession {
		db.session = newSession(db, rule, host, false)
	}
	db.session.lookups++
	return db.session
}

// retire ends a session that remembers a failure.
func (db *database) retire(s *session) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.session == s {
		db.session = nil
	}
}

// quarantine notes that the database contradicted itself; proof shows both trees. It is logged once, and never undone.
func (db *database) quarantine(proof string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.contempt != nil {
		return
	}
	name := db.verifier.Name()
	db.contempt = fmt.Errorf("%w: %s signed two histories that exclude each other; nothing is served on its word until Hither restarts, "+
		"so keep the proof in the log and report it to those who run the database", ErrSecurity, name)
	db.gosum.log().Error("the checksum database contradicts itself; nothing is served on its word until Hither restarts",
		"database", name, "proof", proof)
}

// broken is nil while the database has not contradicted itself.
func (db *database) broken() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.contempt
}
