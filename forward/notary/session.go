package notary

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"

	"hither/rules"
)

const (
	// maxSession is how many questions a session takes. Its client never forgets a record or tile; at some 10 KiB a question
	// it is closed at 10 MiB.
	maxSession = 1024
	// patience is how long one document of the database may take. It fetches a module nobody asked for before itself, which
	// takes up to a minute.
	patience = 75 * time.Second
	// headPatience is how long its newest head may take. That is made once in a while, whoever asks; and a record waits for it.
	headPatience = 10 * time.Second
	// maxDocument is more than any record or tile has, in bytes.
	maxDocument = 1 << 20
)

// session is one sumdb.Client and the world it sees (sumdb.ClientOps). The client remembers failures for good, so a session
// ends with its first; what was verified is in the database's tiles and head, and costs the next session nothing.
type session struct {
	db     *database
	client *sumdb.Client
	rule   *rules.Rule
	host   *rules.Host
	fresh  bool // no copies

	lookups int // guarded by db.mu

	mu       sync.Mutex
	foreseen map[string]*tileCall // by path
	failures map[string]error     // of look-ups, by remote path: the client returns only their text
	trouble  error                // the last failure other than "not there"
}

// unverified is an answer that does not prove what it says.
type unverified struct{ err error }

func (u *unverified) Error() string { return u.err.Error() }
func (u *unverified) Unwrap() error { return u.err }

func newSession(db *database, rule *rules.Rule, host *rules.Host, fresh bool) *session {
	s := &session{db: db, rule: rule, host: host, fresh: fresh, failures: make(map[string]error)}
	s.client = sumdb.NewClient(s)
	return s
}

func (s *session) lookup(q question) ([]string, error) {
	lines, err := s.client.Lookup(q.path, q.line())
	if broken := s.db.broken(); broken != nil {
		return nil, broken
	}
	if err != nil {
		return nil, s.explain(q, err)
	}
	return lines, nil
}

// explain finds out why a look-up failed. The client joins errors by their text, so the reason is sought in what its
// questions met.
func (s *session) explain(q question, err error) error {
	s.mu.Lock()
	own, trouble := s.failures[remotePath(q)], s.trouble
	s.mu.Unlock()
	name := s.db.verifier.Name()
	switch {
	case errors.Is(own, ErrGone):
		return fmt.Errorf("%w: %s does not know %s", ErrUnknown, name, q)
	case own != nil:
		return fmt.Errorf("asking %s for %s: %w", name, q, own)
	case trouble != nil:
		return fmt.Errorf("asking %s for the proof of %s: %w", name, q, trouble)
	}
	return &unverified{fmt.Errorf("what came in the name of %s does not prove the hash of %s: %w", name, q, err)}
}

// remotePath is where the client looks a question up. A module path that cannot be escaped was refused long before.
func remotePath(q question) string {
	path, _ := module.EscapePath(q.path)
	version, _ := module.EscapeVersion(q.version)
	return "/lookup/" + path + "@" + version
}

// ReadRemote gets a document of the database, on the same way as everybody's requests. A partial tile that is not there any
// more is no trouble: the client then asks for the whole one.
func (s *session) ReadRemote(path string) ([]byte, error) {
	if tile := s.tileAhead(path); tile != nil {
		return tile, nil
	}
	data, err := s.fetch(path, patience)
	if err == nil {
		s.foresee(path, data)
		return data, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.HasPrefix(path, "/lookup/") {
		s.failures[path] = err
	} else if !errors.Is(err, ErrGone) {
		s.trouble = err
	}
	return nil, err
}

func (s *session) fetch(path string, patience time.Duration) ([]byte, error) {
	m, ok := s.rule.Match(s.host.Name, path)
	if !ok {
		return nil, fmt.Errorf("rule %s has no path for %s on %s; add one as rules.d/go.toml does", s.rule.Name, path, s.host.Name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience) //nolint:forbidigo // sumdb.ClientOps has no context; patience ends it
	defer cancel()
	data, err := s.db.gosum.Fetch(ctx, m, s.fresh)
	if err != nil {
		return nil, err
	}
	if len(data) > maxDocument {
		return nil, &unverified{fmt.Errorf("%d bytes came for %s%s, which is no document of a checksum database", len(data), s.host.Name, path)}
	}
	return data, nil
}

// ReadConfig returns the key or the newest tree head. The key is the rule file's; a stored copy could only disagree.
func (s *session) ReadConfig(file string) ([]byte, error) {
	if file == "key" {
		return []byte(s.db.key), nil
	}
	head, err := s.db.head.read()
	if err != nil || len(head) > 0 {
		return head, err
	}
	newest := s.newest()
	if newest == nil {
		return nil, nil
	}
	// It is what later heads are held against from now on, and what the client will replace: so it has to be there.
	if err := s.db.head.write(nil, newest); err != nil && !errors.Is(err, sumdb.ErrWriteConflict) {
		return nil, err
	}
	return s.db.head.read()
}

// WriteConfig replaces the newest tree head, which is the only file there is beside the key.
func (s *session) WriteConfig(_ string, old, new []byte) error { return s.db.head.write(old, new) }

// ReadCache returns a tile that was verified in an earlier session. Records are not kept twice: Fetch has them.
func (s *session) ReadCache(file string) ([]byte, error) {
	if data, ok := s.db.tiles.get(file); ok {
		return data, nil
	}
	return nil, ErrUnknown
}

// WriteCache takes what the client has verified.
func (s *session) WriteCache(file string, data []byte) {
	if strings.HasPrefix(file, s.db.verifier.Name()+"/tile/") {
		s.db.tiles.put(file, data, 1, maxTiles)
	}
}

// Log takes remarks of the client.
func (s *session) Log(msg string) { s.db.gosum.log().Debug(msg, "database", s.db.verifier.Name()) }

// SecurityError takes the proof that the database signed two histories.
func (s *session) SecurityError(msg string) { s.db.quarantine(msg) }
