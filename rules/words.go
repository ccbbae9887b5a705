package rules

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// The checks of single words in a rule file.

func isName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && s[0] != '-'
}

// isPrefix reports a path that others are put behind: canonical, not the root, no slash at the end, no variables.
func isPrefix(s string) bool {
	plain, ok := clean(s)
	return ok && plain == s && escape(plain) == s && !strings.HasSuffix(s, "/") && !strings.ContainsAny(s, "{}")
}

// isHost reports a host key: a DNS name (RFC 1123, with the underscores that are in use) or an address, perhaps a port.
func isHost(key string) bool {
	name, port := splitHost(key)
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.Itoa(int(n)) != port {
			return false
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

// maxField bounds a place in a JSON document, in keys: no registry nests deeper.
const maxField = 8

// isField reports keys of JSON objects with dots between them.
func isField(s string) bool {
	keys := strings.Split(s, ".")
	for _, key := range keys {
		if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return false
		}
	}
	return len(keys) <= maxField
}

func isLabel(s string) bool {
	return s != "" && len(s) <= 63 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == "" && s[0] != '-' && s[len(s)-1] != '-'
}

// urlHost writes a host key as a URL has it.
func urlHost(key string) string {
	if addr, err := netip.ParseAddr(key); err == nil && addr.Is6() {
		return "[" + key + "]"
	}
	return key
}

// parseBase reads the address of an upstream: what other paths are put behind, without a slash at the end. Plain http is
// allowed, for what a notary vouches for and for registries on the machine itself.
func parseBase(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", errors.New("it cannot be read as a URL; write one such as \"https://example.org/path\"")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("a base URL is absolute and begins with https:// or http://; write it whole")
	case u.User != nil:
		return "", errors.New("a rule file holds no user or password; remove them")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#"):
		return "", errors.New("paths are put behind a base URL, so it has no query and no fragment; remove them")
	case !isHost(hostKey(u.Host)):
		return "", errors.New("it names no host; write one such as \"https://example.org/path\"")
	}
	path, ok := clean("/" + strings.Trim(u.EscapedPath(), "/"))
	if !ok {
		return "", errors.New("its path can be read in two ways; remove dots and control characters")
	}
	return u.Scheme + "://" + strings.ToLower(strings.TrimSuffix(u.Host, ":")) + strings.TrimSuffix(escape(path), "/"), nil
}
