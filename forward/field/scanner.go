// Package field reads the header fields that net/http leaves as they are: who else serves what an origin does
// ([Alternatives]), and what a registry wants before it answers ([BearerChallenge]). They come from strangers: what is read
// of each is bounded, and one that is malformed says nothing.
package field

import (
	"strings"

	"golang.org/x/net/http/httpguts"
)

// scanner reads the parts of a header field.
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
	for end < len(s.rest) && httpguts.IsTokenRune(rune(s.rest[end])) {
		end++
	}
	word := s.rest[:end]
	s.rest = s.rest[end:]
	return word
}

// value takes a token or a quoted string.
func (s *scanner) value() (string, bool) {
	if strings.HasPrefix(s.rest, `"`) {
		return s.quoted()
	}
	word := s.token()
	return word, word != ""
}

// quoted takes a quoted string (RFC 9110, 5.6.4).
func (s *scanner) quoted() (string, bool) {
	if !s.next('"') {
		return "", false
	}
	var text strings.Builder
	for i := 0; i < len(s.rest); i++ {
		c := s.rest[i]
		switch {
		case c == '"':
			s.rest = s.rest[i+1:]
			return text.String(), true
		case c == '\\' && i+1 < len(s.rest):
			i++
			c = s.rest[i]
		}
		if c < ' ' && c != '\t' || c == 0x7f {
			return "", false
		}
		text.WriteByte(c)
	}
	return "", false
}
