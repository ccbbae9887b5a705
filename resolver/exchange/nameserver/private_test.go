package nameserver

import (
	"strings"
	"testing"
)

func TestPrivate(t *testing.T) {
	for name, want := range map[string]bool{
		"1.0.168.192.in-addr.arpa.": true, "1.0.0.10.IN-ADDR.ARPA": true, "4.3.16.172.in-addr.arpa.": true, "4.3.31.172.in-addr.arpa": true,
		"4.3.32.172.in-addr.arpa.": false, "4.3.15.172.in-addr.arpa.": false, "172.in-addr.arpa.": false, "1.1.64.100.in-addr.arpa.": true,
		"1.1.63.100.in-addr.arpa.": false, "1.1.128.100.in-addr.arpa.": false, "8.8.8.8.in-addr.arpa.": false, "1.0.0.127.in-addr.arpa.": true,
		"b.a.d.f.ip6.arpa.": true, "1.a.e.f.ip6.arpa.": true, "1.0.0.2.ip6.arpa.": false, "8.b.d.0.1.0.0.2.ip6.arpa.": true, "10.example.": false,
		"": false, "in-addr.arpa.": false, "1.0" + strings.Repeat(".0", 30) + ".ip6.arpa.": true, "x.172.in-addr.arpa.": false,
	} {
		if got := Private(name); got != want {
			t.Errorf("%q\ngot  %v\nwant %v", name, got, want)
		}
	}
}
