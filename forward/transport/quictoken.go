package transport

import (
	"errors"
	"reflect"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/quic-go/quic-go"
)

const (
	// quicTokens is how many address tokens are kept of each kind of request, quicTokensEach how many of one host.
	quicTokens, quicTokensEach = maxSessions * quicTokensEach, 2
	// maxQUICToken bounds one, in bytes. It stands in the first packets, and one that fills them leaves no room for more.
	maxQUICToken = 512
	// maxQUICTrip is the longest round trip that is believed of the file: packets that are lost are waited for by it.
	maxQUICTrip = 5 * time.Second
)

// addressTokens is a quic.TokenStore. A server that is shown its token knows that we are where our packets say (RFC 9000,
// 8.1.3): it asks for no further round trip, and sends more than three times what it got before the handshake is over. Each is
// shown once.
type addressTokens struct {
	changed func()

	mu  sync.Mutex
	all []addressToken // the oldest first
}

type addressToken struct {
	name  string // of the server
	since time.Time
	clientToken
}

// clientToken is a quic.ClientToken, whose fields quic-go lets nobody read or set.
type clientToken struct {
	data []byte
	rtt  time.Duration
}

// known says whether it still is one, in the quic-go that we are built with. If not, no token is kept, nor shown; a test tells.
func (clientToken) known() bool {
	ours, theirs := reflect.TypeFor[clientToken](), reflect.TypeFor[quic.ClientToken]()
	if ours.NumField() != theirs.NumField() || ours.Size() != theirs.Size() {
		return false
	}
	for i := range ours.NumField() {
		a, b := ours.Field(i), theirs.Field(i)
		if a.Name != b.Name || a.Type != b.Type || a.Offset != b.Offset {
			return false
		}
	}
	return true
}

// Put implements quic.TokenStore.
func (s *addressTokens) Put(name string, token *quic.ClientToken) {
	if !(clientToken{}).known() {
		return
	}
	t := addressToken{name, time.Now(), *(*clientToken)(unsafe.Pointer(token))}
	if len(t.data) > maxQUICToken {
		return
	}
	s.keep(t)
	s.changed()
}

func (s *addressTokens) keep(t addressToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, t)
	same, oldest := 0, 0
	for i, other := range slices.Backward(s.all) {
		if other.name == t.name {
			same, oldest = same+1, i
		}
	}
	if same > quicTokensEach {
		s.all = slices.Delete(s.all, oldest, oldest+1)
	}
	if len(s.all) > quicTokens {
		s.all = slices.Delete(s.all, 0, 1)
	}
}

// Pop implements quic.TokenStore.
func (s *addressTokens) Pop(name string) *quic.ClientToken {
	t, ok := s.take(name)
	if !ok || !t.known() {
		return nil
	}
	s.changed() // the file has it yet
	return (*quic.ClientToken)(unsafe.Pointer(&t.clientToken))
}

// take is the newest token of a server. It is kept no more.
func (s *addressTokens) take(name string) (t addressToken, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = slices.DeleteFunc(s.all, func(t addressToken) bool { return time.Since(t.since) > maxSessionAge })
	for i, t := range slices.Backward(s.all) {
		if t.name == name {
			s.all = slices.Delete(s.all, i, i+1)
			return t, true
		}
	}
	return t, false
}

// keptToken is an addressToken in the file.
type keptToken struct {
	Shelf string        `json:"shelf"`
	Name  string        `json:"name"` // of the server
	Since time.Time     `json:"since"`
	Token []byte        `json:"token"`
	Trip  time.Duration `json:"trip"` // in nanoseconds
}

func (s *addressTokens) kept(shelf string) (all []keptToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.all {
		if len(t.name) <= maxKeptName {
			all = append(all, keptToken{shelf, t.name, t.since.UTC(), t.data, t.rtt})
		}
	}
	return all
}

// open makes a token that can be shown.
func (k keptToken) open(now time.Time) (addressToken, error) {
	age := now.Sub(k.Since)
	if k.Name == "" || len(k.Name) > maxKeptName || len(k.Token) == 0 || len(k.Token) > maxQUICToken ||
		age < 0 || age > maxSessionAge || k.Trip <= 0 || k.Trip > maxQUICTrip {
		return addressToken{}, errors.New("too old or too large")
	}
	return addressToken{k.Name, k.Since, clientToken{k.Token, k.Trip}}, nil
}
