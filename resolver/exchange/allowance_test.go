package exchange

import (
	"net/netip"
	"testing"
)

func TestAQuestionGoesToAServerThreeTimesByEachWay(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.1:53")
	ctx := WithAllowance(t.Context())
	for _, network := range []string{"udp", "tcp"} {
		for i := range maxSent + 1 {
			if got := MaySend(WithAllowance(ctx), network, at); got != (i < maxSent) {
				t.Errorf("got  %v for number %d over %s\nwant %d times yes", got, i+1, network, maxSent)
			}
		}
	}
}
