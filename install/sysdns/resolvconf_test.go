package sysdns

import (
	"bytes"
	"net/netip"
	"os"
	"strings"
	"testing"

	"hither/install"
	"hither/install/installtest"
	"hither/install/stage"
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

// TestServersThatComeBehindALinkAreTaken when the network changes: openresolv and its kin write where the link led.
func TestServersThatComeBehindALinkAreTaken(t *testing.T) {
	const cafe, home = "nameserver 10.0.0.1\n", "nameserver 192.168.7.1\n"
	for _, link := range []string{"/run/resolvconf/resolv.conf", "../run/resolvconf/resolv.conf"} {
		w := installtest.NewWorld(t, "linux", map[string]string{"/run/resolvconf/resolv.conf": cafe, "/etc/resolv.conf": "-> " + link})
		step := resolvConf(w.Machine, []netip.Addr{netip.MustParseAddr("127.0.0.1")})
		stage.Check(t, install.Apply(t.Context(), step))
		installtest.InForce(t, step, true)
		stage.Same(t, "files to watch", strings.Join(Files(step), " "), w.Path("/etc/resolv.conf")+" "+w.Path("/run/resolvconf/resolv.conf"))
		stage.Check(t, os.WriteFile(w.Path("/run/resolvconf/resolv.conf"), []byte(home), 0o644))
		installtest.InForce(t, step, false)
		stage.Check(t, install.Apply(t.Context(), step))
		installtest.InForce(t, step, true)
		text := w.Text("/etc/resolv.conf")
		if !strings.HasSuffix(text, resolvEnd+"\n"+home) || strings.Contains(text, cafe) {
			t.Errorf("%s: got %q", link, text)
		}
		_, err := install.Restore(t.Context(), w.Machine, install.Volatile)
		stage.Check(t, err)
		target, err := os.Readlink(w.Path("/etc/resolv.conf"))
		stage.Check(t, err)
		stage.Same(t, "link", target, link)
	}
}

// TestABlockWithoutAJournalIsTakenOut: by whoever restores, and by the next change.
func TestABlockWithoutAJournalIsTakenOut(t *testing.T) {
	const theirs = "search example.net\nnameserver 10.0.0.1\n"
	w := installtest.NewWorld(t, "linux", map[string]string{"/etc/resolv.conf": theirs})
	step := resolvConf(w.Machine, []netip.Addr{netip.MustParseAddr("127.0.0.1")})
	lose := func() {
		stage.Check(t, install.Apply(t.Context(), step))
		stage.Check(t, os.Remove(w.Journal.Path()))
	}
	lose()
	report, err := Sweep(w.Machine)
	stage.Check(t, err)
	stage.Same(t, "outcomes", len(report), 1)
	stage.Same(t, "resolv.conf", w.Text("/etc/resolv.conf"), theirs)

	lose()
	other := resolvConf(w.Machine, []netip.Addr{netip.MustParseAddr("127.0.0.2")})
	stage.Check(t, install.Apply(t.Context(), other))
	stage.Check(t, other.Undo(t.Context()))
	stage.Same(t, "resolv.conf", w.Text("/etc/resolv.conf"), theirs)
	report, err = Sweep(w.Machine)
	stage.Check(t, err)
	stage.Same(t, "outcomes without a block", len(report), 0)
}
