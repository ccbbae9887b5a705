package settings

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"hither/cmd/hither/environ"
)

// checkLog wants levels and one file at most.
func (s *Settings) checkLog() error {
	file := ""
	for _, word := range environ.SplitList([]string{s.Log}) {
		switch _, level := ParseLevel(word); {
		case level:
		case !filepath.IsAbs(word):
			return s.Wrong("log", fmt.Errorf("%q is none of the levels debug, info, warn, error; for a file of that name write ./%s", word, word))
		case file != "":
			return s.Wrong("log", fmt.Errorf("%s and %s: there can be one file only; the levels are debug, info, warn, error", file, word))
		default:
			file = word
		}
	}
	return nil
}

// ParseLevel reads a level of the log; false: the word is none.
func ParseLevel(word string) (slog.Level, bool) {
	switch strings.ToLower(word) {
	case "debug":
		return slog.LevelDebug, true
	case "info":
		return slog.LevelInfo, true
	case "warn", "warning":
		return slog.LevelWarn, true
	case "error":
		return slog.LevelError, true
	}
	return 0, false
}
