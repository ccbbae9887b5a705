package install

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// mayReplaceProxy tells whether a proxy that is set somewhere may give way to ours: if it is ours, or the one behind us
// (upstream; empty: there is none). The reason is a *Refused.
func mayReplaceProxy(where, found, ours, upstream string) error {
	if found == "" || found == "null" || sameProxy(found, ours) || upstream != "" && sameProxy(found, upstream) {
		return nil
	}
	if isSwitchedOff(found) {
		return Refuse("%s forbids a proxy (%s): take that line away, or leave this out", where, found)
	}
	shown := shownURL(found)
	return Refuse("%s names the proxy %s: let Hither go out through it with upstream-proxy = %q in its config.toml, and then install again", where, shown, shown)
}

func isSwitchedOff(value string) bool { return strings.EqualFold(value, "false") || value == "off" }

// sameProxy compares proxies as tools read them: the scheme may be missing, a slash may follow.
func sameProxy(a, b string) bool { return plainProxy(a) == plainProxy(b) }

func plainProxy(s string) string {
	s = strings.TrimRight(strings.TrimSpace(s), "/")
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	return strings.ToLower(s)
}

// shownURL hides a password. What cannot be read as a URL is hidden as a whole if it may hold one.
func shownURL(s string) string {
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		return u.Redacted()
	}
	if strings.Contains(s, "@") {
		return "(hidden, because it holds a password)"
	}
	return s
}

// usersFirst is the user's list without what is ours, and then ours: so it is the same when it is made again from itself.
func usersFirst(users, ours []string) []string {
	users = slices.DeleteFunc(slices.Clone(users), func(host string) bool { return slices.Contains(ours, host) })
	return unique(append(users, ours...))
}

func loopbackNames() []string { return []string{"localhost", "127.0.0.1", "::1"} }

func splitHosts(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

func unique(list []string) []string {
	var out []string
	for _, item := range list {
		if item != "" && !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}

// port is what follows the last colon of HOST:PORT.
func port(address string) string {
	for i := len(address) - 1; i >= 0; i-- {
		if address[i] == ':' {
			return address[i+1:]
		}
	}
	return fmt.Sprint(address)
}
