package transport

import (
	"container/list"
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"
)

const (
	// maxSessions bounds the TLS sessions of each shelf; there are four.
	maxSessions = 64
	// maxSessionAge is how long a session can be resumed at most (RFC 8446, 4.6.1); crypto/tls knows when it ends earlier.
	maxSessionAge = 7 * 24 * time.Hour
	// saveEvery is how much of what was learnt can be lost when the machine stops.
	saveEvery = 5 * time.Minute
)

// sessions are what makes the next handshakes shorter: TLS sessions, on a shelf for each kind of connection, and QUIC's address
// tokens. What came of a connection to strangers is never shown by another. crypto/tls looks again, when a session is resumed, whether its
// certificate still holds and its root is still one of ours.
type sessions struct {
	file   string // empty: nothing is written
	log    *slog.Logger
	offers func() []keptOffer // for the file; nil: none

	shelves map[string]*shelf         // by name; the map does not change
	tokens  map[string]*addressTokens // by shelf, of those for QUIC; nor does this
	plain   *plainHosts

	mu    sync.Mutex
	timer *time.Timer // runs while something is not written
	ended bool

	writing sync.Mutex // held while the file is written
}

// shelf is a tls.ClientSessionCache. It forgets what was not used for longest.
type shelf struct {
	changed func()

	mu     sync.Mutex
	byName map[string]*list.Element
	order  list.List // of *session, the last used first
}

type session struct {
	name  string
	state *tls.ClientSessionState
	since time.Time
}

// The shelves.
const (
	chosenTCP, chosenQUIC, strangersTCP, strangersQUIC = "chosen tcp", "chosen quic", "strangers tcp", "strangers quic"
)

// newSessions reads file, if there is one.
func newSessions(file string, log *slog.Logger) (*sessions, []keptOffer) {
	s := &sessions{file: file, log: log, shelves: map[string]*shelf{}, tokens: map[string]*addressTokens{}}
	s.plain = &plainHosts{changed: s.changed, hosts: map[string]struct{}{}}
	for _, name := range []string{chosenTCP, chosenQUIC, strangersTCP, strangersQUIC} {
		s.shelves[name] = &shelf{changed: s.changed, byName: map[string]*list.Element{}}
	}
	for _, name := range []string{chosenQUIC, strangersQUIC} {
		s.tokens[name] = &addressTokens{changed: s.changed}
	}
	if file == "" {
		return s, nil
	}
	k, err := readKept(file)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.say("the kept TLS sessions cannot be used, so handshakes are whole ones again", err)
		}
		return s, nil
	}
	s.recall(k, time.Now())
	return s, k.Offers
}

// recall takes up what the file has.
func (s *sessions) recall(k *keptSessions, now time.Time) {
	for _, one := range k.Sessions {
		if state, err := one.open(now); err == nil && s.shelves[one.Shelf] != nil {
			s.shelves[one.Shelf].keep(&session{one.Name, state, one.Since})
		}
	}
	for _, one := range k.Tokens {
		if t, err := one.open(now); err == nil && s.tokens[one.Shelf] != nil {
			s.tokens[one.Shelf].keep(t)
		}
	}
	for _, addr := range k.Plain {
		if _, _, ok := splitOrigin(addr); ok && len(addr) <= maxKeptName {
			s.plain.hosts[addr] = struct{}{}
		}
	}
}

// say tells the log without ever telling it a session.
func (s *sessions) say(words string, err error) {
	if s.log != nil {
		s.log.Warn(words, "file", s.file, "error", err)
	}
}

// Get implements tls.ClientSessionCache. Each handshake has a session of its own to look at: quic-go notes in it that this
// handshake is not to be early, also while another one reads it (quic-go v0.65.0, internal/handshake/crypto_setup.go:291),
// and the next ones would not be early either.
func (c *shelf) Get(name string) (*tls.ClientSessionState, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.byName[name]
	if at == nil {
		return nil, false
	}
	one := at.Value.(*session)
	if time.Since(one.since) > maxSessionAge {
		c.dropLocked(at)
		return nil, false
	}
	c.order.MoveToFront(at)
	ticket, inside, err := one.state.ResumptionState()
	if err != nil || inside == nil {
		return nil, false
	}
	own := *inside
	state, err := tls.NewResumptionState(ticket, &own)
	return state, err == nil
}

// Put implements tls.ClientSessionCache; a nil state removes the session.
func (c *shelf) Put(name string, state *tls.ClientSessionState) {
	if state == nil {
		c.mu.Lock()
		if at := c.byName[name]; at != nil {
			c.dropLocked(at)
		}
		c.mu.Unlock()
	} else {
		c.keep(&session{name, state, time.Now()})
	}
	c.changed()
}

func (c *shelf) keep(one *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.byName[one.name]; at != nil {
		c.dropLocked(at)
	}
	c.byName[one.name] = c.order.PushFront(one)
	if c.order.Len() > maxSessions {
		c.dropLocked(c.order.Back())
	}
}

func (c *shelf) dropLocked(at *list.Element) {
	delete(c.byName, at.Value.(*session).name)
	c.order.Remove(at)
}

// all are the sessions, the one used longest ago first.
func (c *shelf) all() (found []*session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := c.order.Back(); at != nil; at = at.Prev() {
		found = append(found, at.Value.(*session))
	}
	return found
}

// early says whether a request to name can go with the first packet.
func (c *shelf) early(name string) bool {
	state, ok := c.Get(name)
	if !ok {
		return false
	}
	_, inside, err := state.ResumptionState()
	return err == nil && inside != nil && inside.EarlyData
}

// changed writes the file some time later.
func (s *sessions) changed() {
	if s.file == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil && !s.ended {
		s.timer = time.AfterFunc(saveEvery, s.save)
	}
}

func (s *sessions) save() {
	s.mu.Lock()
	s.timer = nil
	s.mu.Unlock()
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.encode().write(s.file); err != nil {
		s.say("the TLS sessions cannot be kept for the next start; look at the folder's permissions and the disk", err)
	}
}

// close writes the file a last time.
func (s *sessions) close() {
	s.mu.Lock()
	first := !s.ended
	s.ended = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	if first && s.file != "" {
		s.save()
	}
}
