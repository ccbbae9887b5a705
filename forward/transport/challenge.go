package transport

import (
	"net/http"
	"slices"
	"strings"
)

// maxChallenges bounds what is read of WWW-Authenticate, in bytes of all its lines.
const maxChallenges = 16 << 10

// challenge is one way in that a server offers with 401.
type challenge struct {
	scheme string            // lower case
	params map[string]string // keys in lower case; values as meant, without quotes
}

// bearerChallenge finds what a registry wants: the first Bearer challenge that has a realm.
func bearerChallenge(h http.Header) (challenge, bool) {
	for _, c := range parseChallenges(h.Values("WWW-Authenticate")) {
		if c.scheme == "bearer" && c.params["realm"] != "" {
			return c, true
		}
	}
	return challenge{}, false
}

// scopes are those asked for, sorted, each once.
func (c challenge) scopes() []string {
	list := strings.Fields(c.params["scope"])
	slices.Sort(list)
	return slices.Compact(list)
}

// parseChallenges reads WWW-Authenticate (RFC 9110, 11.6.1): challenges parted by commas, whose parameters are parted by
// commas too. Lines that are not well-formed give what stands before the fault.
func parseChallenges(lines []string) []challenge {
	var all []challenge
	left := maxChallenges
	for _, line := range lines {
		if left -= len(line); left < 0 {
			break
		}
		all = append(all, parseLine(line)...)
	}
	return all
}

func parseLine(line string) []challenge {
	var all []challenge
	s := &scanner{rest: line}
	for {
		s.skip(" \t,")
		word := s.token()
		if word == "" {
			return all
		}
		s.skip(" \t")
		if s.next('=') && len(all) > 0 { // a parameter of the last challenge
			value, ok := s.value()
			if !ok {
				return all
			}
			last := all[len(all)-1].params
			if key := strings.ToLower(word); last[key] == "" { // the first one counts
				last[key] = value
			}
			continue
		}
		all = append(all, challenge{scheme: strings.ToLower(word), params: map[string]string{}})
		s.token68()
	}
}

// scanner reads the parts of a header line.
type scanner struct{ rest string }

func (s *scanner) skip(set string) { s.rest = strings.TrimLeft(s.rest, set) }

func (s *scanner) next(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// token takes a token (RFC 9110, 5.6.2); empty if there is none.
func (s *scanner) token() string {
	end := 0
	for end < len(s.rest) && isTokenByte(s.rest[end]) {
		end++
	}
	word := s.rest[:end]
	s.rest = s.rest[end:]
	return word
}

// value takes a token or a quoted string (RFC 9110, 5.6.4).
func (s *scanner) value() (string, bool) {
	s.skip(" \t")
	if !s.next('"') {
		word := s.token()
		return word, word != ""
	}
	var text strings.Builder
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return text.String(), true
		case c == '\\' && i+1 < len(s.rest):
			i++
			text.WriteByte(s.rest[i])
		default:
			text.WriteByte(c)
		}
	}
	return "", false
}

// token68 passes over the one piece of base64 that some schemes have instead of parameters (Negotiate).
func (s *scanner) token68() {
	rest := strings.TrimLeft(s.rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/")
	rest = strings.TrimLeft(rest, "=")
	if end := strings.TrimLeft(rest, " \t"); end == "" || end[0] == ',' {
		s.rest = rest
	}
}

func isTokenByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c > ' ' && strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
