package doctor

import (
	"strings"
)

// line is one setting of a file in the INI manner.
type line struct {
	Section string // lower case; empty before the first
	Key     string // lower case, "_" as "-"
	Value   string
	Number  int // from 1
}

// parseINI reads the INI files of Python's configparser: comments begin with # or ;, a key ends at = or :, and a line that
// begins with a blank belongs to the value above. What it does not understand it passes over.
func parseINI(text string) (lines []line) {
	section, number := "", 0
	for raw := range strings.Lines(text) {
		number++
		raw = strings.TrimRight(raw, "\r\n")
		trimmed := strings.TrimSpace(raw)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
		case raw[0] != trimmed[0] && len(lines) > 0 && lines[len(lines)-1].Section == section:
			last := &lines[len(lines)-1]
			last.Value = strings.TrimSpace(last.Value + "\n" + trimmed)
		case trimmed[0] == '[' && strings.HasSuffix(trimmed, "]"):
			section = strings.ToLower(strings.TrimSpace(trimmed[1 : len(trimmed)-1]))
		default:
			if l, ok := parseLine(trimmed); ok {
				l.Section, l.Number = section, number
				lines = append(lines, l)
			}
		}
	}
	return lines
}

// parseLine reads KEY = VALUE, or KEY: VALUE.
func parseLine(text string) (line, bool) {
	at := strings.IndexAny(text, "=:")
	if at < 0 {
		return line{}, false
	}
	key := normalKey(text[:at])
	return line{Key: key, Value: strings.TrimSpace(text[at+1:])}, key != ""
}

func normalKey(text string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), "_", "-")
}
