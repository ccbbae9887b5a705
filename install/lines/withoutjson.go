package lines

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Without returns text, which stands in a file of that name, without what ours had added to former, and with what it had
// replaced. JSON stays JSON: where taking out lines leaves a comma too many or too few, that is mended. What else means
// something only together stays together (TakeOutOf).
func Without(file string, former, ours, text []byte) []byte {
	if strings.HasSuffix(file, ".json") && json.Valid(text) {
		out := mendCommas(takeOutBy(former, ours, text, Ends+","))
		if json.Valid(out) && keepsOthers(file, ours, text, out) {
			return out
		}
	}
	return TakeOutOf(file, former, ours, text)
}

// mendCommas puts commas between values that have none, and takes those away that nothing follows.
func mendCommas(text []byte) []byte {
	var out []byte
	end, comma := -1, -1 // in out: behind the last value, and where a comma waits for the next one; -1: there is none
	for i := 0; i < len(text); {
		c := text[i]
		n := tokenLength(text[i:])
		switch {
		case bytes.IndexByte([]byte(" \t\r\n"), c) >= 0:
			out, i = append(out, c), i+1
			continue
		case c == ',' && comma >= 0:
			i++ // the second one
			continue
		case c == ',':
			comma = len(out)
		case (c == '}' || c == ']') && comma >= 0:
			out = append(out[:comma:comma], out[comma+1:]...)
			comma = -1
		case c == ':':
		case c != '}' && c != ']' && comma < 0 && end >= 0:
			out = append(out[:end:end], append([]byte{','}, out[end:]...)...)
			fallthrough
		default:
			comma = -1
		}
		out, i = append(out, text[i:i+n]...), i+n
		switch c {
		case ',', ':', '{', '[':
			end = -1
		default:
			end = len(out)
		}
	}
	return out
}

// tokenLength is the length of the word, number, string or sign at the beginning of text.
func tokenLength(text []byte) int {
	if text[0] == '"' {
		for i := 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
		return len(text)
	}
	if n := bytes.IndexAny(text, " \t\r\n,:{}[]\""); n > 0 {
		return n
	} else if n < 0 {
		return len(text)
	}
	return 1
}
