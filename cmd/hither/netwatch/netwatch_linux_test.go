package netwatch

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hither/cmd/hither/hithertest"
)

func TestANetworkThatCannotBeSeenIsNotAnother(t *testing.T) {
	var before unix.Rlimit
	hithertest.Must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	hithertest.Must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: before.Max}))
	now, err := networkNow()
	hithertest.Must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before))
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("without a file to be opened\n got %q, %v\nwant %v", now, err, unix.EMFILE)
	}
}

func TestDefaultRoutes(t *testing.T) {
	four := parseRoutes4("Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\ndocker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n" +
		"tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\nshort\n")
	hithertest.Same(t, "of IPv4", strings.Join(four, ", "), "eth0 4 00000000 0101A8C0 100, tun0 4 00000000 0100080A 0")
	none := strings.Repeat("0", 32)
	six := parseRoutes6(none + " 00 " + none + " 00 fe800000000000000000000000000001 00000064 00000001 00000000 00000003 eth0\n" +
		none + " 00 " + none + " 00 " + none + " ffffffff 00000001 00000000 00200200 lo\nshort\n")
	hithertest.Same(t, "of IPv6", strings.Join(six, ", "), "eth0 6 "+none+" fe800000000000000000000000000001 00000064")
}

func FuzzRoutes(f *testing.F) {
	f.Add("eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n")
	f.Add("00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n")
	f.Fuzz(func(t *testing.T, text string) {
		most := strings.Count(text, "\n") + 1
		for _, routes := range [][]string{parseRoutes4(text), parseRoutes6(text)} {
			if len(routes) > most {
				t.Errorf("routes of %d lines\n got %d\nwant one a line", most, len(routes))
			}
			for _, route := range routes {
				if len(strings.Fields(route)) != 5 {
					t.Errorf("\n got %q\nwant five words", route)
				}
			}
		}
	})
}
