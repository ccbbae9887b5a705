// Package proxyname reads what settings say of a proxy, wherever they are: whether it is ours or may give way to ours, and the
// hosts that are asked past it. It is for those who write such settings, of tools and of the system. All of it is functions of texts.
package proxyname

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Objection is why a proxy that is set somewhere may not give way to ours; empty: it may, for it is ours, or the one behind us
// (upstream; empty: there is none). It is a sentence that begins with where, ends with what to do, and shows no password.
func Objection(where, found, ours, upstream string) string {
	if found == "" || found == "null" || Same(found, ours) || upstream != "" && Same(found, upstream) {
		return ""
	}
	if isSwitchedOff(found) {
		return fmt.Sprintf("%s forbids a proxy (%s): take that line away, or leave this out", where, found)
	}
	shown := Shown(found)
	return fmt.Sprintf("%s names the proxy %s: let Hither go out through it with upstream-proxy = %q in its config.toml, and then install again", where, shown, shown)
}

func isSwitchedOff(value string) bool { return strings.EqualFold(value, "false") || value == "off" }

// Same compares proxies as tools read them: the scheme may be missing, a slash may follow.
func Same(a, b string) bool { return plain(a) == plain(b) }

func plain(s string) string {
	s = strings.TrimRight(strings.TrimSpace(s), "/")
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	return strings.ToLower(s)
}

// Shown hides a password. What cannot be read as a URL is hidden as a whole if it may hold one.
func Shown(s string) string {
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		return u.Redacted()
	}
	if strings.Contains(s, "@") {
		return "(hidden, because it holds a password)"
	}
	return s
}

// UsersFirst is the user's list without what is ours, and then ours: so it is the same when it is made again from itself.
func UsersFirst(users, ours []string) []string {
	users = slices.DeleteFunc(slices.Clone(users), func(host string) bool { return slices.Contains(ours, host) })
	return Unique(append(users, ours...))
}

// Loopback are the names of this machine, which no proxy is asked for.
func Loopback() []string { return []string{"localhost", "127.0.0.1", "::1"} }

// Hosts reads a list of NO_PROXY.
func Hosts(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// Unique is the list with each item once, and without empty ones.
func Unique(list []string) []string {
	var out []string
	for _, item := range list {
		if item != "" && !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}

// Port is what follows the last colon of HOST:PORT; all of it if there is none.
func Port(address string) string {
	return address[strings.LastIndexByte(address, ':')+1:]
}
