package forward

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// splitHost takes host[:port] apart. The host is lower case, without brackets and final dot; port is empty if there is none.
func splitHost(hostport string) (host, port string) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = strings.Trim(hostport, "[]"), ""
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.String() // of an address there are many spellings
	}
	return host, port
}

// sameName compares hosts, whatever their ports.
func sameName(a, b string) bool {
	x, _ := splitHost(a)
	y, _ := splitHost(b)
	return x == y
}

// samePlace compares hosts and ports. Ports 80 and 443 are one place, as in the rules; any other is a registry of its own.
func samePlace(a, b string) bool {
	_, p := splitHost(a)
	_, q := splitHost(b)
	usual := func(port string) bool { return port == "" || port == "80" || port == "443" }
	return sameName(a, b) && (p == q || usual(p) && usual(q))
}

// agrees says whether a Host header speaks of the place that the connection was made to. It may leave the port out.
func agrees(host, place string) bool {
	_, port := splitHost(host)
	_, want := splitHost(place)
	return sameName(host, place) && (port == "" || want == "" || port == want)
}

// isLoopback says whether host[:port] can mean only this machine: no name that somebody else's DNS might point at us.
func isLoopback(hostport string) bool {
	host, _ := splitHost(hostport)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// isUnspecified knows 0.0.0.0 and [::], which lead to this machine too.
func isUnspecified(hostport string) bool {
	host, _ := splitHost(hostport)
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsUnspecified()
}

// isSelf asks Self with the port that a URL of this scheme would mean.
func (s *Server) isSelf(hostport string) bool { return s.isSelfBy("http", hostport) }

func (s *Server) isSelfBy(scheme, hostport string) bool {
	host, port := splitHost(hostport)
	if s.Self == nil || host == "" {
		return false
	}
	if port == "" {
		port = defaultPort(scheme)
	}
	return s.Self(net.JoinHostPort(host, port))
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// validTarget says whether s is the authority-form of a CONNECT (RFC 9110, 9.3.6): HOST:PORT and nothing else.
func validTarget(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || len(host) > 253 {
		return false
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return false
	}
	if strings.Contains(host, ":") {
		_, err := netip.ParseAddr(host)
		return err == nil && s[0] == '['
	}
	return strings.IndexFunc(host, notInHost) < 0
}

// notInHost finds what no host name holds. Underscores and other letters are seen in the wild.
func notInHost(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\@?#%[]"<>^{}|`+"`", r)
}

// below puts the path and query of a request, as they came, behind a base URL. Both keep their own spelling.
func below(base *url.URL, request *url.URL) *url.URL {
	up := *base
	up.Path = strings.TrimSuffix(base.Path, "/") + request.Path
	up.RawPath = strings.TrimSuffix(base.EscapedPath(), "/") + request.EscapedPath()
	up.RawQuery, up.ForceQuery = request.RawQuery, request.ForceQuery
	return &up
}
