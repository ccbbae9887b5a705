package race

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hither/forward/wiretest"
)

func TestALostSYNIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &wiretest.Lines{Wait: map[string]time.Duration{"192.0.2.1": 200 * time.Millisecond}}
		d := &host{addrs: places("192.0.2.1"), connect: l.Connect}
		l.Lost = 1
		want(t, timed(t, l, d), "192.0.2.1 1.2s") // how long it takes is not known
		d.memory.Forget()
		for range 4 {
			want(t, timed(t, l, d), "192.0.2.1 200ms")
		}
		l.Lost = 1
		if took, err := time.ParseDuration(strings.TrimPrefix(timed(t, l, d), "192.0.2.1 192.0.2.1 ")); err != nil || took > 700*time.Millisecond {
			t.Errorf("got  %s, %v\nwant two attempts, and less than the second after which the kernel makes the next", took, err)
		}
		want(t, timed(t, l, d), "192.0.2.1 200ms")
		l.Wait["192.0.2.1"] = -800 * time.Millisecond
		if got := timed(t, l, d); !strings.Contains(got, "refused") || len(l.Tried) > 2 {
			t.Errorf("got  %s after %d attempts\nwant its refusal, and two at most", got, len(l.Tried))
		}
	})
}

// An outage is one failure, however many were under way.
func TestWhatFailsTogetherFailedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &wiretest.Lines{Wait: map[string]time.Duration{"192.0.2.1": -time.Second}}
		d := &host{addrs: places("192.0.2.1"), connect: l.Connect}
		for n := 1; n <= 2; n++ {
			var all sync.WaitGroup
			for range 15 {
				all.Go(func() {
					if conn, err := d.dial(t.Context()); err == nil {
						conn.Close()
						t.Error("it answers")
					}
				})
			}
			all.Wait()
			if got := d.memory.known[netip.MustParseAddrPort("192.0.2.1:443")].failures; got != n {
				t.Errorf("got  %d failures in a row\nwant %d", got, n)
			}
			time.Sleep(time.Minute)
		}
	})
}

// Connections that begin together learn of each other how long one takes.
func TestALostSYNAmongManyIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &wiretest.Lines{Wait: map[string]time.Duration{"192.0.2.1": 400 * time.Millisecond}, Lost: 1}
		d := &host{addrs: places("192.0.2.1"), connect: l.Connect}
		began := time.Now()
		var all sync.WaitGroup
		for range 15 {
			all.Go(func() {
				conn, err := d.dial(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				conn.Close()
			})
		}
		all.Wait()
		if took := time.Since(began); took > time.Second || len(l.Tried) != 16 {
			t.Errorf("got  %s, %d attempts\nwant less than a second, and 16", took, len(l.Tried))
		}
	})
}
