package proxyname

import (
	"slices"
	"strings"
	"testing"
)

const ours = "http://127.0.0.1:7890"

// TestAProxyMayGiveWay has a row for each thing that stands in a setting. A password is in no sentence.
func TestAProxyMayGiveWay(t *testing.T) {
	for _, row := range []struct{ found, upstream, says string }{
		{"", "", ""},
		{"null", "", ""}, // what npm and gsettings say of nothing
		{"127.0.0.1:7890/", "", ""},
		{" HTTP://127.0.0.1:7890 ", "", ""},
		{"http://clash.example:1", "clash.example:1", ""},
		{"http://corp.example:1", "", `"http://corp.example:1"`},
		{"http://corp.example:1", "http://clash.example:1", "corp.example:1"},
		{"http://me:secret@corp.example:1", "", "me:xxxxx@corp.example:1"},
		{"me:secret@corp.example:1", "", "(hidden"},
		{"http://me:secret%zz@corp.example:1", "", "(hidden"},
		{"https://127.0.0.1:7890", "", "https://127.0.0.1:7890"}, // another way to speak to it
		{"False", "", "forbids a proxy"},
		{"off", "", "forbids a proxy"},
	} {
		why := Objection("a file", row.found, ours, row.upstream)
		if (why == "") != (row.says == "") || !strings.Contains(why, row.says) || strings.Contains(why, "secret") || why != "" && !strings.HasPrefix(why, "a file ") {
			t.Errorf("%q, with %q behind us\ngot  %q\nwant %q in it, and no password", row.found, row.upstream, why, row.says)
		}
	}
}

// TestHostsPastTheProxyStayWhenTheyAreMadeAgain is what keeps an installation from growing the user's list each time.
func TestHostsPastTheProxyStayWhenTheyAreMadeAgain(t *testing.T) {
	users := Hosts(".lan, localhost\t.corp.example,,.lan")
	once := UsersFirst(users, Loopback())
	if want := []string{".lan", ".corp.example", "localhost", "127.0.0.1", "::1"}; !slices.Equal(once, want) {
		t.Errorf("got  %q\nwant %q", once, want)
	}
	if again := UsersFirst(once, Loopback()); !slices.Equal(again, once) {
		t.Errorf("once  %q\nagain %q", once, again)
	}
	if want := []string{".lan", "localhost", ".corp.example", ".lan"}; !slices.Equal(users, want) {
		t.Errorf("the user's own list is %q\nwant %q as before", users, want)
	}
}

func TestPortFollowsTheLastColon(t *testing.T) {
	for address, want := range map[string]string{"127.0.0.1:7890": "7890", "[::1]:80": "80", "host:": "", "host": "host"} {
		if got := Port(address); got != want {
			t.Errorf("port of %q\ngot  %q\nwant %q", address, got, want)
		}
	}
}
