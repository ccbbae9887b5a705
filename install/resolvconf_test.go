package install

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
)

const block = resolvBegin + "\nnameserver 127.0.0.1\n" + resolvOptions + "\n" + resolvEnd + "\n"

func TestOurServerComesFirst(t *testing.T) {
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}
	for _, row := range []struct{ name, old, want string }{
		{"nothing", "", block},
		{"servers", "nameserver 192.0.2.1\nnameserver 192.0.2.2\n", block + "nameserver 192.0.2.1\nnameserver 192.0.2.2\n"},
		{"no end of the line", "nameserver 192.0.2.1", block + "nameserver 192.0.2.1\n"},
		{"search and comments", "# by hand\nsearch a.example b.example\nnameserver 192.0.2.1\n", block + "# by hand\nsearch a.example b.example\nnameserver 192.0.2.1\n"},
		{"turns and patience", "options rotate timeout:5 ndots:2 attempts:1\n", block + "options ndots:2\n"},
		{"options that say nothing else", "options rotate\nnameserver 192.0.2.1\n", block + "nameserver 192.0.2.1\n"},
		{"other options", "options edns0 trust-ad\n", block + "options edns0 trust-ad\n"},
		{"ourselves, by hand", "nameserver 127.0.0.1\nnameserver ::1\nnameserver 192.0.2.1\n", block + "nameserver 192.0.2.1\n"},
		{"our block", block + "nameserver 192.0.2.1\n", block + "nameserver 192.0.2.1\n"},
		{"our block in the middle, at another address", "nameserver 192.0.2.1\n" + strings.ReplaceAll(block, "127.0.0.1", "127.0.0.9"), block + "nameserver 192.0.2.1\n"},
		{"somebody wrote into our block", strings.Replace(block, resolvEnd, "nameserver 192.0.2.1\n"+resolvEnd, 1), block + "nameserver 192.0.2.1\n"},
		{"a block without an end", resolvBegin + "\nnameserver 127.0.0.1\nnameserver 192.0.2.1\n", block + "nameserver 192.0.2.1\n"},
	} {
		got := string(serversFirst([]byte(row.old), addrs))
		if got != row.want {
			t.Errorf("%s\ngot  %q\nwant %q", row.name, got, row.want)
		}
		if again := string(serversFirst([]byte(got), addrs)); again != got {
			t.Errorf("%s, again\ngot  %q\nwant %q", row.name, again, got)
		}
	}
}

func FuzzResolvConf(f *testing.F) {
	for _, seed := range []string{"", block, "nameserver 192.0.2.1", "options rotate", block + block, resolvEnd + "\n" + resolvBegin, "\x00\n\r\n"} {
		f.Add([]byte(seed))
	}
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	f.Fuzz(func(t *testing.T, old []byte) {
		text := serversFirst(old, addrs)
		if !bytes.HasPrefix(text, []byte(block)) {
			t.Fatalf("got  %q\nwant our block first", text)
		}
		if again := serversFirst(text, addrs); !bytes.Equal(again, text) {
			t.Fatalf("again\ngot  %q\nwant %q", again, text)
		}
		if len(text) > len(old)+len(block)+1 {
			t.Fatalf("got  %d bytes of %d\nwant no more than our block and the end of a line", len(text), len(old))
		}
	})
}
