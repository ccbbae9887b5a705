package npm

import (
	"bytes"
	"encoding/json"
)

// scanner reads a JSON document without making anything of what nobody asks for: a packument has megabytes, of which a few
// fields of each version count. It finds the ends of values and does not check what is in them; what is used is decoded by
// encoding/json afterwards. A document that does not go on as it should makes it fail, and it stands still from then on.
type scanner struct {
	data   []byte
	at     int
	failed bool
}

// next is the first byte that is no blank; 0 at the end.
func (s *scanner) next() byte {
	for s.at < len(s.data) {
		switch c := s.data[s.at]; c {
		case ' ', '\n', '\r', '\t':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// take moves behind c, which must come next.
func (s *scanner) take(c byte) bool {
	if s.failed || s.next() != c {
		s.failed = true
		return false
	}
	s.at++
	return true
}

// members calls do behind each key of an object; do must read the value, by one of the methods. The key is as it is
// written, without quotes. Any other value is passed over: it has no members.
func (s *scanner) members(do func(key []byte)) {
	if s.next() != '{' {
		s.value()
		return
	}
	s.at++
	if s.next() == '}' {
		s.at++
		return
	}
	for !s.failed {
		if s.next() != '"' {
			s.failed = true
			return
		}
		key := s.value()
		if !s.take(':') {
			return
		}
		do(key[1 : len(key)-1])
		if s.failed || s.next() == '}' {
			s.at++
			return
		}
		s.take(',')
	}
}

// value passes over a value and returns it as it is written; nil if there is none.
func (s *scanner) value() []byte {
	c := s.next()
	from := s.at
	switch {
	case s.failed || c == 0:
		s.failed = true
	case c == '"':
		s.quoted()
	case c == '{' || c == '[':
		s.nested()
	default:
		s.word()
	}
	if s.failed {
		return nil
	}
	return s.data[from:s.at]
}

// quoted passes over a string.
func (s *scanner) quoted() {
	from := s.at + 1
	for at := from; ; {
		n := bytes.IndexByte(s.data[at:], '"')
		if n < 0 {
			s.failed = true
			return
		}
		at += n + 1
		escapes := 0
		for i := at - 2; i >= from && s.data[i] == '\\'; i-- {
			escapes++
		}
		if escapes%2 == 0 {
			s.at = at
			return
		}
	}
}

// nested passes over an object or an array.
func (s *scanner) nested() {
	for depth := 0; s.at < len(s.data); {
		switch s.data[s.at] {
		case '"':
			if s.quoted(); s.failed {
				return
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.at++
				return
			}
		}
		s.at++
	}
	s.failed = true
}

// word passes over a number, true, false or null.
func (s *scanner) word() {
	from := s.at
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ',', '}', ']', ':', '"', '{', '[', ' ', '\n', '\r', '\t':
			s.failed = s.at == from
			return
		}
		s.at++
	}
}

// text reads a string; a value of another kind is none.
func (s *scanner) text() string { return unquote(s.value()) }

func unquote(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var text string
	_ = json.Unmarshal(raw, &text)
	return text
}
