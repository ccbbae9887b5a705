package doctor

import (
	"net/netip"
	"testing"
)

// What stands in a user's files may be anything. Nothing may crash, and no value may be longer than the file.

func FuzzEngine(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"registry-mirrors": ["http://127.0.0.1:7890"], "dns": ["::1"]}`, `{"proxies": {"https-proxy": 1}}`, `[`, `{"dns": null}`, "\xef\xbb\xbf{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		c, err := parseEngine(data)
		if err == nil {
			for _, m := range c.Mirrors {
				(&Patient{Listen: []string{"127.0.0.1:7890"}}).isOursURL(throughDesktop(m))
			}
		}
		_, _ = parseGuest(data)
		_, _ = parseInfo(data)
	})
}

func FuzzPip(f *testing.F) {
	for _, seed := range []string{"", "[global]\nindex-url = https://x/simple\n", "[install]\ntrusted-host =\n  a\n  b\n", "[GLOBAL]\nIndex_Url: x", " x", "[", "[]", "[a]\n:\n", "\r"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s := findPip(text, "global", "index-url"); len(s.Value) > len(text) {
			t.Errorf("the value is longer than the file: %q", s.Value)
		}
	})
}

func FuzzOtherFiles(f *testing.F) {
	for _, seed := range []string{"", "nameserver ::1\nsearch a b\noptions ndots:x rotate", "[http]\nproxy = \"x\"\n[source.crates-io]\nreplace-with = \"crates-io\"", "127.0.0.1 a b # c", "hosts: files dns", "Environment=\"A=b c\" 'D=e", "{\"a\": ",
		"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----", "  ProxyEnable    REG_DWORD    0x1", "HTTPSEnable : 1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		text := string(data)
		_, _ = parseCargo(data)
		parseResolvConf(text)
		hostsEntry(text, "registry.npmjs.org")
		nsswitch(text)
		unitVariable(text, "HTTPS_PROXY")
		parseReg(text)
		parseScutil(text)
		parseAhosts(text)
		new(shelf).takePEM(&Patient{}, data)
		hides(text, "registry.npmjs.org")
		if u, ok := parseProxy(text); ok {
			hostPort(u)
		}
		bare(text)
		bareURL(text)
	})
}

func TestFilesAsTheirToolsReadThem(t *testing.T) {
	w := newWorld(t)
	w.env["HOME"] = "/home/u"
	w.write("/home/u/project/.npmrc", "cafile=${HOME}/a.pem\n; x\nca[]=\"one\\n\"\nca[]=two\nstrict-ssl=false\nproxy=${NO}${NO?}\n[x]\ncafile=z\n")
	set := w.npmSettings()
	for name, want := range map[string]string{"cafile": "/home/u/a.pem", "ca": "one\n\ntwo", "strict-ssl": "false", "proxy": "${NO}"} {
		if got := set[name].Value; got != want {
			t.Errorf("%s\n got %q\nwant %q", name, got, want)
		}
	}
	if got := unitVariable("Environment=A=1 \"HTTPS_PROXY=http://u:p%%40@x\" 'NO_PROXY=a b'\n", "HTTPS_PROXY"); got != "http://u:p%40@x" {
		t.Errorf("a unit's variable\n got %q", got)
	}
	if r := parseResolvConf("# by resolvconf(8)\nnameserver fe80::1%eth0\nnameserver bad\noptions ndots:3\n"); len(r.Servers) != 1 || r.Dots != 3 || r.Writer != "resolvconf" {
		t.Errorf("resolv.conf\n got %v", r)
	}
	if got := hostsEntry("::1 localhost\n192.0.2.1 A registry.NPMJS.org.\n", "registry.npmjs.org"); got != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("the hosts file\n got %v", got)
	}
}
