package field

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// maxAltSvc bounds an Alt-Svc header field that is read, in bytes, and maxAlternatives what it may name.
	maxAltSvc, maxAlternatives = 4 << 10, 32
	// altSvcAge is how long an alternative holds if nothing is said (RFC 7838, 3.1).
	altSvcAge = 24 * time.Hour
	// MaxAge is how long an alternative is believed to hold at most.
	MaxAge = 30 * 24 * time.Hour
)

// errAltSvc reports a field that is not of RFC 7838's form. It is then ignored as a whole.
var errAltSvc = errors.New("the Alt-Svc field is malformed")

// Alternative is one alt-value (RFC 7838, 3): where else the same resources are.
type Alternative struct {
	Proto   string // the ALPN name
	Host    string // empty: that of the origin
	Port    uint16
	Age     time.Duration // how long it holds
	Persist bool          // also on another network
}

// parseAltSvc reads an Alt-Svc field. clear says that nothing that was said before holds any more.
func parseAltSvc(text string) (found []Alternative, clear bool, err error) {
	if len(text) > maxAltSvc {
		return nil, false, errAltSvc
	}
	if strings.Trim(text, " \t") == "clear" {
		return nil, true, nil
	}
	s := &scanner{rest: text}
	for {
		s.skip(" \t")
		if len(found) == maxAlternatives {
			return nil, false, errAltSvc
		}
		a, ok := s.alternative()
		if !ok {
			return nil, false, errAltSvc
		}
		found = append(found, a)
		if s.skip(" \t"); s.rest == "" {
			return found, false, nil
		}
		if !s.next(',') {
			return nil, false, errAltSvc
		}
	}
}

// alternative reads protocol-id "=" alt-authority *( OWS ";" OWS parameter ).
func (s *scanner) alternative() (a Alternative, ok bool) {
	name, authority := s.token(), ""
	if name == "" || !s.next('=') {
		return a, false
	}
	if authority, ok = s.quoted(); !ok {
		return a, false
	}
	if a.Proto, ok = unescape(name); !ok {
		return a, false
	}
	if a.Host, a.Port, ok = parseAuthority(authority); !ok {
		return a, false
	}
	a.Age = altSvcAge
	for {
		if s.skip(" \t"); !s.next(';') {
			return a, true
		}
		s.skip(" \t")
		if !s.parameter(&a) {
			return a, false
		}
	}
}

// parameter reads one; those that are not known are passed over.
func (s *scanner) parameter(a *Alternative) bool {
	name := s.token()
	if name == "" || !s.next('=') {
		return false
	}
	value, ok := s.value()
	if !ok {
		return false
	}
	switch strings.ToLower(name) {
	case "ma":
		a.Age, ok = deltaSeconds(value)
	case "persist":
		a.Persist = value == "1" // any other value is to be ignored (RFC 7838, 3.1)
	}
	return ok
}

// unescape reads a protocol-id, in which octets that are no token stand as %XX.
func unescape(name string) (string, bool) {
	var text strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '%' {
			text.WriteByte(name[i])
			continue
		}
		if i+3 > len(name) {
			return "", false
		}
		octet, err := strconv.ParseUint(name[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		text.WriteByte(byte(octet))
		i += 2
	}
	return text.String(), true
}

func parseAuthority(text string) (host string, port uint16, ok bool) {
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	return host, uint16(n), err == nil && n > 0 && digits[0] != '+'
}

// deltaSeconds reads a number of seconds; one too large for us is the largest (RFC 9111, 1.2.2).
func deltaSeconds(text string) (time.Duration, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > int64(MaxAge/time.Second) {
		return MaxAge, true
	}
	return time.Duration(n) * time.Second, true
}

// Alternatives are what the fields of an answer say, its Age taken off; none may be left of that. clear says that nothing that was said
// before holds any more. An error is for a field that is malformed, or none: it says nothing.
func Alternatives(h http.Header) (found []Alternative, clear bool, err error) {
	found, clear, err = parseAltSvc(strings.Join(h.Values("Alt-Svc"), ","))
	if age, ok := deltaSeconds(h.Get("Age")); ok { // it was said that long ago
		for i := range found {
			found[i].Age -= age
		}
	}
	return found, clear, err
}
