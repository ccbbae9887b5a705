package race

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/wiretest"
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
			m := &Memory{}
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
			want(t, told(m.Rank(places(test.given), now.Add(test.later))), test.want)
		})
	}
}

func TestOneFigureIsNotEnoughToBeatAnIncumbent(t *testing.T) {
	m, now := &Memory{}, time.Now()
	both := places("192.0.2.1 192.0.2.2")
	m.answered(both[0], 100*time.Millisecond, now)
	m.elect(both[0], now)
	m.answered(both[1], time.Millisecond, now)
	want(t, told(m.Rank(both, now)), "192.0.2.1 192.0.2.2")
	m.answered(both[1], time.Millisecond, now)
	want(t, told(m.Rank(both, now)), "192.0.2.2 192.0.2.1")
}

func TestHeadStartFollowsTheMeasuredWait(t *testing.T) {
	m, now := &Memory{}, time.Now()
	a := places("192.0.2.1")[0]
	stays := func(want time.Duration) {
		t.Helper()
		if got := m.HeadStart(a, now); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	stays(stagger)
	m.answered(a, 3*time.Millisecond, now)
	stays(minStagger)
	m.Forget()
	m.answered(a, 150*time.Millisecond, now)
	stays(450 * time.Millisecond)
	m.Forget()
	m.answered(a, 5*time.Second, now)
	stays(maxStagger)
	m.Forget()
	stays(stagger)
}

// Whatever happens, ranking gives back what it was given, and the memory stays bounded.
func TestNoAddressIsDroppedAndTheMemoryIsBounded(t *testing.T) {
	m, now := &Memory{}, time.Now()
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
		ranked := m.Rank(given, now)
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

// timed returns who was tried, in order, and how long it took.
func timed(t *testing.T, l *wiretest.Lines, d *host) string {
	return l.Dialed(func() (net.Conn, error) { return d.dial(t.Context()) })
}

// host is one whose connections are remembered.
type host struct {
	addrs   []netip.AddrPort
	connect func(ctx context.Context, network, addr string) (net.Conn, error)
	memory  Memory
}

func (h *host) dial(ctx context.Context) (net.Conn, error) {
	return Remembering(ctx, &h.memory, h.memory.Rank(h.addrs, time.Now()), func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		return h.connect(ctx, "tcp", to.String())
	})
}

func TestARefusingAddressIsTriedLastForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &wiretest.Lines{Wait: map[string]time.Duration{"2001:db8::1": -5 * time.Millisecond, "192.0.2.1": 20 * time.Millisecond}}
		d := &host{addrs: places("192.0.2.1 2001:db8::1"), connect: l.Connect}
		want(t, timed(t, l, d), "2001:db8::1 192.0.2.1 25ms")
		want(t, timed(t, l, d), "192.0.2.1 20ms")
		l.Wait["192.0.2.1"] = -time.Millisecond // now the other
		l.Wait["2001:db8::1"] = 7 * time.Millisecond
		want(t, timed(t, l, d), "192.0.2.1 2001:db8::1 8ms")
		want(t, timed(t, l, d), "2001:db8::1 7ms")
	})
}

// A far address that answers as it always does is not overtaken; one that stalls is, after the time that it needs.
func TestAFarAddressHasTheHeadStartThatItNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &wiretest.Lines{Wait: map[string]time.Duration{"192.0.2.1": 280 * time.Millisecond, "192.0.2.2": time.Hour}}
		d := &host{addrs: places("192.0.2.1 192.0.2.2"), connect: l.Connect}
		want(t, timed(t, l, d), "192.0.2.1 192.0.2.2 280ms")
		want(t, timed(t, l, d), "192.0.2.1 280ms")
		want(t, timed(t, l, d), "192.0.2.1 280ms")
		l.Wait["192.0.2.1"] = time.Hour
		l.Wait["192.0.2.2"] = 10 * time.Millisecond
		if d, err := time.ParseDuration(strings.Fields(timed(t, l, d))[2]); err != nil || d < 280*time.Millisecond || d > maxStagger+10*time.Millisecond {
			t.Errorf("got  %s\nwant a little more than the 280ms that it took before", d)
		}
	})
}

// The faster address is found although it was not the first, and nobody waits for that.
func TestExploringCostsNoTimeAndFewPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &wiretest.Lines{Wait: map[string]time.Duration{"2001:db8::1": 90 * time.Millisecond, "192.0.2.1": 20 * time.Millisecond, "192.0.2.2": 85 * time.Millisecond}}
		d := &host{addrs: places("192.0.2.1 192.0.2.2 2001:db8::1"), connect: l.Connect}
		attempts := 0
		for range 100 {
			began := time.Now()
			timed(t, l, d)
			attempts += len(l.Tried)
			if took := time.Since(began); took > 90*time.Millisecond {
				t.Errorf("got  %s\nwant no longer than the first address takes", took)
			}
			time.Sleep(time.Second)
		}
		if l.Tried[0] != "192.0.2.1" {
			t.Errorf("got  %s in the end\nwant the fastest", l.Tried[0])
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
		l := &wiretest.Lines{Wait: map[string]time.Duration{"192.0.2.1": 50 * time.Millisecond, "192.0.2.2": 45 * time.Millisecond}}
		d := &host{addrs: places("192.0.2.1 192.0.2.2"), connect: l.Connect}
		for range 4 * exploreLate {
			timed(t, l, d)
			first := l.Tried[0]
			if len(l.Tried) == 2 {
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
		l := &wiretest.Lines{Wait: map[string]time.Duration{"2001:db8::1": 100 * time.Millisecond, "192.0.2.1": time.Millisecond}}
		d := &host{addrs: places("192.0.2.1 2001:db8::1"), connect: l.Connect}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := d.dial(ctx); err == nil {
			t.Error("got  a connection\nwant the caller's deadline")
		}
		want(t, timed(t, l, d), "2001:db8::1 100ms")
	})
}

func want(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
