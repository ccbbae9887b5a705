package link

import (
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestServersOfResolvConf(t *testing.T) {
	tests := map[string]struct {
		file string
		want string
	}{
		"servers in order, each once":      {"nameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver 192.0.2.1\n", "192.0.2.1:53 [2001:db8::1]:53"},
		"systemd-resolved is a server":     {"nameserver 127.0.0.53\noptions edns0 trust-ad\n", "127.0.0.53:53"},
		"a link-local one keeps its zone":  {"nameserver fe80::1%eth0", "[fe80::1%eth0]:53"},
		"comments and nonsense are no one": {"# nameserver 1.1.1.1\n;\nnameserver\nnameserver dns.example\nsearch a b\n\tnameserver 192.0.2.2 # x\n", "192.0.2.2:53"},
		"we ourselves are left out":        {"nameserver 127.0.7.90\nnameserver 192.0.2.3", "192.0.2.3:53"},
		"only we ourselves, so nobody":     {"nameserver 127.0.7.90", ""},
		"nobody, so the one that is here":  {"search a\nnameserver dns.example\n", "127.0.0.1:53"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			link, err := ParseResolvConf(strings.NewReader(test.file))
			if err != nil {
				t.Fatal(err)
			}
			got := text(Defaults(Tidy([]Link{link}, func(a netip.AddrPort) bool { return a.String() == "127.0.7.90:53" })))
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestSystemLinksReadsThisMachine(t *testing.T) {
	if _, err := os.Stat("/etc/resolv.conf"); err != nil && runtime.GOOS != "windows" {
		t.Skip("this machine has no resolv.conf")
	}
	if links, err := System(t.Context()); err != nil || len(links) == 0 {
		t.Errorf("got  %v, %v\nwant links", links, err)
	}
}

func text[T interface{ String() string }](list []T) string {
	var words []string
	for _, one := range list {
		words = append(words, one.String())
	}
	return strings.Join(words, " ")
}
