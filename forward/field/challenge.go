package field

import (
	"net/http"
	"slices"
	"strings"
)

// maxChallenges bounds what is read of WWW-Authenticate, in bytes of all its lines.
const maxChallenges = 16 << 10

// Challenge is one way in that a server offers with 401.
type Challenge struct {
	scheme string            // lower case
	Params map[string]string // keys in lower case; values as meant, without quotes
}

// BearerChallenge finds what a registry wants: the first Bearer challenge of WWW-Authenticate that has a realm; false: there is none.
func BearerChallenge(h http.Header) (Challenge, bool) {
	for _, c := range parseChallenges(h.Values("WWW-Authenticate")) {
		if c.scheme == "bearer" && c.Params["realm"] != "" {
			return c, true
		}
	}
	return Challenge{}, false
}

// Scopes are those asked for, sorted, each once.
func (c Challenge) Scopes() []string {
	list := strings.Fields(c.Params["scope"])
	slices.Sort(list)
	return slices.Compact(list)
}

// parseChallenges reads WWW-Authenticate (RFC 9110, 11.6.1): challenges parted by commas, whose parameters are parted by
// commas too. Lines that are not well-formed give what stands before the fault.
func parseChallenges(lines []string) []Challenge {
	var all []Challenge
	left := maxChallenges
	for _, line := range lines {
		if left -= len(line); left < 0 {
			break
		}
		all = append(all, parseLine(line)...)
	}
	return all
}

func parseLine(line string) []Challenge {
	var all []Challenge
	s := &scanner{rest: line}
	for {
		s.skip(" \t,")
		word := s.token()
		if word == "" {
			return all
		}
		s.skip(" \t")
		if s.next('=') && len(all) > 0 { // a parameter of the last challenge
			s.skip(" \t")
			value, ok := s.value()
			if !ok {
				return all
			}
			last := all[len(all)-1].Params
			if key := strings.ToLower(word); last[key] == "" { // the first one counts
				last[key] = value
			}
			continue
		}
		all = append(all, Challenge{scheme: strings.ToLower(word), Params: map[string]string{}})
		s.token68()
	}
}

// token68 passes over the one piece of base64 that some schemes have instead of parameters (Negotiate).
func (s *scanner) token68() {
	rest := strings.TrimLeft(s.rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/")
	rest = strings.TrimLeft(rest, "=")
	if end := strings.TrimLeft(rest, " \t"); end == "" || end[0] == ',' {
		s.rest = rest
	}
}
