package redirect

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzLocation has redirects to anything: each leads to a host by http or https, never from https to http, tells nothing of what
// stood before an @ or behind a #, and is where net/http goes, too.
func FuzzLocation(f *testing.F) {
	for _, to := range []string{"/b?c#d", "//cdn.example/x", "https://u:p@cdn.example:8443/%2e%2e/", "https://[::1%25eth0]/", "?q", "", "ftp://a", "//"} {
		f.Add("https://reg.example/a", to, 302)
		f.Add("http://reg.example:5000/v2/a/", to, 307)
	}
	f.Fuzz(func(t *testing.T, from, to string, code int) {
		at, err := url.Parse(from)
		if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
			return
		}
		resp := &http.Response{StatusCode: code, Header: http.Header{"Location": {to}}, Request: &http.Request{URL: at}}
		target, err := location(resp)
		if target == nil || err != nil {
			return
		}
		switch {
		case target.Scheme != "https" && (target.Scheme != "http" || at.Scheme == "https"):
			t.Errorf("it leads by %s to %s", at.Scheme, target)
		case target.User != nil, target.Fragment != "", strings.Contains(target.String(), "#"):
			t.Errorf("%q says more than where it leads", target)
		}
		other, err := resp.Location()
		if err != nil {
			t.Fatalf("net/http reads no target in %q: %v", to, err)
		}
		other.User, other.Fragment, other.RawFragment = nil, "", ""
		if target.String() != other.String() {
			t.Errorf("got  %s\nwant %s", target, other)
		}
	})
}
