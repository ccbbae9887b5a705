package footing

import (
	"net/netip"
	"testing"
)

func TestOnlyTheNetworkOfAnIPv6AddressIsKept(t *testing.T) {
	want(t, WayOut(netip.MustParseAddrPort("127.0.0.1:9")).String(), "127.0.0.1")
	if got := WayOut(netip.MustParseAddrPort("[::1]:9")); got.IsValid() { // where there is no IPv6 there is no way
		want(t, got.String(), "::")
	}
}

func want(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
