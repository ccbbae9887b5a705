package lines

import (
	"slices"
	"strings"
)

// GoSetting returns the last value of a name in a file of `go env -w` and the number of its line, from 0; -1: it is not there. As
// for go, the name begins its line (cmd/go/internal/cfg, readEnvFile).
func GoSetting(text, name string) (value string, line int) {
	line = -1
	for i, l := range slices.Collect(strings.Lines(text)) {
		if n, v, ok := strings.Cut(strings.TrimRight(l, "\r\n"), "="); ok && n == name {
			value, line = v, i
		}
	}
	return value, line
}
