package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// places reads addresses without their port.
func places(text string) (all []netip.AddrPort) {
	for a := range strings.FieldsSeq(text) {
		all = append(all, netip.AddrPortFrom(netip.MustParseAddr(a), 443))
	}
	return all
}

func told(addrs []netip.AddrPort) string {
	var all []string
	for _, a := range addrs {
		all = append(all, a.Addr().String())
	}
	return strings.Join(all, " ")
}

func TestWhichAddressIsTriedFirst(t *testing.T) {
	const ms = time.Millisecond
	now := time.Now()
	// elected, answered twice and failed are applied in this order; a figure is "ADDRESS" at a wait in ms.
	type figures map[string]int
	tests := map[string]struct {
		given    string
		answered figures
		failed   figures // how often
		elected  string
		later    time.Duration
		want     string
	}{
		"nothing is known: IPv6 begins":              {given: "192.0.2.1 192.0.2.2 2001:db8::1", want: "2001:db8::1 192.0.2.1 192.0.2.2"},
		"the measured one is before the unmeasured":  {given: "192.0.2.1 192.0.2.2", answered: figures{"192.0.2.2": 900}, want: "192.0.2.2 192.0.2.1"},
		"the fastest of those that never went first": {given: "192.0.2.1 192.0.2.2", answered: figures{"192.0.2.1": 100, "192.0.2.2": 20}, want: "192.0.2.2 192.0.2.1"},
		"an incumbent is kept from one nearly as fast": {given: "192.0.2.1 192.0.2.2",
			answered: figures{"192.0.2.1": 100, "192.0.2.2": 70}, elected: "192.0.2.1", want: "192.0.2.1 192.0.2.2"},
		"an incumbent is kept on a near network": {given: "192.0.2.1 192.0.2.2",
			answered: figures{"192.0.2.1": 10, "192.0.2.2": 1}, elected: "192.0.2.1", want: "192.0.2.1 192.0.2.2"},
		"an incumbent that is clearly beaten goes": {given: "192.0.2.1 192.0.2.2",
			answered: figures{"192.0.2.1": 100, "192.0.2.2": 60}, elected: "192.0.2.1", want: "192.0.2.2 192.0.2.1"},
		"families take turns behind the first": {given: "192.0.2.1 192.0.2.2 192.0.2.3 2001:db8::1 2001:db8::2",
			answered: figures{"192.0.2.3": 20, "192.0.2.2": 30, "2001:db8::2": 80}, want: "192.0.2.3 2001:db8::2 192.0.2.2 2001:db8::1 192.0.2.1"},
		"one that failed is last, whatever its family": {given: "2001:db8::1 192.0.2.1 192.0.2.2",
			failed: figures{"2001:db8::1": 1}, want: "192.0.2.1 192.0.2.2 2001:db8::1"},
		"an incumbent that failed is last": {given: "192.0.2.1 192.0.2.2", answered: figures{"192.0.2.1": 5}, elected: "192.0.2.1",
			failed: figures{"192.0.2.1": 1}, want: "192.0.2.2 192.0.2.1"},
		"a failure is forgiven after half a minute": {given: "2001:db8::1 192.0.2.1",
			failed: figures{"2001:db8::1": 1}, later: failedFor, want: "2001:db8::1 192.0.2.1"},
		"failures in a row are forgiven later": {given: "2001:db8::1 192.0.2.1",
			failed: figures{"2001:db8::1": 3}, later: 2 * failedFor, want: "192.0.2.1 2001:db8::1"},
		"all failed: the given order": {given: "192.0.2.1 2001:db8::1",
			failed: figures{"192.0.2.1": 1, "2001:db8::1": 1}, want: "2001:db8::1 192.0.2.1"},
		"everything is forgotten in the end": {given: "192.0.2.1 192.0.2.2", answered: figures{"192.0.2.2": 5}, later: rememberFor + 1,
			failed: figures{"192.0.2.1": 99}, want: "192.0.2.1 192.0.2.2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			for a, wait := range test.answered {
				m.answered(places(a)[0], time.Duration(wait)*ms, now)
				m.answered(places(a)[0], time.Duration(wait)*ms, now)
			}
			if test.elected != "" {
				m.elect(places(test.elected)[0], now)
			}
			for a, times := range test.failed {
				for range times {
					m.failed(places(a)[0], 0, now)
				}
			}
			want(t, told(m.rank(places(test.given), now.Add(test.later))), test.want)
		})
	}
}

func TestOneFigureIsNotEnoughToBeatAnIncumbent(t *testing.T) {
	m, now := &memory{}, time.Now()
	both := places("192.0.2.1 192.0.2.2")
	m.answered(both[0], 100*time.Millisecond, now)
	m.elect(both[0], now)
	m.answered(both[1], time.Millisecond, now)
	want(t, told(m.rank(both, now)), "192.0.2.1 192.0.2.2")
	m.answered(both[1], time.Millisecond, now)
	want(t, told(m.rank(both, now)), "192.0.2.2 192.0.2.1")
}

func TestHeadStartFollowsTheMeasuredWait(t *testing.T) {
	m, now := &memory{}, time.Now()
	a := places("192.0.2.1")[0]
	stays := func(want time.Duration) {
		t.Helper()
		if got := m.stagger(a, now); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	stays(stagger)
	m.answered(a, 3*time.Millisecond, now)
	stays(minStagger)
	m.forget()
	m.answered(a, 150*time.Millisecond, now)
	stays(450 * time.Millisecond)
	m.forget()
	m.answered(a, 5*time.Second, now)
	stays(maxStagger)
	m.forget()
	stays(stagger)
}

// Whatever happens, ranking gives back what it was given, and the memory stays bounded.
func TestNoAddressIsDroppedAndTheMemoryIsBounded(t *testing.T) {
	m, now := &memory{}, time.Now()
	some := func() netip.AddrPort {
		n := rand.IntN(3 * maxAddresses)
		if n%2 == 0 {
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 14: byte(n >> 8), 15: byte(n)}), 443)
		}
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)}), 443)
	}
	for range 20_000 {
		now = now.Add(time.Duration(rand.Int64N(int64(2 * time.Second))))
		var given []netip.AddrPort
		for range 1 + rand.IntN(5) {
			if a := some(); !slices.Contains(given, a) {
				given = append(given, a)
			}
		}
		ranked := m.rank(given, now)
		m.explore(ranked, now)
		if len(ranked) != len(given) || slices.ContainsFunc(given, func(a netip.AddrPort) bool { return !slices.Contains(ranked, a) }) {
			t.Fatalf("got  %s\nwant those of %s", told(ranked), told(given))
		}
		switch a := ranked[0]; rand.IntN(4) {
		case 0:
			m.failed(a, 0, now)
		case 1:
			m.outrun(a, time.Duration(rand.Int64N(1e9)), now)
		default:
			m.answered(a, time.Duration(rand.Int64N(1e9)), now)
			m.elect(a, now)
		}
		if len(m.known) > maxAddresses {
			t.Fatalf("got  %d addresses\nwant at most %d", len(m.known), maxAddresses)
		}
	}
}

// lines are the addresses of one host, in a synctest bubble: each connects after a while, or is refused.
type lines struct {
	t     *testing.T
	wait  map[string]time.Duration // negative: refused after that long
	mu    sync.Mutex
	lost  int // SYNs, the next ones: the kernel sends them again after a second
	tried []string
}

func (l *lines) connect(ctx context.Context, _, addr string) (net.Conn, error) {
	at := netip.MustParseAddrPort(addr).Addr().String()
	l.mu.Lock()
	l.tried = append(l.tried, at)
	wait := l.wait[at]
	if l.lost > 0 {
		l.lost--
		wait += time.Second
	}
	l.mu.Unlock()
	ended := make(chan struct{})
	defer time.AfterFunc(wait.Abs(), func() { close(ended) }).Stop()
	select {
	case <-ended:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if wait < 0 {
		return nil, errors.New("refused")
	}
	near, far := net.Pipe()
	far.Close()
	return near, nil
}

// dial returns who was tried, in order, and how long it took.
func (l *lines) dial(d *Dialer) string {
	l.t.Helper()
	l.tried = nil
	began := time.Now()
	conn, err := d.DialContext(l.t.Context(), "tcp", "reg.example:443")
	if err != nil {
		return err.Error()
	}
	conn.Close()
	return fmt.Sprint(strings.Join(l.tried, " "), " ", time.Since(began))
}

func TestASilentAddressCostsOneHeadStartOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, wait: map[string]time.Duration{"2001:db8::1": time.Hour, "192.0.2.1": 20 * time.Millisecond}}
		d := &Dialer{Resolver: names{"reg.example": "192.0.2.1 2001:db8::1"}, Connect: l.connect}
		want(t, l.dial(d), "2001:db8::1 192.0.2.1 270ms")
		for range 2 {
			want(t, l.dial(d), "192.0.2.1 20ms")
		}
		d.Forget()
		want(t, l.dial(d), "2001:db8::1 192.0.2.1 270ms")
	})
}

func TestARefusingAddressIsTriedLastForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, wait: map[string]time.Duration{"2001:db8::1": -5 * time.Millisecond, "192.0.2.1": 20 * time.Millisecond}}
		d := &Dialer{Resolver: names{"reg.example": "192.0.2.1 2001:db8::1"}, Connect: l.connect}
		want(t, l.dial(d), "2001:db8::1 192.0.2.1 25ms")
		want(t, l.dial(d), "192.0.2.1 20ms")
		l.wait["192.0.2.1"] = -time.Millisecond // now the other
		l.wait["2001:db8::1"] = 7 * time.Millisecond
		want(t, l.dial(d), "192.0.2.1 2001:db8::1 8ms")
		want(t, l.dial(d), "2001:db8::1 7ms")
	})
}

// A far address that answers as it always does is not overtaken; one that stalls is, after the time that it needs.
func TestAFarAddressHasTheHeadStartThatItNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, wait: map[string]time.Duration{"192.0.2.1": 280 * time.Millisecond, "192.0.2.2": time.Hour}}
		d := &Dialer{Resolver: names{"reg.example": "192.0.2.1 192.0.2.2"}, Connect: l.connect}
		want(t, l.dial(d), "192.0.2.1 192.0.2.2 280ms")
		want(t, l.dial(d), "192.0.2.1 280ms")
		want(t, l.dial(d), "192.0.2.1 280ms")
		l.wait["192.0.2.1"] = time.Hour
		l.wait["192.0.2.2"] = 10 * time.Millisecond
		if d, err := time.ParseDuration(strings.Fields(l.dial(d))[2]); err != nil || d < 280*time.Millisecond || d > maxStagger+10*time.Millisecond {
			t.Errorf("got  %s\nwant a little more than the 280ms that it took before", d)
		}
	})
}

// The faster address is found although it was not the first, and nobody waits for that.
func TestExploringCostsNoTimeAndFewPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, wait: map[string]time.Duration{"2001:db8::1": 90 * time.Millisecond, "192.0.2.1": 20 * time.Millisecond, "192.0.2.2": 85 * time.Millisecond}}
		d := &Dialer{Resolver: names{"reg.example": "192.0.2.1 192.0.2.2 2001:db8::1"}, Connect: l.connect}
		attempts := 0
		for range 100 {
			began := time.Now()
			l.dial(d)
			attempts += len(l.tried)
			if took := time.Since(began); took > 90*time.Millisecond {
				t.Errorf("got  %s\nwant no longer than the first address takes", took)
			}
			time.Sleep(time.Second)
		}
		if l.tried[0] != "192.0.2.1" {
			t.Errorf("got  %s in the end\nwant the fastest", l.tried[0])
		}
		if attempts > 110 {
			t.Errorf("got  %d attempts for 100 connections\nwant few more", attempts)
		}
		t.Log(attempts, "attempts for 100 connections")
	})
}

// An address that is sometimes a little faster, as equals are, does not take the first one's place.
func TestAnExploredAddressMustWinByMoreThanLuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, wait: map[string]time.Duration{"192.0.2.1": 50 * time.Millisecond, "192.0.2.2": 45 * time.Millisecond}}
		d := &Dialer{Resolver: names{"reg.example": "192.0.2.1 192.0.2.2"}, Connect: l.connect}
		for range 4 * exploreLate {
			l.dial(d)
			first := l.tried[0]
			if len(l.tried) == 2 {
				first = "192.0.2.1" // together: who is noted first is chance
			}
			if first != "192.0.2.1" {
				t.Fatalf("got  %s first\nwant 192.0.2.1, as before", first)
			}
		}
	})
}

func TestADialThatItsCallerGaveUpBlamesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, wait: map[string]time.Duration{"2001:db8::1": 100 * time.Millisecond, "192.0.2.1": time.Millisecond}}
		d := &Dialer{Resolver: names{"reg.example": "192.0.2.1 2001:db8::1"}, Connect: l.connect}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := d.DialContext(ctx, "tcp", "reg.example:443"); err == nil {
			t.Error("got  a connection\nwant the caller's deadline")
		}
		want(t, l.dial(d), "2001:db8::1 100ms")
	})
}

func TestHTTP3IsOfferedTheSameOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, wait: map[string]time.Duration{"2001:db8::1": time.Hour}}
		d := &Dialer{Resolver: names{"reg.example": "192.0.2.1 192.0.2.2 2001:db8::1"}, Connect: l.connect}
		l.wait["192.0.2.1"] = 20 * time.Millisecond
		l.dial(d)
		got, err := d.Datagrams(t.Context(), "reg.example:443")
		if err != nil {
			t.Fatal(err)
		}
		want(t, told(got), "192.0.2.1 2001:db8::1 192.0.2.2")
	})
}

func TestOurOwnConnectionsAreKnown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d := &Dialer{}
	conn, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	near, far := netip.MustParseAddrPort(conn.LocalAddr().String()), netip.MustParseAddrPort(conn.RemoteAddr().String())
	want(t, fmt.Sprint(d.Own(near, far), d.Own(far, near), d.Own(near, near), new(Dialer).Own(near, far)), "true false false false")
}

func TestOurOwnConnectionsAreForgottenAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o opened
		for n := range 3 * maxOwn {
			e := ends{netip.AddrPortFrom(netip.IPv6Loopback(), uint16(n)), netip.AddrPort{}}
			o.addEnds(e, time.Now())
		}
		if len(o.since) != maxOwn || len(o.order) != maxOwn {
			t.Errorf("got  %d and %d\nwant %d", len(o.since), len(o.order), maxOwn)
		}
		last := ends{netip.AddrPortFrom(netip.IPv6Loopback(), 3*maxOwn-1), netip.AddrPort{}}
		want(t, fmt.Sprint(o.has(last, time.Now()), o.has(last, time.Now().Add(ownFor+1))), "true false")
	})
}
