package listener

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"
)

func TestTheKernelTellsWhereARedirectedProgramWentTo(t *testing.T) {
	n := newNetwork(t)
	n.run(
		"ip address add 10.7.0.2/24 dev lo", "ip route add 192.0.2.0/24 dev lo src 10.7.0.2",
		"ip address add fd07::2/64 dev lo nodad", "ip -6 route add 2001:db8::/32 dev lo src fd07::2",
		"nft add table inet hither", "nft add chain inet hither out { type nat hook output priority -100 ; }",
		"nft add rule inet hither out tcp dport 443 redirect to :8443",
		"nft add rule inet hither out tcp dport 22 redirect to :8443",
	)
	four, six := n.listen("127.0.0.1:8443", Options{}), n.listen("[::1]:8443", Options{})
	want(t, "IPv4", n.arrives(four, "", "192.0.2.7:443"), "192.0.2.7:443 local")
	want(t, "another port", n.arrives(four, "", "192.0.2.7:22"), "192.0.2.7:22 local")
	want(t, "loopback", n.arrives(four, "", "127.0.0.9:443"), "127.0.0.9:443 local")
	n.mptcp = true // to a socket of which the kernel does not tell the original destination
	want(t, "Multipath TCP", n.arrives(four, "", "192.0.2.7:443"), "192.0.2.7:443 local")
	n.mptcp = false
	want(t, "IPv4, not redirected", n.arrives(four, "", "127.0.0.1:8443"), "none local")
	want(t, "IPv6", n.arrives(six, "", "[2001:db8::7]:443"), "[2001:db8::7]:443 local")
	want(t, "IPv6, not redirected", n.arrives(six, "", "[::1]:8443"), "none local")
	wide := n.listen("0.0.0.0:8444", Options{})
	want(t, "not redirected, to a door on all addresses", n.arrives(wide, "", "10.7.0.2:8444"), "none local")
}

// A container: its packets come by a bridge, and a rule of the host leads them to a door on the bridge.
func TestADoorOnABridgeServesItsNetworkAndNobodyElse(t *testing.T) {
	host, container := newNetwork(t), newNetwork(t)
	host.join(container, "bridge0", "eth0")
	host.run(
		"ip address add 10.9.0.1/24 dev bridge0", "ip address add 203.0.113.1/24 dev bridge0", "ip address add 10.8.0.1/24 dev bridge0",
		"nft add table ip hither", "nft add chain ip hither pre { type nat hook prerouting priority -100 ; }",
		"nft add rule ip hither pre tcp dport 443 dnat to 10.9.0.1:8443",
	)
	container.run(
		"ip address add 10.9.0.2/24 dev eth0", "ip address add 203.0.113.9/24 dev eth0", "ip address add 10.8.0.2/24 dev eth0",
		"ip route add default via 10.9.0.1",
	)
	l := host.listen("10.9.0.1:8443", Options{})
	want(t, "a container", container.arrives(l, "10.9.0.2", "192.0.2.7:443"), "192.0.2.7:443 neighbour")
	want(t, "a container that asks us", container.arrives(l, "10.9.0.2", "10.9.0.1:8443"), "none neighbour")
	want(t, "the host itself", host.arrives(l, "", "10.9.0.1:8443"), "none local")
	for _, stranger := range []string{"203.0.113.9", "10.8.0.2"} {
		conn, err := container.dial(stranger, "10.9.0.1:8443")
		if err == nil { // else the reset was faster
			conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, err = io.Copy(io.Discard, conn)
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a client of %s\ngot  %v\nwant a reset", stranger, err)
		}
	}
}

func TestTPROXYLeavesTheAddressAsItWas(t *testing.T) {
	n := newNetwork(t)
	n.run(
		"ip address add 10.7.0.2/24 dev lo", "ip route add 192.0.2.0/24 dev lo src 10.7.0.2",
		"ip rule add fwmark 1 lookup 100", "ip route add local default dev lo table 100",
		"nft add table ip hither", "nft add chain ip hither out { type route hook output priority mangle ; }",
		"nft add rule ip hither out ip daddr 192.0.2.0/24 tcp dport 443 meta mark set 1",
		"nft add chain ip hither pre { type filter hook prerouting priority mangle ; }",
		"nft add rule ip hither pre ip daddr 192.0.2.0/24 tcp dport 443 tproxy to 127.0.0.1:8443 meta mark set 1",
	)
	l := n.listen("127.0.0.1:8443", Options{})
	want(t, "TPROXY", n.arrives(l, "", "192.0.2.7:443"), "192.0.2.7:443 local")
}
