package exchange

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func TestFallback(t *testing.T) {
	says := func(rcode int) oracle {
		return func(_ context.Context, q *dns.Msg) (*dns.Msg, error) { return new(dns.Msg).SetRcode(q, rcode), nil }
	}
	const hour = time.Hour
	tests := map[string]struct {
		servers Fallback
		rcode   int // -1: an error
		took    time.Duration
	}{
		"the first is prompt and alone":              {Fallback{says(0), oracle(down)}, 0, 0},
		"the first is late, the second is asked":     {Fallback{after(hour, says(0)), says(3)}, 3, headStart},
		"the first is late but still wins":           {Fallback{after(300*time.Millisecond, says(0)), after(hour, says(3))}, 0, 300 * time.Millisecond},
		"the first fails, the second is asked now":   {Fallback{oracle(down), says(0)}, 0, 0},
		"SERVFAIL waits for a better answer":         {Fallback{says(2), after(time.Second, says(0))}, 0, time.Second},
		"SERVFAIL is better than nothing":            {Fallback{says(2), oracle(down)}, 2, 0},
		"no such name is an answer":                  {Fallback{says(3), oracle(down)}, 3, 0},
		"all fail":                                   {Fallback{oracle(down), oracle(down)}, -1, 0},
		"nobody is there":                            {nil, -1, 0},
		"two are silent, the third is asked in turn": {Fallback{after(hour, says(0)), after(hour, says(0)), says(3)}, 3, 2 * headStart},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				reply, err := test.servers.Exchange(t.Context(), ask())
				got := -1
				if err == nil {
					got = reply.Rcode
				}
				if got != test.rcode || time.Since(begin) != test.took {
					t.Errorf("got  %d after %v (%v)\nwant %d after %v", got, time.Since(begin), err, test.rcode, test.took)
				}
			})
		})
	}
}

func TestFallbackJoinsAllErrors(t *testing.T) {
	other := errors.New("the other is down too")
	servers := Fallback{oracle(down), oracle(func(context.Context, *dns.Msg) (*dns.Msg, error) { return nil, other })}
	_, err := servers.Exchange(t.Context(), ask())
	if !errors.Is(err, errDown) || !errors.Is(err, other) {
		t.Errorf("got  %v\nwant both", err)
	}
}

func TestFallbackReturnsWhenTheClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := Fallback{after(time.Hour, down), oracle(down)}.Exchange(ctx, ask())
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), errDown.Error()) {
			t.Errorf("got  %v\nwant the deadline and what failed before", err)
		}
	})
}
