package resolver

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// clientRate is for a client beyond this machine, such as a container, in questions a second that are not in memory. A
	// cold npm install asks for fewer than 100 names in all.
	clientRate = 1000
	// maxClients is how many are told apart; beyond that the fullest purses are forgotten.
	maxClients = 1024
)

// limiter gives each client a purse that fills by rate a second and holds that of one second.
type limiter struct {
	rate   float64
	mu     sync.Mutex
	purses map[netip.Prefix]purse
}

type purse struct {
	left float64
	at   time.Time
}

func newLimiter(rate int) *limiter {
	return &limiter{rate: float64(rate), purses: map[netip.Prefix]purse{}}
}

// allow takes one from the purse of addr. Neighbours in IPv6 share one, because a host there may have any number of
// addresses.
func (l *limiter) allow(addr netip.Addr, now time.Time) bool {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	client, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p, known := l.purses[client]
	if !known {
		l.makeRoomLocked(now)
		p = purse{left: l.rate, at: now}
	}
	p.left = min(l.rate, p.left+max(0, now.Sub(p.at).Seconds())*l.rate)
	p.at = now
	ok := p.left >= 1
	if ok {
		p.left--
	}
	l.purses[client] = p
	return ok
}

// makeRoomLocked forgets those whose purse is full again, which changes nothing, or all if that is not enough.
func (l *limiter) makeRoomLocked(now time.Time) {
	if len(l.purses) < maxClients {
		return
	}
	for client, p := range l.purses {
		if now.Sub(p.at) >= time.Second {
			delete(l.purses, client)
		}
	}
	if len(l.purses) >= maxClients {
		clear(l.purses)
	}
}
