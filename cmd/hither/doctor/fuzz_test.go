package doctor

import (
	"net/netip"
	"testing"

	"hither/forward/dial"
)

// What stands in a user's files may be anything. Nothing may crash, and no value may be longer than the file.

func FuzzOtherFiles(f *testing.F) {
	for _, seed := range []string{"", "nameserver ::1\nsearch a b\noptions ndots:x rotate", "127.0.0.1 a b # c", "hosts: files dns", "{\"a\": ",
		"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----", "  ProxyEnable    REG_DWORD    0x1", "HTTPSEnable : 1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		text := string(data)
		parseResolvConf(text)
		hostsEntry(text, "registry.npmjs.org")
		nsswitch(text)
		parseReg(text)
		parseScutil(text)
		parseAhosts(text)
		new(shelf).takePEM(&Patient{}, data)
		hides(text, "registry.npmjs.org")
		if u, ok := parseProxy(text); ok {
			dial.HostPort(u)
		}
		(&Patient{Listen: []string{"127.0.0.1:7890"}}).isOursURL(text)
		bare(text)
		bareURL(text)
	})
}

func TestFilesAsProgramsReadThem(t *testing.T) {
	if r := parseResolvConf("# by resolvconf(8)\nnameserver fe80::1%eth0\nnameserver bad\noptions ndots:3\n"); len(r.Servers) != 1 || r.Dots != 3 || r.Writer != "resolvconf" {
		t.Errorf("resolv.conf\n got %v", r)
	}
	if got := hostsEntry("::1 localhost\n192.0.2.1 A registry.NPMJS.org.\n", "registry.npmjs.org"); got != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("the hosts file\n got %v", got)
	}
}
