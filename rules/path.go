package rules

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName bounds a cache name, in bytes, and with it every path that is matched.
const maxName = 8 << 10

// clean reads an escaped path and returns it plain, in the one form that all spellings of it share. An escaped slash is
// a slash, for npm writes @scope%2fname, %2F and / and means the same; doubled slashes are one. False: a path that
// somebody could read in two ways ("..", control characters, broken escapes), which is never matched.
func clean(escaped string) (string, bool) {
	if len(escaped) > 3*maxName || strings.ContainsAny(escaped, "?#") {
		return "", false
	}
	plain, err := url.PathUnescape(escaped)
	if err != nil || !strings.HasPrefix(plain, "/") || !utf8.ValidString(plain) {
		return "", false
	}
	if strings.ContainsFunc(plain, unicode.IsControl) {
		return "", false
	}
	segments := strings.FieldsFunc(plain, func(r rune) bool { return r == '/' })
	for _, segment := range segments {
		if segment == "." || segment == ".." {
			return "", false
		}
	}
	joined := "/" + strings.Join(segments, "/")
	if len(segments) > 0 && strings.HasSuffix(plain, "/") {
		joined += "/"
	}
	return joined, len(joined) <= maxName
}

// escape writes a plain path as it is sent: what RFC 3986 section 3.3 allows in a path stays ("!", "+", "@"), the rest
// is percent-encoded in upper case.
func escape(plain string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(plain))
	for i := range len(plain) {
		c := plain[i]
		if inPath(c) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

func inPath(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("/-._~!$&'()*+,;=:@", c) >= 0
}

// below strips a prefix of whole segments: "/go" of "/go/x" leaves "/x", of "/gone" nothing.
func below(path, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	if rest == "" {
		rest = "/"
	}
	return rest, true
}

// hostKey is how the set knows a host: lower case, without a trailing dot, without a scheme's own port. IPv6 addresses
// have brackets only before a port.
func hostKey(host string) string {
	name, port := splitHost(host)
	if port == "" || port == "443" || port == "80" {
		return name
	}
	return net.JoinHostPort(name, port)
}

// splitHost takes host, host:port, an address or [address]:port apart.
func splitHost(host string) (name, port string) {
	name = host
	if n, p, err := net.SplitHostPort(host); err == nil {
		name, port = n, p
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	bare := strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if addr, err := netip.ParseAddr(bare); err == nil {
		name = addr.String()
	}
	return name, port
}
