package race

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

type nothing struct{}

func (nothing) Close() error { return nil }

// A far server is waited for as long as it needs, and not a quarter of a second.
func TestHTTP3HasTheHeadStartThatWasLearnt(t *testing.T) {
	first, second := netip.MustParseAddrPort("192.0.2.1:443"), netip.MustParseAddrPort("192.0.2.2:443")
	for _, row := range []struct {
		head func(netip.AddrPort) time.Duration
		want time.Duration // when the second is tried
	}{
		{nil, stagger},
		{func(netip.AddrPort) time.Duration { return 700 * time.Millisecond }, 700 * time.Millisecond},
		{func(a netip.AddrPort) time.Duration { return new(Memory).HeadStart(a, time.Now()) }, stagger}, // nothing is known
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			_, err := First(t.Context(), []netip.AddrPort{first, second}, row.head, func(ctx context.Context, to netip.AddrPort) (nothing, error) {
				if to == first {
					<-ctx.Done()
					return nothing{}, ctx.Err()
				}
				if got := time.Since(began); got != row.want {
					t.Errorf("got:  %v\nwant: %v", got, row.want)
				}
				return nothing{}, nil
			})
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}
