package transport

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"hither/cache/wholefile"
	"hither/forward/terse"
)

const (
	sessionsVersion = 1
	// maxSessionFile bounds what is read, in bytes; a full file has less.
	maxSessionFile = 32 << 20
	// maxSessionCommas bounds what is unpacked: a file of 30 MB with nothing but empty elements took 4 GB of memory. A full
	// file has fewer than half of them.
	maxSessionCommas = 100_000
	// maxSession bounds one session, in bytes: a server chooses how large its ticket and its chain of certificates are.
	maxSession = 48 << 10
	// maxKeptName bounds a name in the file, in bytes.
	maxKeptName = 300
)

var errTooMuch = errors.New("it holds more than was ever written")

// keptSessions is the file: who can read it can take part in connections that are resumed from it.
type keptSessions struct {
	Version  int           `json:"version"`
	Sessions []keptSession `json:"sessions"`
	Offers   []keptOffer   `json:"offers,omitempty"`
	Tokens   []keptToken   `json:"tokens,omitempty"`
	Plain    []string      `json:"plain,omitempty"` // HOST:PORT of those that speak HTTP/1.1 only
}

type keptSession struct {
	Shelf  string    `json:"shelf"`
	Name   string    `json:"name"` // of the server
	Since  time.Time `json:"since"`
	Ticket []byte    `json:"ticket"`
	State  []byte    `json:"state"` // as tls.SessionState.Bytes writes it
}

// keptOffer is what Alt-Svc said, and what came of it.
type keptOffer struct {
	Origin  string    `json:"origin"` // HOST:PORT
	Public  bool      `json:"public,omitempty"`
	Port    uint16    `json:"port"`
	Until   time.Time `json:"until"`
	Persist bool      `json:"persist,omitempty"`

	Verdict *keptVerdict `json:"verdict,omitempty"` // nil: there was none
}

func readKept(file string) (*keptSessions, error) {
	text, err := wholefile.Read(file, maxSessionFile)
	if err != nil {
		return nil, err
	}
	return parseKept(text)
}

// parseKept reads the file's text. What is too old in it, or not of our shelves, is passed over later.
func parseKept(text []byte) (*keptSessions, error) {
	k := new(keptSessions)
	if bytes.Count(text, []byte{','}) > maxSessionCommas {
		return nil, errTooMuch
	}
	if err := json.Unmarshal(text, k); err != nil {
		return nil, fmt.Errorf("it is damaged at byte %d", terse.Offset(err)) // the error itself may quote what stands there
	}
	if k.Version != sessionsVersion {
		return nil, fmt.Errorf("it is of version %d, this program reads version %d", k.Version, sessionsVersion)
	}
	if len(k.Sessions) > 4*maxSessions || len(k.Tokens) > 2*quicTokens || len(k.Offers) > 2*maxOrigins || len(k.Plain) > maxOrigins {
		return nil, errTooMuch
	}
	return k, nil
}

// open makes a session that can be resumed.
func (k keptSession) open(now time.Time) (*tls.ClientSessionState, error) {
	age := now.Sub(k.Since)
	if k.Name == "" || len(k.Name) > maxKeptName || len(k.Ticket)+len(k.State) > maxSession || age < 0 || age > maxSessionAge {
		return nil, errors.New("too old or too large")
	}
	state, err := tls.ParseSessionState(k.State)
	if err != nil {
		return nil, err
	}
	return tls.NewResumptionState(k.Ticket, state)
}

// seal is the opposite of open. ok is false for a session that cannot be resumed or is too large.
func (s *session) seal(shelf string) (k keptSession, ok bool) {
	ticket, state, err := s.state.ResumptionState()
	if err != nil || state == nil || len(s.name) > maxKeptName {
		return k, false
	}
	text, err := state.Bytes()
	if err != nil || len(text)+len(ticket) > maxSession {
		return k, false
	}
	return keptSession{shelf, s.name, s.since.UTC(), ticket, text}, true
}

func (s *sessions) encode() *keptSessions {
	k := &keptSessions{Version: sessionsVersion, Sessions: []keptSession{}, Plain: s.plain.all()}
	for name, shelf := range s.shelves {
		for _, one := range shelf.all() {
			if sealed, ok := one.seal(name); ok {
				k.Sessions = append(k.Sessions, sealed)
			}
		}
	}
	for name, tokens := range s.tokens {
		k.Tokens = append(k.Tokens, tokens.kept(name)...)
	}
	if s.offers != nil {
		k.Offers = s.offers()
	}
	return k
}

func (k *keptSessions) write(file string) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return wholefile.Write(file, text, 0o600)
}
