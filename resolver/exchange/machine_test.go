package exchange

import (
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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
		"we ourselves are left out":        {"nameserver 127.0.0.1\nnameserver 192.0.2.3", "192.0.2.3:53"},
		"only we ourselves: an error":      {"nameserver 127.0.0.1", "this machine's only name server is Hither itself; name another in the setting dns"},
		"nobody: an error":                 {"", "this machine has no name servers; connect it to a network or name some in the setting dns"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "resolv.conf")
			put(t, path, test.file)
			m := &Machine{Path: path, Self: func(a netip.AddrPort) bool { return a.String() == "127.0.0.1:53" }}
			if got := servers(m); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestServersFollowTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		m := &Machine{Path: path}
		steps := []struct{ file, want string }{
			{"nameserver 192.0.2.1", "192.0.2.1:53"},
			{"nameserver 198.51.100.1", "198.51.100.1:53"},
			{"", "198.51.100.1:53"}, // between two networks the last ones stay
		}
		for _, step := range steps {
			put(t, path, step.file)
			time.Sleep(settingsAge)
			if got := servers(m); got != step.want {
				t.Errorf("got  %s\nwant %s", got, step.want)
			}
		}
		os.Remove(path)
		if got := servers(m); got != "198.51.100.1:53" {
			t.Errorf("got  %s\nwant the last ones", got)
		}
	})
}

func TestSystemReadsThisMachine(t *testing.T) {
	if _, err := os.Stat("/etc/resolv.conf"); err != nil && runtime.GOOS != "windows" {
		t.Skip("this machine has no resolv.conf")
	}
	if m, err := System(nil); err != nil || len(m.servers) == 0 {
		t.Errorf("got  %v, %v\nwant servers", m.servers, err)
	}
}

func TestHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "hosts")
		h := &Hosts{Path: path, Skip: func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.7.90") }}
		look := func(host, want string) {
			t.Helper()
			if got := text(h.Lookup(host)); got != want {
				t.Errorf("%s\ngot  %q\nwant %q", host, got, want)
			}
		}
		look("a.example", "") // no file yet
		put(t, path, "192.0.2.1 a.example A2.example # b.example\n::1 a.example\nnonsense c.example\n127.0.7.90 reg.example\n")
		time.Sleep(hostsAge)
		look("A.Example.", "192.0.2.1 ::1")
		look("a2.example", "192.0.2.1")
		look("b.example", "")
		look("c.example", "")
		look("reg.example", "") // we wrote that one, for others
		put(t, path, "192.0.2.22 a.example\n")
		time.Sleep(hostsAge)
		look("a.example", "192.0.2.22")
		os.Remove(path)
		time.Sleep(hostsAge)
		look("a.example", "")
		h = nil
		look("a.example", "")
	})
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// servers are those of m in words, or why there are none.
func servers(m *Machine) string {
	found, err := m.Servers()
	if err != nil {
		return err.Error()
	}
	return text(found)
}

func text[T interface{ String() string }](list []T) string {
	var words []string
	for _, one := range list {
		words = append(words, one.String())
	}
	return strings.Join(slices.Clip(words), " ")
}
