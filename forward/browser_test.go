package forward_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A page that the user looks at can have his browser ask our address. It must not learn what we have, nor fill the cache,
// nor reach a registry of the private network by us.
func TestAPageOfAnotherSiteMayNeitherReadNorFill(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("the bytes", nil))
	self := "Host: " + w.addr + "\r\n"
	const image, link = "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n", "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
	for _, c := range []struct {
		what, request string
		status        int
	}{
		{"no browser", "GET /reg/forever/a HTTP/1.1\r\n" + self, 200},
		{"the address bar", "GET /reg/forever/a HTTP/1.1\r\n" + self + "Sec-Fetch-Site: none\r\n" + link, 200},
		{"the console", "GET /reg/forever/a HTTP/1.1\r\n" + self + "Sec-Fetch-Site: same-origin\r\n", 200},
		{"an image on another site's page", "GET /reg/forever/a HTTP/1.1\r\n" + self + "Sec-Fetch-Site: cross-site\r\n" + image, 403},
		{"an image on the page of another port", "GET /reg/forever/a HTTP/1.1\r\n" + self + "Sec-Fetch-Site: same-site\r\n" + image, 403},
		{"a link to a gateway path", "GET /reg/forever/a HTTP/1.1\r\n" + self + "Sec-Fetch-Site: cross-site\r\n" + link, 403},
		{"a script of another site, in an old browser", "GET /reg/forever/a HTTP/1.1\r\n" + self + "Origin: https://evil.test\r\n", 403},
		{"a script in a sandbox", "GET /reg/forever/a HTTP/1.1\r\n" + self + "Origin: null\r\n", 403},
		{"the question before a script's upload", "OPTIONS /reg/forever/a HTTP/1.1\r\n" + self + "Origin: https://evil.test\r\n", 403},
		{"a path that no rule speaks of", "GET /reg/unknown HTTP/1.1\r\n" + self + "Sec-Fetch-Site: cross-site\r\n" + image, 403},
		{"by the proxy door", "GET http://" + w.addr + "/reg/forever/a HTTP/1.1\r\n" + self + "Sec-Fetch-Site: cross-site\r\n" + image, 403},
		{"a link to the console", "GET / HTTP/1.1\r\n" + self + "Sec-Fetch-Site: cross-site\r\n" + link, 200},
		{"the console in another site's frame", "GET / HTTP/1.1\r\n" + self + "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n", 403},
		{"the console as another site's script", "GET / HTTP/1.1\r\n" + self + "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n", 403},
		{"0.0.0.0, for which browsers say nothing of the site", "GET /reg/forever/a HTTP/1.1\r\nHost: 0.0.0.0:" + portOf(w.addr) + "\r\n", 421},
		{"a registry's own page asks its registry", "GET http://" + host + "/forever/a HTTP/1.1\r\nHost: " + host + "\r\nSec-Fetch-Site: cross-site\r\n" + image, 200},
	} {
		if got, body := w.rawStatus(c.request + "Connection: close\r\n\r\n"); got != c.status {
			t.Errorf("%s\ngot:  %d %s\nwant: %d", c.what, got, body, c.status)
		}
	}
	if n := w.asked(); n != 0 {
		t.Errorf("the origin was asked %d times, want never", n)
	}
}

func portOf(addr string) string { return addr[strings.LastIndex(addr, ":")+1:] }

// Cookies know no ports: a browser sends us those of every other server on this machine.
func TestCookiesOfThisMachineStayHere(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("cache", nil))
	get(t, w.direct(), "http://"+w.addr+"/reg/forever/a", "Cookie", "jupyter=secret")
	if got := w.who(); got != "cache" {
		t.Errorf("a gateway path with a cookie\ngot:  %s\nwant: cache", got)
	}
	w.setOrigin(func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Set-Cookie", "cf=1; Path=/") })
	res, _ := get(t, w.direct(), "http://"+w.addr+"/reg/never/a", "Cookie", "jupyter=secret", "Authorization", "Bearer mine")
	seen := w.lastSeen().Header
	if got, want := fmt.Sprint(seen["Cookie"], seen["Authorization"]), "[] [Bearer mine]"; got != want {
		t.Errorf("at the origin\ngot:  %s\nwant: %s", got, want)
	}
	if got := res.Header["Set-Cookie"]; got != nil {
		t.Errorf("a registry's cookie for this machine\ngot:  %q\nwant: none", got)
	}
	res, _ = get(t, w.client(false), "http://"+host+"/never/a", "Cookie", "its=own")
	if got, want := fmt.Sprint(w.lastSeen().Header["Cookie"], res.Header["Set-Cookie"]), "[its=own] [cf=1; Path=/]"; got != want {
		t.Errorf("by the proxy door\ngot:  %s\nwant: %s", got, want)
	}
}

// What a registry serves, anybody may have published. A page of it must not be one of ours: those may change things here.
func TestWhatComesByTheGatewayIsNoPageOfOurs(t *testing.T) {
	w := newWorld(t)
	w.setFetch(content("<script>", nil))
	for _, path := range []string{"/reg/forever/a", "/reg/never/a", "/reg/unknown"} {
		res, _ := get(t, w.direct(), "http://"+w.addr+path)
		got := res.Header.Get("Content-Security-Policy") + ", " + res.Header.Get("X-Content-Type-Options")
		if want := "sandbox, nosniff"; got != want {
			t.Errorf("%s\ngot:  %s\nwant: %s", path, got, want)
		}
	}
	res, _ := get(t, w.client(true), "https://"+host+"/forever/a")
	if got := res.Header.Get("Content-Security-Policy"); got != "" {
		t.Errorf("by the proxy door\ngot:  %s\nwant: as the origin sent it", got)
	}
}
